//! The statements that adopt a configuration at AWS.

use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    super::{
        Adopted, Adoption, Event, Leases, LedgerError, State,
        decide::{self, Adopt, Found},
    },
    columns::{json, key, state, unix_ms},
    reserving::EARLIER,
    steps,
};

pub(super) fn adopt(
    connection: &Connection,
    adoption: &Adoption,
    now: SystemTime,
    leases: &Leases,
) -> Result<Adopted, LedgerError> {
    match decide::adopt(found(connection, adoption)?) {
        Adopt::Insert => insert_live(connection, adoption, now)?,
        Adopt::Apply => {
            let event = Event::Found(adoption.resource.clone());
            steps::apply(connection, adoption.operation_id, (&event).into(), now, leases)?;
        }
        Adopt::UnderWay => return Ok(Adopted::UnderWay),
        Adopt::Displaced => return Ok(Adopted::Displaced),
        Adopt::Orphan { kept } => return Ok(Adopted::Orphan { kept }),
    }
    Ok(Adopted::Live)
}

pub(super) const OWNER: &str = "SELECT operation_id FROM ingest_configurations WHERE arn = ?1";

/// Reads the rows with the operation id, the `request_id` or the ARN of the configuration.
fn found(connection: &Connection, adoption: &Adoption) -> rusqlite::Result<Found<String>> {
    let key = key(adoption.operation_id);
    let row = connection
        .prepare_cached("SELECT state, arn FROM ingest_configurations WHERE operation_id = ?1")?
        .query_row([key], |row| Ok((state(row, 0)?, row.get(1)?)))
        .optional()?;
    let is_another = |row: &rusqlite::Row<'_>| Ok(row.get::<_, [u8; 16]>(0)? != key);
    let request_id_is_taken = connection
        .prepare_cached(EARLIER)?
        .query_row(params![adoption.tenant.as_str(), adoption.request_id], is_another)
        .optional()?;
    let arn_is_taken = connection
        .prepare_cached(OWNER)?
        .query_row([&adoption.resource.arn], is_another)
        .optional()?;
    Ok(Found {
        arn: adoption.resource.arn.clone(),
        row,
        request_id_is_taken: request_id_is_taken.unwrap_or(false),
        arn_is_taken: arn_is_taken.unwrap_or(false),
    })
}

fn insert_live(
    connection: &Connection,
    adoption: &Adoption,
    now: SystemTime,
) -> rusqlite::Result<()> {
    let Adoption { resource, fields, .. } = adoption;
    connection
        .prepare_cached(
            "INSERT INTO ingest_configurations (operation_id, tenant, request_id, fingerprint,
               state, lease_until_ms, arn, participant_id, name, stage_arn, user_id, attributes,
               ingest_protocol, redundant_ingest, tags, created_at_ms, updated_at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        )?
        .execute(params![
            key(adoption.operation_id),
            adoption.tenant.as_str(),
            adoption.request_id,
            adoption.fingerprint.as_bytes(),
            State::Live as u8,
            resource.arn,
            resource.participant_id,
            fields.name,
            fields.stage_arn.as_deref().unwrap_or_default(),
            fields.user_id,
            json(&fields.attributes)?,
            fields.ingest_protocol.as_str(),
            fields.redundant_ingest,
            json(&fields.tags)?,
            unix_ms(adoption.operation_id.generated_at()),
            unix_ms(now),
        ])
        .map(drop)
}
