//! The statements in the path of a call. Each function is one job of the writer.

use std::{collections::BTreeMap, time::SystemTime};

use rusqlite::{Connection, OptionalExtension, params};
use ulid::Ulid;

use super::super::{
    Event, Expired, LedgerError, Reservation, Reserved, State, Transition, Usage, from_unix_ms,
    unix_ms,
};
use crate::{
    request::{Fingerprint, OperationId},
    tenancy::TenantId,
};

pub(super) fn reserve(
    connection: &Connection,
    reservation: &Reservation,
    lease_until: SystemTime,
) -> Result<Reserved, LedgerError> {
    if let Some(earlier) = earlier(connection, reservation)? {
        return Ok(earlier);
    }
    let used = used(connection, &reservation.tenant)?;
    if used >= reservation.limit {
        return Ok(Reserved::OverQuota { used });
    }
    let now_ms = unix_ms(SystemTime::now());
    connection
        .prepare_cached(
            "INSERT INTO ingest_configurations (operation_id, tenant, request_id, fingerprint,
               state, lease_until_ms, name, stage_arn, user_id, attributes, ingest_protocol,
               redundant_ingest, tags, created_at_ms, updated_at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?14)",
        )?
        .execute(params![
            reservation.operation_id.ulid().to_bytes(),
            reservation.tenant.as_str(),
            reservation.request_id,
            reservation.fingerprint.as_bytes(),
            State::Reserved as u8,
            unix_ms(lease_until),
            reservation.fields.name,
            reservation.fields.stage_arn,
            reservation.fields.user_id,
            json(&reservation.fields.attributes)?,
            reservation.fields.ingest_protocol.as_str(),
            reservation.fields.redundant_ingest,
            json(&reservation.fields.tags)?,
            now_ms,
        ])?;
    Ok(Reserved::New)
}

/// What an earlier request with the same `request_id` came to.
fn earlier(
    connection: &Connection,
    reservation: &Reservation,
) -> rusqlite::Result<Option<Reserved>> {
    let mut statement = connection.prepare_cached(
        "SELECT operation_id, fingerprint, state, arn, coalesce(sent_at_ms, updated_at_ms)
         FROM ingest_configurations
         WHERE tenant = ?1 AND request_id = ?2 AND state <> 7",
    )?;
    let keys = params![reservation.tenant.as_str(), reservation.request_id];
    statement
        .query_row(keys, |row| {
            let operation_id = operation_id(row, 0)?;
            let fingerprint = Fingerprint::from(row.get::<_, [u8; 16]>(1)?);
            if fingerprint != reservation.fingerprint {
                return Ok(Reserved::FingerprintMismatch);
            }
            let arn: Option<String> = row.get(3)?;
            Ok(match (state(row, 2)?, arn) {
                (State::Live | State::Deleting | State::Deleted, Some(arn)) => {
                    Reserved::Replay { operation_id, arn }
                }
                (State::InDoubt, _) => {
                    Reserved::InDoubt { operation_id, sent_at: from_unix_ms(row.get(4)?) }
                }
                _ => Reserved::InProgress { operation_id },
            })
        })
        .optional()
}

fn used(connection: &Connection, tenant: &TenantId) -> rusqlite::Result<u32> {
    connection
        .prepare_cached(
            "SELECT count(*) FROM ingest_configurations WHERE tenant = ?1 AND state <= 5",
        )?
        .query_row([tenant.as_str()], |row| row.get(0))
}

pub(super) fn apply(
    connection: &Connection,
    id: OperationId,
    event: &Event,
    lease_until: SystemTime,
) -> Result<Transition, LedgerError> {
    let before = connection
        .prepare_cached("SELECT state FROM ingest_configurations WHERE operation_id = ?1")?
        .query_row([id.ulid().to_bytes()], |row| state(row, 0))
        .optional()?
        .ok_or(LedgerError::NoSuchRow(id))?;
    let transition = before.after(event)?;
    if transition.state == before {
        return Ok(transition);
    }
    let now_ms = unix_ms(SystemTime::now());
    let resource = event.resource();
    connection
        .prepare_cached(
            "UPDATE ingest_configurations
             SET state = ?2, arn = coalesce(?3, arn),
               participant_id = coalesce(?4, participant_id), updated_at_ms = ?5,
               sent_at_ms = iif(?2 = 2, ?5, sent_at_ms),
               lease_until_ms = iif(?2 IN (1, 2, 5), ?6, lease_until_ms)
             WHERE operation_id = ?1",
        )?
        .execute(params![
            id.ulid().to_bytes(),
            transition.state as u8,
            resource.map(|resource| &resource.arn),
            resource.map(|resource| &resource.participant_id),
            now_ms,
            unix_ms(lease_until),
        ])?;
    Ok(transition)
}

pub(super) fn apply_to_sending(
    connection: &Connection,
    id: OperationId,
    sent_at: SystemTime,
    event: &Event,
    lease_until: SystemTime,
) -> Result<Option<Transition>, LedgerError> {
    let last_sent_ms: i64 = connection
        .prepare_cached(
            "SELECT coalesce(sent_at_ms, updated_at_ms) FROM ingest_configurations
             WHERE operation_id = ?1",
        )?
        .query_row([id.ulid().to_bytes()], |row| row.get(0))
        .optional()?
        .ok_or(LedgerError::NoSuchRow(id))?;
    if last_sent_ms != unix_ms(sent_at) {
        return Ok(None);
    }
    apply(connection, id, event, lease_until).map(Some)
}

pub(super) fn usage(connection: &Connection, tenant: &TenantId) -> Result<Usage, LedgerError> {
    let by_state: rusqlite::Result<BTreeMap<State, u32>> = connection
        .prepare_cached(
            "SELECT state, count(*) FROM ingest_configurations
             WHERE tenant = ?1 AND state <= 5 GROUP BY state",
        )?
        .query_map([tenant.as_str()], |row| Ok((state(row, 0)?, row.get(1)?)))?
        .collect();
    Ok(Usage(by_state?))
}

pub(super) const TAKE_OVER: &str = "UPDATE ingest_configurations SET state = ?2, updated_at_ms = ?3
     WHERE state = ?1 AND state <= 5 AND state <> 4 AND lease_until_ms < ?4";

/// Takes over the rows whose lease was over at `lease_before_ms`.
pub(super) fn expire(
    connection: &Connection,
    now_ms: i64,
    lease_before_ms: i64,
) -> rusqlite::Result<Expired> {
    let take_over = |from: State, event: &Event| {
        // Both arrows stand in the transition function, as its tests show.
        let Ok(Transition { state: to, .. }) = from.after(event) else { return Ok(0) };
        connection.prepare_cached(TAKE_OVER)?.execute(params![
            from as u8,
            to as u8,
            now_ms,
            lease_before_ms
        ])
    };
    Ok(Expired {
        rejected: take_over(State::Reserved, &Event::Cancel)?,
        in_doubt: take_over(State::Sending, &Event::Ambiguous)?,
    })
}

pub(super) fn operation_id(
    row: &rusqlite::Row<'_>,
    column: usize,
) -> rusqlite::Result<OperationId> {
    Ok(Ulid::from_bytes(row.get(column)?).into())
}

pub(super) fn state(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<State> {
    let code: u8 = row.get(column)?;
    State::from_code(code).ok_or(rusqlite::Error::IntegralValueOutOfRange(column, i64::from(code)))
}

pub(super) fn json(map: &BTreeMap<String, String>) -> rusqlite::Result<String> {
    serde_json::to_string(map)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}
