//! The life of a row: a pure function from a state and an event to the next state
//! and what must be done about it. Nothing else changes a row's state, and nothing
//! here does I/O.

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
    /// AWS throttled the call: it was not executed, and is sent once more when its turn
    /// comes.
    Throttled,
    /// The call may have been executed, or whoever sent it is gone.
    Ambiguous,
    /// It was found at AWS, by its operation id.
    Found(Resource),
    /// It has been absent for so long that the same create is about to be sent once
    /// more.
    Resend,
    /// It has been absent for so long that it does not exist.
    Absent,
    /// A delete is about to be sent.
    Delete,
    /// AWS refused to delete it.
    DeleteRefused,
    /// AWS deleted it, or says that it is not there.
    DeleteConfirmed,
    /// AWS no longer has it: the sweep missed it twice, and a read says so.
    Vanished,
}

/// What must be done about a transition, once it is durable. An event that is
/// applied again asks for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Nothing.
    None,
    /// The create waits for its turn at AWS.
    AwaitTurn,
    /// The create may be sent, once. Whoever applied the event holds the only
    /// permission there is.
    SendCreate,
    /// The delete may be sent.
    SendDelete,
    /// Somebody must find out whether it exists.
    Settle,
    /// It exists: who waits for it can be told.
    TellLive,
    /// It does not exist: its place in the quota is free, and who waits can be told.
    TellGone,
}

/// The state after an event, and what must be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Transition {
    /// The state the row is in now.
    pub state: State,
    /// What must be done.
    pub effect: Effect,
}

/// What AWS tells of a configuration that a row learns from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Resource {
    /// The configuration's ARN.
    pub arn: String,
    /// The participant that stands for its encoder.
    pub participant_id: String,
}

/// The event cannot happen to a row in that state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a row in state {from} cannot take the event {event}")]
pub struct IllegalTransition {
    /// The state the row is in.
    pub from: State,
    /// The event's name.
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

