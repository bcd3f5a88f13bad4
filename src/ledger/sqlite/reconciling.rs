//! The statements about rows of unknown outcome, about ended rows, and about the comparison of the
//! ledger with AWS.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    super::{Comparison, InDoubtCreate, UnconfirmedRow, UnfinishedDelete},
    adopting::OWNER,
    columns::{from_unix_ms, key, operation_id, optional, text},
};
use crate::{
    request::{IngestProtocol, OperationId},
    tenancy::TenantId,
};

/// Maximum number of rows that one job deletes. It bounds the time that other jobs wait.
const MAX_PRUNED: u32 = 500;

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
) -> rusqlite::Result<Vec<InDoubtCreate>> {
    let after = after.map_or([0; 16], key);
    connection
        .prepare_cached(IN_DOUBT)?
        .query_map(params![after, limit], |row| {
            Ok(InDoubtCreate {
                operation_id: operation_id(row, 0)?,
                tenant: text(row, 1, |text| TenantId::parse(text).ok())?,
                sent_at: from_unix_ms(row.get(2)?),
                name: row.get(3)?,
                stage_arn: optional(row, 4)?,
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
    let mut statement = connection.prepare_cached(OWNER)?;
    let mut owners = HashMap::new();
    for arn in arns {
        let owner = statement.query_row([&arn], |row| operation_id(row, 0)).optional()?;
        if let Some(owner) = owner {
            owners.insert(arn, owner);
        }
    }
    Ok(owners)
}

/// With the decision of `decide::is_abandoned_delete`.
pub(super) const DELETES: &str =
    "SELECT operation_id, arn, coalesce(sent_at_ms, created_at_ms), lease_until_ms < ?1
     FROM ingest_configurations
     WHERE state = 5 AND state <= 5 AND state <> 4 AND arn IS NOT NULL";

pub(super) fn deletes(
    connection: &Connection,
    now_ms: i64,
) -> rusqlite::Result<Vec<UnfinishedDelete>> {
    connection
        .prepare_cached(DELETES)?
        .query_map([now_ms], |row| {
            Ok(UnfinishedDelete { row: unconfirmed(row)?, is_abandoned: row.get(3)? })
        })?
        .collect()
}

pub(super) fn unconfirmed(row: &Row<'_>) -> rusqlite::Result<UnconfirmedRow> {
    Ok(UnconfirmedRow {
        operation_id: operation_id(row, 0)?,
        arn: row.get(1)?,
        sent_at: from_unix_ms(row.get(2)?),
    })
}

pub(super) const PRUNE: &str = "DELETE FROM ingest_configurations WHERE operation_id IN (
       SELECT operation_id FROM ingest_configurations
       WHERE state >= 6 AND updated_at_ms < ?1 LIMIT ?2)";

pub(super) fn prune(connection: &Connection, before_ms: i64) -> rusqlite::Result<usize> {
    connection.prepare_cached(PRUNE)?.execute(params![before_ms, MAX_PRUNED])
}

pub(super) fn comparison(connection: &Connection) -> rusqlite::Result<Comparison> {
    connection
        .query_row("SELECT comparison FROM about", [], |row| Ok(Comparison::from_code(row.get(0)?)))
}

pub(super) fn set_comparison(
    connection: &Connection,
    comparison: Comparison,
) -> rusqlite::Result<()> {
    connection.execute("UPDATE about SET comparison = ?1", [comparison as u8]).map(drop)
}

pub(super) fn check_writable(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("UPDATE about SET comparison = comparison", []).map(drop)
}
