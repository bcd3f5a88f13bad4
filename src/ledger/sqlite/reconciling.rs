//! The statements about rows of unknown outcome, about ended rows, and about the ledger as a
//! whole: its comparison and its upstream.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    super::{Comparison, InDoubtCreate, UnconfirmedRow, Upstream},
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

/// The decision of `decide::is_abandoned_delete`.
pub(super) const ABANDONED_DELETES: &str =
    "SELECT operation_id, arn, coalesce(sent_at_ms, created_at_ms) FROM ingest_configurations
     WHERE state = 5 AND state <= 5 AND state <> 4 AND arn IS NOT NULL AND lease_until_ms < ?1";

pub(super) fn abandoned_deletes(
    connection: &Connection,
    now_ms: i64,
) -> rusqlite::Result<Vec<UnconfirmedRow>> {
    connection.prepare_cached(ABANDONED_DELETES)?.query_map([now_ms], unconfirmed)?.collect()
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

/// Binds the ledger to the upstream. Returns the one that it is bound to if that is another.
pub(super) fn bind(
    connection: &Connection,
    upstream: &Upstream,
) -> rusqlite::Result<Option<Upstream>> {
    let sql = "SELECT region, account_id, endpoint FROM about WHERE region IS NOT NULL";
    let bound = connection.query_row(sql, [], |row| {
        Ok(Upstream { region: row.get(0)?, account_id: row.get(1)?, endpoint: row.get(2)? })
    });
    let bound = bound.optional()?;
    if let Some(bound) = bound.filter(|bound| !bound.is_same(upstream)) {
        return Ok(Some(bound));
    }
    connection.execute(
        "UPDATE about SET region = ?1, account_id = coalesce(?2, account_id), endpoint = ?3",
        params![upstream.region, upstream.account_id, upstream.endpoint],
    )?;
    Ok(None)
}

pub(super) fn unbind(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .execute("UPDATE about SET region = NULL, account_id = NULL, endpoint = NULL", [])
        .map(drop)
}
