//! The statements of settling and of the sweep. Each function is one job of the
//! writer; those that make several changes make ones that are right without each
//! other.

use std::{collections::HashMap, time::SystemTime};

use rusqlite::{Connection, OptionalExtension, params, types::Type};
use ulid::Ulid;

use super::{
    super::{
        Adopted, Adoption, Doubt, Event, LedgerError, Missed, Observation, State, from_unix_ms,
        unix_ms,
    },
    statements::{json, operation_id, state},
};
use crate::{
    request::{IngestProtocol, OperationId},
    tenancy::TenantId,
};

/// The most rows that are forgotten in one job: a call must not wait behind more.
const MAX_PRUNED: u32 = 500;

/// The most rows that are looked at in one job for what a walk has missed.
const MAX_LOOKED_AT: u32 = 1000;

pub(super) const IN_DOUBT: &str =
    "SELECT operation_id, tenant, coalesce(sent_at_ms, updated_at_ms), name, stage_arn,
       user_id, ingest_protocol
     FROM ingest_configurations
     WHERE state = 3 AND state <= 5 AND state <> 4 AND operation_id > ?1
     ORDER BY operation_id LIMIT ?2";

pub(super) fn in_doubt(
    connection: &Connection,
    after: Option<OperationId>,
    limit: u32,
) -> rusqlite::Result<Vec<Doubt>> {
    let after = after.map_or([0; 16], |id| id.ulid().to_bytes());
    connection
        .prepare_cached(IN_DOUBT)?
        .query_map(params![after, limit], |row| {
            Ok(Doubt {
                operation_id: operation_id(row, 0)?,
                tenant: text(row, 1, |text| TenantId::parse(text).ok())?,
                sent_at: from_unix_ms(row.get(2)?),
                name: row.get(3)?,
                stage_arn: row.get(4)?,
                user_id: row.get(5)?,
                ingest_protocol: text(row, 6, IngestProtocol::from_name)?,
            })
        })?
        .collect()
}

pub(super) fn owners(
    connection: &Connection,
    arns: Vec<String>,
) -> rusqlite::Result<HashMap<String, OperationId>> {
    let mut statement = connection
        .prepare_cached("SELECT operation_id FROM ingest_configurations WHERE arn = ?1")?;
    let mut owners = HashMap::new();
    for arn in arns {
        let owner = statement.query_row([&arn], |row| operation_id(row, 0)).optional()?;
        if let Some(owner) = owner {
            owners.insert(arn, owner);
        }
    }
    Ok(owners)
}

pub(super) fn observe(
    connection: &Connection,
    seen: Vec<Observation>,
) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare_cached(
        "UPDATE ingest_configurations
         SET observed_state = iif(observed_at_ms > ?3, observed_state, ?2),
           stage_arn = iif(observed_at_ms > ?3, stage_arn, ?4),
           redundant_ingest = iif(observed_at_ms > ?3, redundant_ingest, ?5),
           observed_at_ms = max(coalesce(observed_at_ms, 0), ?3), missed = 0
         WHERE arn = ?1",
    )?;
    let mut unknown = Vec::new();
    for Observation { arn, state, stage_arn, redundant_ingest, at } in seen {
        let observed = params![arn, state.as_str(), unix_ms(at), stage_arn, redundant_ingest];
        let known = statement.execute(observed)?;
        if known == 0 {
            unknown.push(arn);
        }
    }
    Ok(unknown)
}

/// The last of the rows that one job looks at.
pub(super) const LAST_LOOKED_AT: &str = "SELECT max(operation_id) FROM (
       SELECT operation_id FROM ingest_configurations
       WHERE operation_id > ?1 ORDER BY operation_id LIMIT ?2)";

/// What became live during the walk may stand on a page that was read before.
pub(super) const MISS_ONCE_MORE: &str = "UPDATE ingest_configurations SET missed = missed + 1
     WHERE operation_id > ?1 AND operation_id <= ?2 AND state = 4 AND updated_at_ms < ?3
       AND (observed_at_ms IS NULL OR observed_at_ms < ?3)";

pub(super) const MISSED_TWICE: &str = "SELECT operation_id, arn FROM ingest_configurations
     WHERE operation_id > ?1 AND operation_id <= ?2 AND state = 4 AND missed >= 2
       AND arn IS NOT NULL";

