//! The ledger's decisions: pure functions of rows and of a `now` that is passed in. They
//! do no I/O and read no clock.
//!
//! An engine reads rows, asks these functions and writes what they return. Where a
//! statement decides about many rows in one pass, a test shows that it agrees with the
//! function here. Ids, ARNs and times are type parameters where a decision only compares
//! them, so that engines pass the database's own values and the model its abstract ones.

use std::time::{Duration, SystemTime};

use super::{Event, IllegalTransition, Lease, Leases, State, Step, Transition};

#[cfg(test)]
mod tests;

/// The number of consecutive scans that must miss a live row before a read confirms
/// whether its configuration is gone.
pub const MAX_MISSED_SCANS: u32 = 2;

/// The effect of an earlier row with the same `request_id` on a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Earlier {
    /// The earlier request was another one.
    Mismatch,
    /// The same request created a configuration.
    Replay,
    /// The same request created a configuration, which no longer exists.
    Deleted,
    /// The same request was sent, with an unknown outcome so far.
    InDoubt,
    /// The same request is being executed.
    InProgress,
}

/// Decides a reservation whose `request_id` has an earlier row in `state`. `recorded` is the
/// fingerprint of that row, `requested` that of the reservation. None if the row does not
/// hold the `request_id`: the reservation continues as if there were no row.
#[must_use]
pub fn earlier<F: PartialEq>(state: State, recorded: &F, requested: &F) -> Option<Earlier> {
    if !holds_request_id(state) {
        return None;
    }
    if recorded != requested {
        return Some(Earlier::Mismatch);
    }
    match state {
        State::Live | State::Deleting => Some(Earlier::Replay),
        State::Deleted => Some(Earlier::Deleted),
        State::InDoubt => Some(Earlier::InDoubt),
        State::Reserved | State::Sending => Some(Earlier::InProgress),
        State::Rejected => None,
    }
}

/// Whether no other create can use the `request_id` of a row in `state`. A rejected create
/// made no configuration, so its `request_id` may be used again.
#[must_use]
pub const fn holds_request_id(state: State) -> bool {
    !matches!(state, State::Rejected)
}

/// Whether the quota admits one more row beside the `used` ones.
#[must_use]
pub const fn has_room(used: u32, limit: u32) -> bool {
    used < limit
}

/// The changes that a step makes to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The new state.
    pub state: State,
    /// Whether the step is a sending, which sets the time of the last sending.
    pub is_sending: bool,
    /// Whether the step is a sending of a create that an earlier sending may have created.
    pub is_resend: bool,
    /// Whether the step records AWS's response to the create.
    pub records_response: bool,
    /// The lease that begins; none keeps the old one, which the new state ignores.
    pub lease: Option<Lease>,
}

/// Decides the effect of a step on a row in `state`: the transition, and the change if
/// there is one. `was_resent` says whether an earlier sending of the create may have been
/// executed: then the create stays in doubt even if AWS has not executed the last sending.
///
/// # Errors
/// [`IllegalTransition`] if the step cannot happen to a row in that state.
pub fn step<'a>(
    state: State,
    was_resent: bool,
    step: impl Into<Step<'a>>,
) -> Result<(Transition, Option<Change>), IllegalTransition> {
    let step = match step.into() {
        Step::Event(Event::NotExecuted | Event::Throttled) if was_resent => {
            Step::Event(&Event::Ambiguous)
        }
        step => step,
    };
    let transition = state.after(step)?;
    let change = transition.changed.then(|| Change {
        state: transition.state,
        is_sending: transition.state == State::Sending,
        is_resend: matches!(step, Step::Resend),
        records_response: matches!(step, Step::Event(Event::Created(_))),
        lease: Lease::of(transition.state),
    });
    Ok((transition, change))
}

/// The end of a lease that begins at `now`.
#[must_use]
pub fn lease_until(lease: Lease, leases: &Leases, now: SystemTime) -> SystemTime {
    // A lease too long for the clock's range is one that never expires.
    now.checked_add(leases.length(lease)).unwrap_or(SystemTime::UNIX_EPOCH + FAR_FUTURE)
}

/// About 500,000 years: within the range of `SystemTime`, and of milliseconds in an `i64`.
const FAR_FUTURE: Duration = Duration::from_secs(1 << 44);

/// Whether a conclusion about the sending at `about` applies to a row in `state` that was last
/// sent at `last_sent`. A row that is no longer in doubt has its outcome: its configuration may
/// have been deleted since the probe.
#[must_use]
pub fn is_in_doubt_since<T: Copy + PartialEq>(state: State, last_sent: T, about: T) -> bool {
    state == State::InDoubt && last_sent == about
}

/// A configuration at AWS that carries the gateway's tags, and the rows that may conflict
/// with it.
#[derive(Debug, Clone, Copy)]
pub struct Found<Arn> {
    /// The state of the row with its ARN.
    pub owner: Option<State>,
    /// The row of its operation id. Irrelevant if `owner` is set.
    pub create: Option<RowOfCreate<Arn>>,
    /// The state of the row of another create that holds its `request_id`.
    pub holder: Option<State>,
    /// Whether the ledger knows everything that AWS has, so that a duplicate may be deleted.
    pub ledger_is_complete: bool,
}

