//! The vocabulary of a schedule: flows, their terms, and the outcome of a call.

use std::{sync::Arc, time::Duration};

/// The flow of a call: calls of one flow are served in the order of their arrival.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FlowId {
    /// A flow of a caller.
    Caller(Arc<str>),
    /// The calls of the program itself. They have a reserved share, and are never
    /// rejected.
    Internal,
}

/// A flow's share and its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The share of the budget beside other flows that wait; at least 1.
    pub weight: u32,
    /// The most calls that wait.
    pub max_queued: u32,
    /// The most calls that are in flight.
    pub max_in_flight: u32,
}

/// A flow and its terms, as a call presents them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// The flow.
    pub id: FlowId,
    /// Its terms, which may differ from those of the call before.
    pub terms: Terms,
}

/// The end of the queue that a call joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueEnd {
    /// Behind the flow's other calls.
    Back,
    /// Before the flow's other calls: the upstream throttled it.
    Front,
}

/// A call is not admitted, or leaves the queue without a permit. It has consumed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{cause:?}, predicted wait {} ms", predicted_wait.as_millis())]
pub struct Rejection {
    /// The bound that the call meets.
    pub cause: RejectionCause,
    /// The wait of a call that arrives now.
    pub predicted_wait: Duration,
}

/// The bound that a rejected call meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectionCause {
    /// [`Terms::max_queued`].
    QueueFull,
    /// Its deadline: the response would arrive later.
    DeadlineTooShort,
}

/// The decision about a call that waited.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision<E> {
    /// It goes now.
    Grant(E),
    /// Its response would arrive after its deadline.
    Reject(E, Rejection),
}

/// The outcome of a call that was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The upstream responded, with success or with an error.
    Completed,
    /// The upstream throttled it, and may have named a time to retry after.
    Throttled(Option<Duration>),
    /// No response arrived.
    NoResponse,
    /// It was not sent: its slot is free again.
    NotSent,
}

/// Identifies a call that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryId(pub(super) u64);
