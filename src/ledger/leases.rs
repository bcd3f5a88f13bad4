//! Leases: the time that a row may stay in a state that a task must end.

use std::time::Duration;

use super::State;

/// The lease of a row in a state that a task must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lease {
    /// From the reservation, or a throttle, to the sending.
    Reserved,
    /// From the sending of a create or a delete to its outcome.
    Sending,
}

/// Margin of every lease, so that a paused process or a slow disk does not make live work look
/// abandoned.
const MARGIN: Duration = Duration::from_secs(30);

/// The length of each lease.
#[derive(Debug, Clone, Copy)]
pub struct Leases {
    /// From the reservation, or a throttle, to the sending. Longer than any caller waits.
    pub reserved: Duration,
    /// From the sending to its outcome. Longer than `upstream.attempt_timeout_ms`.
    pub sending: Duration,
}

impl Lease {
    /// The lease of a row that enters `state`; none if no task works on such a row.
    #[must_use]
    pub const fn of(state: State) -> Option<Self> {
        match state {
            State::Reserved => Some(Self::Reserved),
            State::Sending | State::Deleting => Some(Self::Sending),
            State::InDoubt | State::Live | State::Deleted | State::Rejected => None,
        }
    }
}

impl Leases {
    /// Returns the leases for the longest deadline of a caller and the time-out of a call to
    /// AWS.
    #[must_use]
    pub fn new(max_deadline: Duration, attempt_timeout: Duration) -> Self {
        Self { reserved: max_deadline + MARGIN, sending: attempt_timeout + MARGIN }
    }

    /// The length of `lease`.
    #[must_use]
    pub const fn length(&self, lease: Lease) -> Duration {
        match lease {
            Lease::Reserved => self.reserved,
            Lease::Sending => self.sending,
        }
    }
}
