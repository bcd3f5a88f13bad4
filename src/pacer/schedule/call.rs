//! The types of a schedule's interface: flows, their terms, and the outcome of a call.

use std::{sync::Arc, time::Duration};

/// The flow of a call: calls of one flow are served in the order of their arrival.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FlowId {
    /// The calls of one caller.
    Caller(Arc<str>),
    /// The calls of the program itself. They have a reserved share, and are never
    /// rejected.
    Internal,
}

/// A flow's share and its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The flow's share of the budget, relative to the other flows that wait; at least 1.
    pub weight: u32,
    /// Maximum number of calls that wait.
    pub max_queued: u32,
    /// Maximum number of calls in flight.
    pub max_in_flight: u32,
}

/// A flow and its terms, as a call presents them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// The flow.
    pub id: FlowId,
    /// The flow's terms, which may differ from those of its previous call.
    pub terms: Terms,
}

/// The end of the queue that a call joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueEnd {
    /// Behind the flow's other calls.
    Back,
    /// Ahead of the flow's other calls, because the upstream throttled it.
    Front,
}

/// The rejection of a call that was not admitted, or left the queue without a permit. The call
/// has consumed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{cause:?}, predicted wait {} ms", predicted_wait.as_millis())]
pub struct Rejection {
    /// The bound that the call would exceed.
    pub cause: RejectionCause,
    /// The wait of a call that arrives now.
    pub predicted_wait: Duration,
}

/// The bound that a rejected call would exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectionCause {
    /// [`Terms::max_queued`].
    QueueFull,
    /// The deadline of the call: the response would arrive later.
    DeadlineTooShort,
}

/// The decision about a call that waited.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision<E> {
    /// The call may be sent now.
    Grant(E),
    /// The response would arrive after the call's deadline.
    Reject(E, Rejection),
}

/// The outcome of a call that was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The upstream responded, with success or with an error.
    Completed,
    /// The upstream throttled the call, and may have named the delay before a retry.
    Throttled(Option<Duration>),
    /// No response arrived.
    NoResponse,
    /// The call was not sent, so its slot is free again.
    NotSent,
}

/// Identifies a call that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryId(pub(super) u64);
