//! The life of a row: a pure function from a state and an event to the next
//! state. Nothing else changes a row's state, and nothing here does I/O.

use std::fmt;

/// Where a create, and then the configuration it made, stands.
///
/// The number of each state is what the database holds. Every state up to
/// [`State::Deleting`] may exist at AWS and so counts against the quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum State {
    /// It has a place in the quota. No byte has gone to AWS.
    Reserved = 1,
    /// The call to AWS may be under way.
    Sending = 2,
    /// The call ended and nobody knows how: it may or may not exist.
    InDoubt = 3,
    /// It exists.
    Live = 4,
    /// A delete may be under way: it may or may not exist still.
    Deleting = 5,
    /// It existed and is gone.
    Deleted = 6,
    /// It was never made.
    Rejected = 7,
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

    /// Whether a row in this state uses a place in its tenant's quota.
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

    /// The state after `event`.
    ///
    /// An event that says again what the row already knows changes nothing, so
    /// that applying an event twice is safe.
    ///
    /// # Errors
    /// [`IllegalTransition`] if the event cannot happen to a row in this state.
    #[expect(clippy::match_same_arms, reason = "each arm is an arrow of the diagram")]
    pub fn after(self, event: &Event) -> Result<Self, IllegalTransition> {
        use State::{Deleted, Deleting, InDoubt, Live, Rejected, Reserved, Sending};
        match (self, event) {
            (Reserved | Sending, Event::Send) => Ok(Sending),
            (Reserved | Rejected, Event::Cancel) => Ok(Rejected),
            (Sending | InDoubt | Live, Event::Created(_)) => Ok(Live),
            (Sending | Rejected, Event::NotExecuted) => Ok(Rejected),
            (Sending | InDoubt, Event::Ambiguous) => Ok(InDoubt),
            (InDoubt | Live, Event::Found(_)) => Ok(Live),
            (InDoubt | Rejected, Event::Absent) => Ok(Rejected),
            (Live | Deleting, Event::Delete) => Ok(Deleting),
            (Deleting | Live, Event::DeleteRefused) => Ok(Live),
            (Deleting | Deleted, Event::DeleteConfirmed) => Ok(Deleted),
            (Live | Deleted, Event::Vanished) => Ok(Deleted),
            (from, event) => Err(IllegalTransition { from, event: event.name() }),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What AWS tells of a configuration that a row learns from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Resource {
    /// The configuration's ARN.
    pub arn: String,
    /// The participant that stands for its encoder.
    pub participant_id: String,
}

/// What can happen to a row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Event {
    /// The call to AWS is about to be sent.
    Send,
    /// The create is given up before anything was sent.
    Cancel,
    /// AWS answered that it created the configuration.
    Created(Resource),
    /// The call was definitely not executed.
    NotExecuted,
    /// The call may have been executed.
    Ambiguous,
    /// Settling found the configuration at AWS, by its operation id.
    Found(Resource),
    /// Settling proved that the configuration does not exist.
    Absent,
    /// A delete is about to be sent.
    Delete,
    /// AWS refused to delete it.
    DeleteRefused,
    /// AWS deleted it, or says that it is not there.
    DeleteConfirmed,
    /// The sweep missed it at AWS twice.
    Vanished,
}

impl Event {
    /// The name in logs and errors.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Cancel => "cancel",
            Self::Created(_) => "created",
            Self::NotExecuted => "not_executed",
            Self::Ambiguous => "ambiguous",
            Self::Found(_) => "found",
            Self::Absent => "absent",
            Self::Delete => "delete",
            Self::DeleteRefused => "delete_refused",
            Self::DeleteConfirmed => "delete_confirmed",
            Self::Vanished => "vanished",
        }
    }

    /// What the event tells of the configuration at AWS, if anything.
    #[must_use]
    pub const fn resource(&self) -> Option<&Resource> {
        match self {
            Self::Created(resource) | Self::Found(resource) => Some(resource),
            _ => None,
        }
    }
}

/// The event cannot happen to a row in that state: a defect of the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a row in state {from} cannot take the event {event}")]
pub struct IllegalTransition {
    /// The state the row is in.
    pub from: State,
    /// The event's name.
    pub event: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events() -> Vec<Event> {
        let resource = Resource { arn: "arn".into(), participant_id: "p".into() };
        vec![
            Event::Send,
            Event::Cancel,
            Event::Created(resource.clone()),
            Event::NotExecuted,
            Event::Ambiguous,
            Event::Found(resource),
            Event::Absent,
            Event::Delete,
            Event::DeleteRefused,
            Event::DeleteConfirmed,
            Event::Vanished,
        ]
    }

    #[test]
    fn every_event_is_idempotent() {
        for state in State::ALL {
            for event in events() {
                if let Ok(next) = state.after(&event) {
                    assert_eq!(next.after(&event), Ok(next), "{state} --{}-->", event.name());
                }
            }
        }
    }

    #[test]
    fn quota_is_returned_only_by_proof_that_nothing_exists() {
        let proofs =
            ["cancel", "not_executed", "absent", "delete_confirmed", "vanished"].map(String::from);
        for state in State::ALL.into_iter().filter(|state| state.counts_against_quota()) {
            for event in events() {
                if state.after(&event).is_ok_and(|next| !next.counts_against_quota()) {
                    assert!(proofs.contains(&event.name().to_owned()), "{}", event.name());
                }
            }
        }
    }

    #[test]
    fn what_may_have_been_sent_is_never_simply_cancelled() {
        for state in [State::Sending, State::InDoubt, State::Live, State::Deleting] {
            assert!(state.after(&Event::Cancel).is_err());
        }
    }

    #[test]
    fn a_doubt_ends_only_by_finding_or_by_proof_of_absence() {
        let ends: Vec<_> = events()
            .into_iter()
            .filter(|event| State::InDoubt.after(event).is_ok_and(|next| next != State::InDoubt))
            .map(|event| event.name())
            .collect();
        // `created` is the answer that came after all.
        assert_eq!(ends, ["created", "found", "absent"]);
    }

    #[test]
    fn codes_are_stable_because_databases_hold_them() {
        for (code, state) in (1..).zip(State::ALL) {
            assert_eq!(State::from_code(code), Some(state));
        }
        assert_eq!(State::from_code(0), None);
        assert_eq!(State::from_code(8), None);
    }
}
