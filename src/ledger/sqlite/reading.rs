//! The statements of calls that only read. Each runs on the reader's connection,
//! concurrently with the writer, and sees everything that was committed before it began.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row as SqlRow, named_params, params};

use super::{
    super::{Fields, Filter, Row, State, Usage},
    columns::{from_unix_ms, operation_id, optional, state, text},
};
use crate::{
    request::{IngestConfigurationState, IngestProtocol, OperationId},
    tenancy::TenantId,
};

/// The columns of a [`Row`], in the order that [`row`] reads them.
macro_rules! columns {
    () => {
        "operation_id, state, arn, participant_id, name, stage_arn, user_id,
         attributes, ingest_protocol, redundant_ingest, tags,
         coalesce(observed_state, 'INACTIVE'), coalesce(observed_at_ms, sent_at_ms, created_at_ms),
         coalesce(sent_at_ms, created_at_ms)"
    };
}

pub(super) fn usage(connection: &Connection, tenant: &TenantId) -> rusqlite::Result<Usage> {
    let by_state: rusqlite::Result<BTreeMap<State, u32>> = connection
        .prepare_cached(
            "SELECT state, count(*) FROM ingest_configurations
             WHERE tenant = ?1 AND state <= 5 GROUP BY state",
        )?
        .query_map([tenant.as_str()], |row| Ok((state(row, 0)?, row.get(1)?)))?
        .collect();
    Ok(Usage(by_state?))
}

pub(super) fn count_in_doubt(connection: &Connection) -> rusqlite::Result<u32> {
    connection
        .prepare_cached(
            "SELECT count(*) FROM ingest_configurations
             WHERE state = 3 AND state <= 5 AND state <> 4",
        )?
        .query_row([], |row| row.get(0))
}

pub(super) fn count_live(connection: &Connection) -> rusqlite::Result<u32> {
    connection
        .prepare_cached(
            "SELECT count(*) FROM ingest_configurations WHERE state = 4 AND state <= 5",
        )?
        .query_row([], |row| row.get(0))
}

pub(super) fn live_arn(connection: &Connection) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached(
            "SELECT arn FROM ingest_configurations WHERE state = 4 AND state <= 5 LIMIT 1",
        )?
        .query_row([], |row| row.get(0))
        .optional()
}

pub(super) fn find(
    connection: &Connection,
    tenant: &TenantId,
    arn: &str,
) -> rusqlite::Result<Option<Row>> {
    connection
        .prepare_cached(concat!(
            "SELECT ",
            columns!(),
            " FROM ingest_configurations WHERE arn = ?1 AND tenant = ?2 AND state IN (4, 5, 6)"
        ))?
        .query_row(params![arn, tenant.as_str()], row)
        .optional()
}

/// Reads the tenant's own rows in the order of an index, from the newest.
pub(super) const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM ingest_configurations
     WHERE tenant = :tenant AND state <= 5 AND state IN (4, 5) AND operation_id < :before
       AND (:stage_arn IS NULL OR stage_arn = :stage_arn)
       AND (:observed IS NULL OR coalesce(observed_state, 'INACTIVE') = :observed)
     ORDER BY operation_id DESC LIMIT :limit"
);

pub(super) fn list(
    connection: &Connection,
    tenant: &TenantId,
    filter: &Filter,
    before: Option<OperationId>,
    limit: u32,
) -> rusqlite::Result<Vec<Row>> {
    let before = before.map_or([u8::MAX; 16], |id| id.ulid().to_bytes());
    connection
        .prepare_cached(LIST)?
        .query_map(
            named_params! {
                ":tenant": tenant.as_str(),
                ":before": before,
                ":stage_arn": filter.stage_arn,
                ":observed": filter.state.map(IngestConfigurationState::as_str),
                ":limit": limit,
            },
            row,
        )?
        .collect()
}

fn row(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    let json = |column| text(row, column, |text| serde_json::from_str(text).ok());
    Ok(Row {
        operation_id: operation_id(row, 0)?,
        row_state: state(row, 1)?,
        arn: row.get(2)?,
        participant_id: optional(row, 3)?,
        fields: Fields {
            name: row.get(4)?,
            stage_arn: optional(row, 5)?,
            user_id: row.get(6)?,
            attributes: json(7)?,
            ingest_protocol: text(row, 8, IngestProtocol::from_name)?,
            redundant_ingest: row.get(9)?,
            tags: json(10)?,
        },
        state: text(row, 11, IngestConfigurationState::from_name)?,
        observed_at: from_unix_ms(row.get(12)?),
        sent_at: from_unix_ms(row.get(13)?),
    })
}
