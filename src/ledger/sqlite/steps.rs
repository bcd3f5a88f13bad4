//! The statements that change a row's state.

use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    super::{
        Event, Expired, Lease, Leases, LedgerError, SendPermission, State, Step, Transition,
        decide::{self, Change},
    },
    Now,
    columns::{key, state, unix_ms},
};
use crate::request::OperationId;

/// Applies a step to a row.
pub(super) fn apply(
    connection: &Connection,
    operation_id: OperationId,
    step: Step<'_>,
    now: Now,
    leases: &Leases,
) -> Result<Transition, LedgerError> {
    let before = read(connection, operation_id)?;
    let (transition, change) = decide::step(before.state, before.was_resent, step)?;
    if let Some(change) = change {
        write(connection, operation_id, step, change, now, leases)?;
    }
    Ok(transition)
}

/// Applies a step that is about the sending at `about`. None if the create has an outcome, or was
/// sent again since.
pub(super) fn apply_to_sending(
    connection: &Connection,
    operation_id: OperationId,
    about: SystemTime,
    step: Step<'_>,
    now: Now,
    leases: &Leases,
) -> Result<Option<Transition>, LedgerError> {
    let before = read(connection, operation_id)?;
    if !decide::is_in_doubt_since(before.state, before.last_sent_ms, unix_ms(about)) {
        return Ok(None);
    }
    let (transition, change) = decide::step(before.state, before.was_resent, step)?;
    if let Some(change) = change {
        write(connection, operation_id, step, change, now, leases)?;
    }
    Ok(Some(transition))
}

/// The part of a row that decides the effect of a step.
struct Before {
    state: State,
    /// The time of its last sending, or of its last change if it was never sent.
    last_sent_ms: i64,
    was_resent: bool,
}

fn read(connection: &Connection, id: OperationId) -> Result<Before, LedgerError> {
    connection
        .prepare_cached(
            "SELECT state, coalesce(sent_at_ms, updated_at_ms), resent FROM ingest_configurations
             WHERE operation_id = ?1",
        )?
        .query_row([key(id)], |row| {
            let (state, last_sent_ms) = (state(row, 0)?, row.get(1)?);
            Ok(Before { state, last_sent_ms, was_resent: row.get(2)? })
        })
        .optional()?
        .ok_or(LedgerError::NoSuchRow(id))
}

fn write(
    connection: &Connection,
    operation_id: OperationId,
    step: Step<'_>,
    change: Change,
    now: Now,
    leases: &Leases,
) -> rusqlite::Result<()> {
    let resource = step.resource();
    let now_ms = unix_ms(now.wall);
    let lease_until = change.lease.map(|lease| decide::lease_until(lease, leases, now.of_leases));
    connection
        .prepare_cached(
            "UPDATE ingest_configurations
             SET state = ?2, arn = coalesce(?3, arn),
               participant_id = coalesce(?4, participant_id), updated_at_ms = ?5,
               sent_at_ms = coalesce(?6, sent_at_ms),
               lease_until_ms = coalesce(?7, lease_until_ms), resent = max(resent, ?8),
               response_recorded = max(response_recorded, ?9)
             WHERE operation_id = ?1",
        )?
        .execute(params![
            key(operation_id),
            change.state as u8,
            resource.map(|resource| &resource.arn),
            resource.and_then(|resource| resource.participant_id.as_ref()),
            now_ms,
            change.is_sending.then_some(now_ms),
            lease_until.map(unix_ms),
            change.is_resend,
            change.records_response,
        ])
        .map(drop)
}

/// Records a sending, and returns the permission if the row was not being sent already.
pub(super) fn send(
    connection: &Connection,
    operation_id: OperationId,
    now: Now,
    leases: &Leases,
) -> Result<Option<SendPermission>, LedgerError> {
    let transition = apply(connection, operation_id, Step::Send, now, leases)?;
    Ok(permission(operation_id, transition, now))
}

/// Whether the row has the `request_id`. An adoption may have given it to another row.
fn has_request_id(
    connection: &Connection,
    operation_id: OperationId,
    request_id: &str,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM ingest_configurations
             WHERE operation_id = ?1 AND request_id = ?2)",
        )?
        .query_row(params![key(operation_id), request_id], |row| row.get(0))
}

/// Records another sending of a row in doubt, unless the row was resolved or sent again since
/// the sending at `absent`.
pub(super) fn resend(
    connection: &Connection,
    operation_id: OperationId,
    request_id: &str,
    absent: SystemTime,
    now: Now,
    leases: &Leases,
) -> Result<Option<SendPermission>, LedgerError> {
    if !has_request_id(connection, operation_id, request_id)? {
        return Ok(None);
    }
    match apply_to_sending(connection, operation_id, absent, Step::Resend, now, leases) {
        Ok(transition) => Ok(transition.and_then(|to| permission(operation_id, to, now))),
        Err(LedgerError::Illegal(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn permission(
    operation_id: OperationId,
    transition: Transition,
    now: Now,
) -> Option<SendPermission> {
    transition.changed.then(|| SendPermission::new(operation_id, now.wall))
}

/// Gives the deletes of the last process a lease: AWS may still execute them. The epoch is the time
/// of the opening: see [`Now::of_leases`].
pub(super) fn lease_deletes(connection: &Connection, leases: &Leases) -> rusqlite::Result<()> {
    let lease_until = decide::lease_until(Lease::Sending, leases, SystemTime::UNIX_EPOCH);
    connection
        .execute(
            "UPDATE ingest_configurations SET lease_until_ms = ?1
             WHERE state = 5 AND state <= 5 AND state <> 4",
            [unix_ms(lease_until)],
        )
        .map(drop)
}

pub(super) const TAKE_OVER: &str = "UPDATE ingest_configurations SET state = ?2, updated_at_ms = ?3
     WHERE state = ?1 AND state <= 5 AND state <> 4 AND lease_until_ms < ?4";

/// Takes over the creates whose lease expired before `lease_before_ms`: the decision of
/// [`decide::take_over`], with one statement per state.
pub(super) fn expire(
    connection: &Connection,
    now_ms: i64,
    lease_before_ms: i64,
) -> rusqlite::Result<Expired> {
    let mut expired = Expired::default();
    for from in State::ALL {
        let Some(event) = decide::take_over(from, 0, 1) else { continue };
        // Never skips: a test of `decide` shows that every takeover is a legal transition.
        let Ok(Transition { state: to, .. }) = from.after(&event) else { continue };
        let rows = connection.prepare_cached(TAKE_OVER)?.execute(params![
            from as u8,
            to as u8,
            now_ms,
            lease_before_ms
        ])?;
        match event {
            Event::Cancel => expired.rejected += rows,
            _ => expired.in_doubt += rows,
        }
    }
    Ok(expired)
}