    /// The state after `event`, and what must be done about it.
    ///
    /// An event that says again what the row already knows changes nothing and asks
    /// for nothing, so that applying an event twice is safe.
    ///
    /// # Errors
    /// [`IllegalTransition`] if the event cannot happen to a row in this state.
    #[expect(clippy::match_same_arms, reason = "each arm is an arrow of the diagram")]
    pub fn after(self, event: &Event) -> Result<Transition, IllegalTransition> {
        use State::{Deleted, Deleting, InDoubt, Live, Rejected, Reserved, Sending};
        let (state, effect) = match (self, event) {
            (Reserved, Event::Send) => (Sending, Effect::SendCreate),
            (Reserved, Event::Cancel) => (Rejected, Effect::TellGone),
            (Sending, Event::Created(_)) => (Live, Effect::TellLive),
            (Sending, Event::NotExecuted) => (Rejected, Effect::TellGone),
            (Sending, Event::Throttled) => (Reserved, Effect::AwaitTurn),
            (Sending, Event::Ambiguous) => (InDoubt, Effect::Settle),
            // The answer came after all: its sender was slow, and not gone.
            (InDoubt, Event::Created(_)) => (Live, Effect::TellLive),
            (InDoubt, Event::Found(_)) => (Live, Effect::TellLive),
            (InDoubt, Event::Resend) => (Sending, Effect::SendCreate),
            (InDoubt, Event::Absent) => (Rejected, Effect::TellGone),
            // The proof of absence was wrong: AWS took longer than it ever should. What
            // exists is counted, even above the quota.
            (Rejected, Event::Created(_) | Event::Found(_)) => (Live, Effect::TellLive),
            (Live, Event::Delete) => (Deleting, Effect::SendDelete),
            // Also where a delete began since it was looked for.
            (Live | Deleting, Event::Vanished) => (Deleted, Effect::TellGone),
            (Deleting, Event::DeleteRefused) => (Live, Effect::TellLive),
            (Deleting, Event::DeleteConfirmed) => (Deleted, Effect::TellGone),
            // Another delete beside it was refused, and took the row back too early.
            (Live, Event::DeleteConfirmed) => (Deleted, Effect::TellGone),
            // Once more what is known already.
            (Reserved, Event::Throttled)
            | (Sending, Event::Send | Event::Resend)
            | (Rejected, Event::Cancel | Event::NotExecuted | Event::Absent)
            | (InDoubt, Event::Ambiguous)
            | (Live, Event::Created(_) | Event::Found(_) | Event::DeleteRefused)
            | (Deleting, Event::Delete)
            | (Deleted, Event::DeleteConfirmed | Event::Vanished) => (self, Effect::None),
            // Another delete beside it was confirmed first: gone is gone.
            (Deleted, Event::Delete | Event::DeleteRefused) => (self, Effect::None),
            (from, event) => return Err(IllegalTransition { from, event: event.name() }),
        };
        Ok(Transition { state, effect })
    }

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
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
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
            Self::Throttled => "throttled",
            Self::Ambiguous => "ambiguous",
            Self::Found(_) => "found",
            Self::Resend => "resend",
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
            Event::Throttled,
            Event::Ambiguous,
            Event::Found(resource),
            Event::Resend,
            Event::Absent,
            Event::Delete,
            Event::DeleteRefused,
            Event::DeleteConfirmed,
            Event::Vanished,
        ]
    }

    /// Every legal step: from, event, to.
    fn steps() -> impl Iterator<Item = (State, Event, Transition)> {
        State::ALL.into_iter().flat_map(|from| {
            events().into_iter().filter_map(move |event| {
                let transition = from.after(&event).ok()?;
                Some((from, event, transition))
            })
        })
    }

    #[test]
    fn an_event_applied_twice_asks_for_nothing_the_second_time() {
        for (from, event, Transition { state, .. }) in steps() {
            let again = Transition { state, effect: Effect::None };
            assert_eq!(state.after(&event), Ok(again), "{from} --{}-->", event.name());
        }
    }

    #[test]
    fn a_step_asks_for_something_exactly_if_it_changes_the_state() {
        for (from, event, Transition { state, effect }) in steps() {
            assert_eq!(effect == Effect::None, from == state, "{from} {}", event.name());
        }
    }

    #[test]
    fn quota_is_returned_only_by_proof_that_nothing_exists() {
        let proofs = ["cancel", "not_executed", "absent", "delete_confirmed", "vanished"];
        for (from, event, Transition { state, effect }) in steps() {
            let returned = from.counts_against_quota() && !state.counts_against_quota();
            assert_eq!(returned, effect == Effect::TellGone);
            assert!(!returned || proofs.contains(&event.name()), "{from} {}", event.name());
        }
    }

    #[test]
    fn what_is_gone_stays_gone_whoever_else_was_at_it() {
        for from in [State::Live, State::Deleting] {
            for proof in [Event::Vanished, Event::DeleteConfirmed] {
                assert_eq!(from.after(&proof).unwrap().state, State::Deleted);
            }
        }
        for late in [Event::Delete, Event::DeleteRefused, Event::DeleteConfirmed, Event::Vanished] {
            assert_eq!(State::Deleted.after(&late).unwrap().state, State::Deleted);
        }
    }

    #[test]
    fn a_create_is_sent_from_a_reservation_or_after_a_long_absence_alone() {
        let sends: Vec<_> = steps()
            .filter(|(_, _, transition)| transition.effect == Effect::SendCreate)
            .map(|(from, event, _)| (from, event.name()))
            .collect();
        assert_eq!(sends, [(State::Reserved, "send"), (State::InDoubt, "resend")]);
    }

    #[test]
    fn what_may_have_been_sent_is_never_simply_cancelled() {
        for state in [State::Sending, State::InDoubt, State::Live, State::Deleting] {
            assert!(state.after(&Event::Cancel).is_err());
        }
    }

    #[test]
    fn a_doubt_ends_only_by_what_aws_shows() {
        let ends: Vec<_> = steps()
            .filter(|(from, _, to)| *from == State::InDoubt && to.state != State::InDoubt)
            .map(|(_, event, _)| event.name())
            .collect();
        assert_eq!(ends, ["created", "found", "resend", "absent"]);
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
