//! Conversions between columns and types.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use rusqlite::{Row, types::Type};
use ulid::Ulid;

use super::super::State;
use crate::request::OperationId;

/// The key of a row.
pub(super) fn key(id: OperationId) -> [u8; 16] {
    id.ulid().to_bytes()
}

pub(super) fn operation_id(row: &Row<'_>, column: usize) -> rusqlite::Result<OperationId> {
    Ok(Ulid::from_bytes(row.get(column)?).into())
}

pub(super) fn state(row: &Row<'_>, column: usize) -> rusqlite::Result<State> {
    let code: u8 = row.get(column)?;
    State::from_code(code).ok_or(rusqlite::Error::IntegralValueOutOfRange(column, i64::from(code)))
}

/// Returns the text of a column, or none if it is NULL or ''.
pub(super) fn optional(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<String>> {
    let text: Option<String> = row.get(column)?;
    Ok(text.filter(|text| !text.is_empty()))
}

/// Reads a column whose text `read` parses. Only the gateway writes it, so a failure means a
/// damaged file.
pub(super) fn text<T>(
    row: &Row<'_>,
    column: usize,
    read: impl Fn(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    read(&text).ok_or_else(|| {
        let error = format!("column {column} cannot be read");
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
    })
}

pub(super) fn json(map: &BTreeMap<String, String>) -> rusqlite::Result<String> {
    serde_json::to_string(map)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

/// Milliseconds since the Unix epoch.
pub(super) fn unix_ms(time: SystemTime) -> i64 {
    let elapsed = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

/// The inverse of [`unix_ms`].
pub(super) fn from_unix_ms(ms: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(ms).unwrap_or_default())
}