/// The part of the row of a create that [`adopt`] reads.
#[derive(Debug, Clone, Copy)]
pub struct RowOfCreate<Arn> {
    /// The state.
    pub state: State,
    /// The ARN of its configuration, if it is known.
    pub arn: Option<Arn>,
    /// Whether the row records AWS's response to the create.
    pub response_recorded: bool,
}

/// The decision about a [`Found`] configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adopt<Arn> {
    /// Insert a live row with these ids.
    Insert(RowIds),
    /// Apply [`Event::Found`] to the row with its ARN.
    ApplyToOwner,
    /// Apply [`Event::Found`] to the row of its operation id.
    ApplyToCreate(RowIds),
    /// No adoption: the running create or delete will record the configuration.
    UnderWay,
    /// No caller has received its stream key: it may be deleted.
    Duplicate {
        /// The configuration whose stream key the caller has received.
        kept: Arn,
    },
}

/// The ids of the row of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowIds {
    /// Those of its tags.
    OfTags,
    /// Those of its tags. A create in doubt holds its `request_id`, and gets a new one: the
    /// ledger is an older copy, from before that create was given up.
    TakenBack,
    /// The operation id of its tags. Its `request_id` has created another configuration since.
    NewRequestId,
    /// New ones: its create has another configuration too.
    New,
}

/// Decides whether a configuration is adopted. A caller may have received the stream key of
/// every configuration except for a second one of a create whose response is recorded: a key is
/// returned only after its ARN is recorded.
#[must_use]
pub fn adopt<Arn>(found: Found<Arn>) -> Adopt<Arn> {
    let Found { owner, create, holder, ledger_is_complete } = found;
    let is_under_way = |state| matches!(state, State::Reserved | State::Sending | State::Deleting);
    let ids = match holder {
        None => RowIds::OfTags,
        Some(State::InDoubt) => RowIds::TakenBack,
        Some(_) => RowIds::NewRequestId,
    };
    match (owner, create) {
        (Some(state), _) if is_under_way(state) => Adopt::UnderWay,
        (Some(_), _) => Adopt::ApplyToOwner,
        (None, Some(RowOfCreate { arn: Some(kept), response_recorded: true, .. }))
            if ledger_is_complete =>
        {
            Adopt::Duplicate { kept }
        }
        (None, Some(RowOfCreate { arn: Some(_), .. })) => Adopt::Insert(RowIds::New),
        (None, Some(RowOfCreate { state, .. })) if is_under_way(state) => Adopt::UnderWay,
        (None, Some(RowOfCreate { state, .. })) if holds_request_id(state) => {
            Adopt::ApplyToCreate(RowIds::OfTags)
        }
        (None, Some(_)) => Adopt::ApplyToCreate(ids),
        (None, None) => Adopt::Insert(ids),
    }
}

/// The event by which the ledger takes over a create in `state`, if its lease expired
/// before `now`.
#[must_use]
pub fn take_over<T: Copy + PartialOrd>(state: State, lease_until: T, now: T) -> Option<Event> {
    let event = match state {
        // AWS has not executed it.
        State::Reserved => Event::Cancel,
        State::Sending => Event::Ambiguous,
        _ => return None,
    };
    has_expired(lease_until, now).then_some(event)
}

/// Whether the task of the delete of a row in `state` has ended: its lease expired before
/// `now`.
#[must_use]
pub fn is_abandoned_delete<T: Copy + PartialOrd>(state: State, lease_until: T, now: T) -> bool {
    state == State::Deleting && has_expired(lease_until, now)
}

fn has_expired<T: Copy + PartialOrd>(lease_until: T, now: T) -> bool {
    lease_until < now
}

/// The part of a row that [`finish_scan`] reads.
#[derive(Debug, Clone, Copy)]
pub struct Scanned<T> {
    /// The state.
    pub state: State,
    /// When the state last changed.
    pub updated_at: T,
    /// When AWS last showed the configuration.
    pub observed_at: Option<T>,
    /// The number of consecutive scans that have missed it.
    pub missed_scans: u32,
}

/// The row after the end of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AfterScan {
    /// The number of consecutive scans that have missed it.
    pub missed_scans: u32,
    /// Whether a read must confirm that the configuration is gone.
    pub is_missing: bool,
}

/// Decides whether a scan that began at `scan_began`, and has listed everything, missed
/// the row.
#[must_use]
pub fn finish_scan<T: Copy + PartialOrd>(row: &Scanned<T>, scan_began: T) -> AfterScan {
    // A row that became live during the scan may belong to a page that the scan had read.
    let was_missed = row.state == State::Live
        && row.updated_at < scan_began
        && row.observed_at.is_none_or(|at| at < scan_began);
    let missed_scans = row.missed_scans.saturating_add(u32::from(was_missed));
    let is_missing = row.state == State::Live && missed_scans >= MAX_MISSED_SCANS;
    AfterScan { missed_scans, is_missing }
}

/// Whether an observation at `at` contradicts the end of a row in `state`, which last changed at
/// `updated_at`: AWS has the configuration.
#[must_use]
pub fn contradicts_end<T: Copy + PartialOrd>(state: State, updated_at: T, at: T) -> bool {
    matches!(state, State::Deleted | State::Rejected) && updated_at < at
}

/// Whether an observation at `at` replaces the one at `observed_at`. Two concurrent readers
/// of AWS may record their observations in the wrong order.
#[must_use]
pub fn is_latest<T: Copy + PartialOrd>(observed_at: Option<T>, at: T) -> bool {
    observed_at.is_none_or(|observed_at| observed_at <= at)
}
