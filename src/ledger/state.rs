//! The life of a row: a pure function from a state and a step to the next state. Nothing
//! else changes a row's state, and nothing here does I/O.

use std::fmt;

use super::{Event, Step};

/// The state of a create, and then of the configuration that it made.
///
/// The number of each state is what the database holds. Every state up to
/// [`State::Deleting`] may exist at AWS and so counts against the quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum State {
    /// The create counts against the quota. AWS has not executed it: it was not sent, or
    /// AWS throttled it.
    Reserved = 1,
    /// The call to AWS may be running.
    Sending = 2,
    /// The call ended with an unknown outcome: the configuration may exist.
    InDoubt = 3,
    /// The configuration exists.
    Live = 4,
    /// A delete may be running: the configuration may still exist.
    Deleting = 5,
    /// The configuration existed, and no longer exists.
    Deleted = 6,
    /// AWS did not create a configuration.
    Rejected = 7,
}

/// A row's state after a [`Step`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Transition {
    /// The state the row is in now.
    pub state: State,
    /// Whether the step changed it. A step that is applied again changes nothing.
    pub changed: bool,
}

/// The step cannot happen to a row in that state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a row in state {from} cannot take the event {event}")]
pub struct IllegalTransition {
    /// The state the row is in.
    pub from: State,
    /// The name of the step.
    pub event: &'static str,
}

impl State {
    /// Every state, in the order of the numbers.
    pub const ALL: [Self; 7] = [
        Self::Reserved,
        Self::Sending,
        Self::InDoubt,
        Self::Live,
        Self::Deleting,
        Self::Deleted,
        Self::Rejected,
    ];

    /// The state after `step`.
    ///
    /// A repeated step changes nothing, so that applying it twice is safe.
    ///
    /// # Errors
    /// [`IllegalTransition`] if the step cannot happen to a row in this state.
    #[expect(clippy::match_same_arms, reason = "each arm is an arrow of the diagram")]
    pub fn after<'a>(self, step: impl Into<Step<'a>>) -> Result<Transition, IllegalTransition> {
        use Event::{
            Absent, Ambiguous, Cancel, Created, Delete, DeleteConfirmed, DeleteRefused, Found,
            NotExecuted, Throttled, Vanished,
        };
        use State::{Deleted, Deleting, InDoubt, Live, Rejected, Reserved, Sending};
        let step = step.into();
        let state = match (self, step) {
            (Reserved, Step::Send) => Sending,
            (InDoubt, Step::Resend) => Sending,
            (Reserved, Step::Event(Cancel)) => Rejected,
            // The record of the sending failed, so it was not sent.
            (Reserved, Step::Event(NotExecuted)) => Rejected,
            (Sending, Step::Event(Created(_))) => Live,
            (Sending, Step::Event(NotExecuted)) => Rejected,
            (Sending, Step::Event(Throttled)) => Reserved,
            (Sending, Step::Event(Ambiguous)) => InDoubt,
            // The response came after the lease of its sender had expired.
            (InDoubt, Step::Event(Created(_))) => Live,
            (InDoubt, Step::Event(Found(_))) => Live,
            (InDoubt, Step::Event(Absent)) => Rejected,
            // The conclusion that AWS did not execute the create was wrong. A configuration
            // that exists is counted, even above the quota.
            (Rejected, Step::Event(Created(_) | Found(_))) => Live,
            // The response that AWS does not have the configuration was wrong.
            (Deleted, Step::Event(Found(_))) => Live,
            (Live, Step::Event(Delete)) => Deleting,
            // A delete may have begun after the scan missed the row.
            (Live | Deleting, Step::Event(Vanished)) => Deleted,
            (Deleting, Step::Event(DeleteRefused)) => Live,
            (Deleting, Step::Event(DeleteConfirmed)) => Deleted,
            // A concurrent delete was rejected, and moved the row back to live too early.
            (Live, Step::Event(DeleteConfirmed)) => Deleted,
            // Repeated steps.
            (Reserved, Step::Event(Throttled))
            | (Sending, Step::Send | Step::Resend)
            | (Rejected, Step::Event(Cancel | NotExecuted | Absent))
            | (InDoubt, Step::Event(Ambiguous))
            | (Live, Step::Event(Created(_) | Found(_) | DeleteRefused))
            | (Deleting, Step::Event(Delete))
            | (Deleted, Step::Event(DeleteConfirmed | Vanished)) => self,
            // A concurrent delete was confirmed first: the row stays deleted.
            (Deleted, Step::Event(Delete | DeleteRefused)) => self,
            (from, step) => return Err(IllegalTransition { from, event: step.name() }),
        };
        Ok(Transition { state, changed: state != self })
    }

    /// Whether a row in this state may exist at AWS, and so counts against the quota.
    #[must_use]
    pub const fn counts_against_quota(self) -> bool {
        (self as u8) <= Self::Deleting as u8
    }

    /// The name in logs and in `GetQuota`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Sending => "sending",
            Self::InDoubt => "in_doubt",
            Self::Live => "live",
            Self::Deleting => "deleting",
            Self::Deleted => "deleted",
            Self::Rejected => "rejected",
        }
    }

    /// The state of that number; none if there is no such state.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| *state as u8 == code)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
