//! The events that change a row's state.

/// An event that a caller of the ledger reports about a row.
///
/// A sending is not an event: [`Ledger::send`](super::Ledger::send) and
/// [`Ledger::resend`](super::Ledger::resend) record it and return the permission.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Event {
    /// The create is given up while AWS has not executed it: before it was sent, or after
    /// AWS throttled it.
    Cancel,
    /// AWS responded that it created the configuration.
    Created(Resource),
    /// The call has failed, and AWS has not executed it.
    NotExecuted,
    /// AWS throttled the call and did not execute it, or it was not sent after all. It will be
    /// sent with its next permit.
    Throttled,
    /// The call may have been executed, or the task that sent it has ended.
    Ambiguous,
    /// It was found at AWS, by its operation id.
    Found(Resource),
    /// AWS has not listed it for so long that it does not exist.
    Absent,
    /// A delete is about to be sent.
    Delete,
    /// AWS rejected the delete, or a read after the delete found the configuration.
    DeleteRefused,
    /// AWS deleted the configuration, or responded that it does not exist.
    DeleteConfirmed,
    /// AWS no longer has it: two scans missed it, and a read confirmed that.
    Vanished,
}

/// Everything that can happen to a row: an [`Event`], or a sending that the ledger
/// permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step<'a> {
    /// The reserved create is about to be sent.
    Send,
    /// The create is about to be sent once more, because AWS has not listed it.
    Resend,
    /// A caller of the ledger reports an event.
    Event(&'a Event),
}

/// The part of a configuration at AWS that an event records in the row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Resource {
    /// The configuration's ARN.
    pub arn: String,
    /// The participant that represents the encoder; none if AWS named none.
    pub participant_id: Option<String>,
}

impl Event {
    /// The name in logs and errors.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Created(_) => "created",
            Self::NotExecuted => "not_executed",
            Self::Throttled => "throttled",
            Self::Ambiguous => "ambiguous",
            Self::Found(_) => "found",
            Self::Absent => "absent",
            Self::Delete => "delete",
            Self::DeleteRefused => "delete_refused",
            Self::DeleteConfirmed => "delete_confirmed",
            Self::Vanished => "vanished",
        }
    }
}

impl<'a> Step<'a> {
    /// The name in logs and errors.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Resend => "resend",
            Self::Event(event) => event.name(),
        }
    }

    /// The configuration that the event is about, if it names one.
    #[must_use]
    pub const fn resource(self) -> Option<&'a Resource> {
        match self {
            Self::Event(Event::Created(resource) | Event::Found(resource)) => Some(resource),
            _ => None,
        }
    }
}

impl<'a> From<&'a Event> for Step<'a> {
    fn from(event: &'a Event) -> Self {
        Self::Event(event)
    }
}
