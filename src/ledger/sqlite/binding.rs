//! The upstream whose configurations the ledger records.

use rusqlite::{Connection, OptionalExtension, params};

use super::super::Upstream;
use crate::request;

/// Binds the ledger to the upstream. Returns the one that it is bound to if that is another.
pub(super) fn bind(
    connection: &Connection,
    upstream: &Upstream,
) -> rusqlite::Result<Option<Upstream>> {
    let sql = "SELECT region, account_id, endpoint FROM about WHERE region IS NOT NULL";
    let bound = connection.query_row(sql, [], |row| {
        Ok(Upstream { region: row.get(0)?, account_id: row.get(1)?, endpoint: row.get(2)? })
    });
    let mut bound = bound.optional()?;
    if let Some(Upstream { account_id: unknown @ None, .. }) = &mut bound {
        *unknown = account_of_rows(connection)?;
    }
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

/// Binds the ledger to the account, unless it has one. Returns that one if it is another.
pub(super) fn bind_account(
    connection: &Connection,
    account_id: &str,
) -> rusqlite::Result<Option<String>> {
    let bound = connection.query_row("SELECT account_id FROM about", [], |row| row.get(0))?;
    let known = match bound {
        Some(bound) => Some(bound),
        None => account_of_rows(connection)?,
    };
    if known.as_ref().is_some_and(|known| known != account_id) {
        return Ok(known);
    }
    connection
        .execute("UPDATE about SET account_id = ?1 WHERE account_id IS NULL", [account_id])
        .map(|_| None)
}

/// The account of the configurations that have rows.
fn account_of_rows(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT arn FROM ingest_configurations WHERE arn IS NOT NULL LIMIT 1";
    let arn: Option<String> = connection.query_row(sql, [], |row| row.get(0)).optional()?;
    Ok(arn.map(|arn| request::account_id(&arn).to_owned()))
}
