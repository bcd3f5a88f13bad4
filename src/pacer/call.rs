//! What a schedule is asked about a call, and what it answers.

use std::time::Duration;

use crate::tenancy::TenantId;

/// Whose call it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Who {
    /// A tenant's.
    Tenant(TenantId),
    /// The gateway's own.
    Gateway,
}

/// Where in its tenant's queue a call waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueEnd {
    /// Behind the others.
    Back,
    /// Before the others: AWS throttled it.
    Front,
}

/// A call is refused a place. Nothing was taken. A call that came now would wait so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// As many calls of the tenant wait as may.
    QueueFull(Duration),
    /// Its answer would come after its deadline.
    TooLate(Duration),
}

/// What becomes of a call that waited.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<E> {
    /// It goes to AWS now.
    Go(E),
    /// It would be answered too late after all, and nothing was taken.
    TooLate(E, Duration),
}

/// How a call that went ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// AWS answered it, well or badly.
    Answered,
    /// AWS throttled it, and may have said when to come back.
    Throttled(Option<Duration>),
    /// No answer came.
    Unanswered,
    /// It was not sent after all: its slot is free again.
    Unsent,
}

/// What a flow may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Its share of the budget beside the others that wait; at least 1.
    pub weight: u32,
    /// The most calls that may wait.
    pub max_queued: u32,
    /// The most calls that may be at AWS.
    pub max_in_flight: u32,
}

/// Names a call that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryId(pub(super) u64);
