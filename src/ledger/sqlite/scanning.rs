//! The statements of a scan: one for each page, and those of its end.

use rusqlite::{Connection, OptionalExtension, params};
use ulid::Ulid;

use super::{
    super::{Observation, UnconfirmedRow, decide::MAX_MISSED_SCANS},
    columns::{key, unix_ms},
    reconciling::unconfirmed,
};
use crate::request::OperationId;

/// Maximum number of rows that one job of the end of a scan reads.
const MAX_LOOKED_AT: u32 = 1000;

/// The decisions of `decide::is_latest` and of `decide::contradicts_end`. Any observation resets
/// the count of missed scans.
pub(super) const OBSERVE: &str = "UPDATE ingest_configurations
     SET observed_state = iif(observed_at_ms > ?3, observed_state, ?2),
       stage_arn = iif(observed_at_ms > ?3, stage_arn, ?4),
       redundant_ingest = iif(observed_at_ms > ?3, redundant_ingest, ?5),
       observed_at_ms = max(coalesce(observed_at_ms, 0), ?3), missed = 0
     WHERE arn = ?1 RETURNING state >= 6 AND updated_at_ms < ?3";

pub(super) fn observe(
    connection: &Connection,
    seen: Vec<Observation>,
) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare_cached(OBSERVE)?;
    let mut unknown = Vec::new();
    for Observation { arn, state, stage_arn, redundant_ingest, at } in seen {
        let stage_arn = stage_arn.as_deref().unwrap_or_default();
        let observed = params![arn, state.as_str(), unix_ms(at), stage_arn, redundant_ingest];
        let has_ended = statement.query_row(observed, |row| row.get(0)).optional()?;
        if has_ended.unwrap_or(true) {
            unknown.push(arn);
        }
    }
    Ok(unknown)
}

/// The last row that one job reads.
pub(super) const LAST_LOOKED_AT: &str = "SELECT max(operation_id) FROM (
       SELECT operation_id FROM ingest_configurations
       WHERE operation_id > ?1 ORDER BY operation_id LIMIT ?2)";

/// The decision of `decide::finish_scan` about the count of missed scans. A test shows
/// that the two agree.
pub(super) const MISS_ONCE_MORE: &str = "UPDATE ingest_configurations SET missed = missed + 1
     WHERE operation_id > ?1 AND operation_id <= ?2 AND state = 4 AND updated_at_ms < ?3
       AND (observed_at_ms IS NULL OR observed_at_ms < ?3)";

/// The decision of `decide::finish_scan` about missing rows.
pub(super) const MISSING: &str =
    "SELECT operation_id, arn, coalesce(sent_at_ms, created_at_ms) FROM ingest_configurations
     WHERE operation_id > ?1 AND operation_id <= ?2 AND state = 4 AND missed >= ?3
       AND arn IS NOT NULL";

/// Ends a scan for up to [`MAX_LOOKED_AT`] rows after `after`. Returns the missing ones, and
/// the last row that was read; none if no row is left. One job for all rows would delay every
/// create for seconds.
pub(super) fn finish(
    connection: &Connection,
    scan_began_ms: i64,
    after: Option<OperationId>,
) -> rusqlite::Result<(Vec<UnconfirmedRow>, Option<OperationId>)> {
    let after = after.map_or([0; 16], key);
    let last: Option<[u8; 16]> = connection
        .prepare_cached(LAST_LOOKED_AT)?
        .query_row(params![after, MAX_LOOKED_AT], |row| row.get(0))?;
    let Some(last) = last else { return Ok((Vec::new(), None)) };
    connection.prepare_cached(MISS_ONCE_MORE)?.execute(params![after, last, scan_began_ms])?;
    let missing: rusqlite::Result<Vec<_>> = connection
        .prepare_cached(MISSING)?
        .query_map(params![after, last, MAX_MISSED_SCANS], unconfirmed)?
        .collect();
    Ok((missing?, Some(Ulid::from_bytes(last).into())))
}
