//! Every SQL statement of the embedded ledger. Each function runs within a
//! transaction that its caller commits.

use std::{collections::BTreeMap, time::SystemTime};

use rusqlite::{Connection, OptionalExtension, params, types::Type};

use ulid::Ulid;

use super::{
    super::{Event, LedgerError, Reservation, Reserved, State, Usage, unix_ms},
    Recovered,
    writer::unavailable,
};
use crate::{
    ingest::{Fingerprint, OperationId},
    tenant::TenantId,
};

/// A statement that fails undoes itself alone, so the rest of a group still commits.
pub(super) fn reserve(
    connection: &Connection,
    reservation: &Reservation,
) -> Result<Reserved, LedgerError> {
    let sql = |error: rusqlite::Error| unavailable(&error);
    if let Some(earlier) = earlier(connection, reservation).map_err(sql)? {
        return Ok(earlier);
    }
    let used = used(connection, &reservation.tenant).map_err(sql)?;
    if used >= reservation.limit {
        return Ok(Reserved::OverQuota { used });
    }
    insert(connection, reservation).map_err(sql)?;
    Ok(Reserved::New)
}

/// What an earlier request with the same `request_id` came to.
fn earlier(
    connection: &Connection,
    reservation: &Reservation,
) -> rusqlite::Result<Option<Reserved>> {
    let mut statement = connection.prepare_cached(
        "SELECT operation_id, fingerprint, state, arn FROM ingest_configurations
         WHERE tenant = ?1 AND request_id = ?2 AND state <> 7",
    )?;
    let keys = params![reservation.tenant.as_str(), reservation.request_id];
    statement
        .query_row(keys, |row| {
            let operation_id = OperationId::from(Ulid::from_bytes(row.get(0)?));
            let fingerprint = Fingerprint::from(row.get::<_, [u8; 16]>(1)?);
            if fingerprint != reservation.fingerprint {
                return Ok(Reserved::FingerprintMismatch);
            }
            let arn: Option<String> = row.get(3)?;
            Ok(match (state(row, 2)?, arn) {
                (State::Live | State::Deleting | State::Deleted, Some(arn)) => {
                    Reserved::Replay { operation_id, arn }
                }
                (State::InDoubt, _) => Reserved::InDoubt { operation_id },
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

fn insert(connection: &Connection, reservation: &Reservation) -> rusqlite::Result<()> {
    let fields = &reservation.fields;
    connection
        .prepare_cached(
            "INSERT INTO ingest_configurations (operation_id, tenant, request_id, fingerprint,
               state, name, stage_arn, user_id, attributes, ingest_protocol, redundant_ingest,
               tags, created_at_ms, updated_at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?13)",
        )?
        .execute(params![
            reservation.operation_id.ulid().to_bytes(),
            reservation.tenant.as_str(),
            reservation.request_id,
            reservation.fingerprint.as_bytes(),
            State::Reserved as u8,
            fields.name,
            fields.stage_arn,
            fields.user_id,
            json(&fields.attributes)?,
            fields.ingest_protocol.as_str(),
            fields.redundant_ingest,
            json(&fields.tags)?,
            unix_ms(SystemTime::now()),
        ])?;
    Ok(())
}

pub(super) fn apply(
    connection: &Connection,
    operation_id: OperationId,
    event: &Event,
) -> Result<State, LedgerError> {
    let sql = |error: rusqlite::Error| unavailable(&error);
    let before = connection
        .prepare_cached("SELECT state FROM ingest_configurations WHERE operation_id = ?1")
        .and_then(|mut statement| {
            statement.query_row([operation_id.ulid().to_bytes()], |row| state(row, 0)).optional()
        })
        .map_err(sql)?
        .ok_or(LedgerError::NoSuchRow(operation_id))?;
    let after = before.after(event)?;
    let resource = event.resource();
    connection
        .prepare_cached(
            "UPDATE ingest_configurations
             SET state = ?2, arn = coalesce(?3, arn), participant_id = coalesce(?4, participant_id),
               updated_at_ms = ?5
             WHERE operation_id = ?1",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                operation_id.ulid().to_bytes(),
                after as u8,
                resource.map(|resource| &resource.arn),
                resource.map(|resource| &resource.participant_id),
                unix_ms(SystemTime::now()),
            ])
        })
        .map_err(sql)?;
    Ok(after)
}

pub(super) fn usage(connection: &Connection, tenant: &TenantId) -> Result<Usage, LedgerError> {
    let by_state = || -> rusqlite::Result<BTreeMap<State, u32>> {
        connection
            .prepare_cached(
                "SELECT state, count(*) FROM ingest_configurations
                 WHERE tenant = ?1 AND state <= 5 GROUP BY state",
            )?
            .query_map([tenant.as_str()], |row| Ok((state(row, 0)?, row.get(1)?)))?
            .collect()
    };
    by_state().map(Usage).map_err(|error| unavailable(&error))
}

/// Settles what a stop left: nobody carries these rows on any more.
pub(super) fn recover(connection: &mut Connection, now_ms: i64) -> rusqlite::Result<Recovered> {
    let transaction = connection.transaction()?;
    let move_all = |from: State, event: &Event| -> rusqlite::Result<usize> {
        let to = from.after(event).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(0, Type::Integer, Box::new(error))
        })?;
        transaction.execute(
            "UPDATE ingest_configurations SET state = ?2, updated_at_ms = ?3 WHERE state = ?1",
            params![from as u8, to as u8, now_ms],
        )
    };
    let rejected = move_all(State::Reserved, &Event::Cancel)?;
    let in_doubt = move_all(State::Sending, &Event::Ambiguous)?;
    let in_doubt_in_all = transaction.query_row(
        "SELECT count(*) FROM ingest_configurations WHERE state = ?1",
        [State::InDoubt as u8],
        |row| row.get(0),
    )?;
    transaction.commit()?;
    Ok(Recovered { rejected, in_doubt, in_doubt_in_all })
}

fn state(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<State> {
    let code: u8 = row.get(column)?;
    State::from_code(code).ok_or(rusqlite::Error::IntegralValueOutOfRange(column, i64::from(code)))
}

fn json(map: &BTreeMap<String, String>) -> rusqlite::Result<String> {
    serde_json::to_string(map)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}