/// Looks at some of the rows after `after`, and answers the last of them: none if there
/// are no more. All at once would keep every create waiting for seconds.
pub(super) fn missed(
    connection: &Connection,
    walk_began_ms: i64,
    after: Option<OperationId>,
) -> rusqlite::Result<(Vec<Missed>, Option<OperationId>)> {
    let after = after.map_or([0; 16], |id| id.ulid().to_bytes());
    let last: Option<[u8; 16]> = connection
        .prepare_cached(LAST_LOOKED_AT)?
        .query_row(params![after, MAX_LOOKED_AT], |row| row.get(0))?;
    let Some(last) = last else { return Ok((Vec::new(), None)) };
    connection.prepare_cached(MISS_ONCE_MORE)?.execute(params![after, last, walk_began_ms])?;
    let missed: rusqlite::Result<Vec<_>> = connection
        .prepare_cached(MISSED_TWICE)?
        .query_map(params![after, last], |row| {
            Ok(Missed { operation_id: operation_id(row, 0)?, arn: row.get(1)? })
        })?
        .collect();
    Ok((missed?, Some(Ulid::from_bytes(last).into())))
}

pub(super) const ABANDONED_DELETES: &str = "SELECT operation_id, arn FROM ingest_configurations
     WHERE state = 5 AND state <= 5 AND state <> 4 AND arn IS NOT NULL AND lease_until_ms < ?1";

pub(super) fn abandoned_deletes(
    connection: &Connection,
    now_ms: i64,
) -> rusqlite::Result<Vec<Missed>> {
    connection
        .prepare_cached(ABANDONED_DELETES)?
        .query_map([now_ms], |row| {
            Ok(Missed { operation_id: operation_id(row, 0)?, arn: row.get(1)? })
        })?
        .collect()
}

pub(super) fn adopt(connection: &Connection, found: &Adoption) -> Result<Adopted, LedgerError> {
    let key = found.operation_id.ulid().to_bytes();
    let row: Option<(State, Option<String>)> = connection
        .prepare_cached("SELECT state, arn FROM ingest_configurations WHERE operation_id = ?1")?
        .query_row([key], |row| Ok((state(row, 0)?, row.get(1)?)))
        .optional()?;
    let adopted = match row {
        None => match insert_live(connection, found) {
            Err(LedgerError::Conflict) => return Ok(Adopted::Displaced),
            inserted => inserted,
        },
        Some((_, Some(kept))) if kept != found.resource.arn => {
            return Ok(Adopted::Orphan { kept: Some(kept) });
        }
        Some((State::Reserved | State::Sending, _)) => return Ok(Adopted::UnderWay),
        Some(_) => {
            let event = Event::Found(found.resource.clone());
            super::statements::apply(connection, found.operation_id, &event, SystemTime::now())
                .map(drop)
        }
    };
    match adopted {
        Ok(()) => Ok(Adopted::Live),
        Err(LedgerError::Conflict) => Ok(Adopted::Orphan { kept: None }),
        Err(error) => Err(error),
    }
}

fn insert_live(connection: &Connection, found: &Adoption) -> Result<(), LedgerError> {
    let Adoption { resource, fields, .. } = found;
    connection
        .prepare_cached(
            "INSERT INTO ingest_configurations (operation_id, tenant, request_id, fingerprint,
               state, lease_until_ms, arn, participant_id, name, stage_arn, user_id, attributes,
               ingest_protocol, redundant_ingest, tags, created_at_ms, updated_at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        )?
        .execute(params![
            found.operation_id.ulid().to_bytes(),
            found.tenant.as_str(),
            found.request_id,
            found.fingerprint.as_bytes(),
            State::Live as u8,
            resource.arn,
            resource.participant_id,
            fields.name,
            fields.stage_arn,
            fields.user_id,
            json(&fields.attributes)?,
            fields.ingest_protocol.as_str(),
            fields.redundant_ingest,
            json(&fields.tags)?,
            unix_ms(found.operation_id.minted_at()),
            unix_ms(SystemTime::now()),
        ])?;
    Ok(())
}

pub(super) const PRUNE: &str = "DELETE FROM ingest_configurations WHERE operation_id IN (
       SELECT operation_id FROM ingest_configurations
       WHERE state >= 6 AND updated_at_ms < ?1 LIMIT ?2)";

pub(super) fn prune(connection: &Connection, before_ms: i64) -> rusqlite::Result<usize> {
    connection.prepare_cached(PRUNE)?.execute(params![before_ms, MAX_PRUNED])
}

pub(super) fn is_complete(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT EXISTS (SELECT 1 FROM completed)", [], |row| row.get(0))
}

pub(super) fn complete(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .execute("INSERT INTO completed (at_ms) VALUES (?1)", [unix_ms(SystemTime::now())])
        .map(drop)
}

/// A column that only the gateway writes, and so can be read back.
pub(super) fn text<T>(
    row: &rusqlite::Row<'_>,
    column: usize,
    read: impl Fn(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    read(&text).ok_or_else(|| {
        let error = format!("column {column} cannot be read");
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
    })
}
