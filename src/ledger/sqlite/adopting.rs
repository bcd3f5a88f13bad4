//! The statements that adopt a configuration at AWS.

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    super::{
        Adopted, Adoption, Event, Leases, LedgerError, State,
        decide::{self, Adopt, Found, RowIds, RowOfCreate},
    },
    Now,
    columns::{json, key, operation_id, state, unix_ms},
    reserving::EARLIER,
    steps,
};
use crate::request::OperationId;

pub(super) fn adopt(
    connection: &Connection,
    adoption: &Adoption,
    now: Now,
    leases: &Leases,
) -> Result<Adopted, LedgerError> {
    let (owner, found) = rows(connection, adoption)?;
    let apply = |operation_id| {
        let event = Event::Found(adoption.resource.clone());
        steps::apply(connection, operation_id, (&event).into(), now, leases)
    };
    let row = found.owner.or(found.create.as_ref().map(|create| create.state));
    let had_ended = row.is_some_and(|state| !state.counts_against_quota());
    match decide::adopt(found) {
        Adopt::Insert(ids) => {
            if ids == RowIds::TakenBack {
                take_request_id_from_holder(connection, adoption)?;
            }
            insert_live(connection, adoption, ids, now)?;
            let has_new_request_id = matches!(ids, RowIds::NewRequestId | RowIds::New);
            return Ok(Adopted::Inserted { has_new_request_id });
        }
        // An owner is set.
        Adopt::ApplyToOwner => apply(owner.unwrap_or(adoption.operation_id))?,
        Adopt::ApplyToCreate(ids) => {
            match ids {
                RowIds::OfTags => {}
                RowIds::TakenBack => take_request_id_from_holder(connection, adoption)?,
                RowIds::NewRequestId | RowIds::New => give_new_request_id(connection, adoption)?,
            }
            apply(adoption.operation_id)?
        }
        Adopt::UnderWay => return Ok(Adopted::UnderWay),
        Adopt::Duplicate { kept } => return Ok(Adopted::Duplicate { kept }),
    };
    Ok(Adopted::Live { had_ended })
}

/// Gives the row of the create a new `request_id`, because another row holds its own.
fn give_new_request_id(connection: &Connection, adoption: &Adoption) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE ingest_configurations SET request_id = ?2 WHERE operation_id = ?1")?
        .execute(params![key(adoption.operation_id), adoption.new_id.to_string()])
        .map(drop)
}

/// Gives the row that holds the `request_id` of the configuration a new one.
fn take_request_id_from_holder(
    connection: &Connection,
    adoption: &Adoption,
) -> rusqlite::Result<()> {
    let Adoption { tenant, request_id, new_id, .. } = adoption;
    connection
        .prepare_cached(
            "UPDATE ingest_configurations SET request_id = ?3
             WHERE tenant = ?1 AND request_id = ?2 AND state <> 7",
        )?
        .execute(params![tenant.as_str(), request_id, new_id.to_string()])
        .map(drop)
}

pub(super) const OWNER: &str = "SELECT operation_id FROM ingest_configurations WHERE arn = ?1";

/// Reads the rows with the operation id, the `request_id` or the ARN of the configuration.
/// Returns the row with its ARN too.
fn rows(
    connection: &Connection,
    adoption: &Adoption,
) -> rusqlite::Result<(Option<OperationId>, Found<String>)> {
    let key = key(adoption.operation_id);
    let owner = connection
        .prepare_cached("SELECT operation_id, state FROM ingest_configurations WHERE arn = ?1")?
        .query_row([&adoption.resource.arn], |row| Ok((operation_id(row, 0)?, state(row, 1)?)))
        .optional()?;
    let create = connection
        .prepare_cached(
            "SELECT state, arn, response_recorded FROM ingest_configurations
             WHERE operation_id = ?1",
        )?
        .query_row([key], |row| {
            let (state, arn) = (state(row, 0)?, row.get(1)?);
            Ok(RowOfCreate { state, arn, response_recorded: row.get(2)? })
        })
        .optional()?;
    let holder = connection
        .prepare_cached(EARLIER)?
        .query_row(params![adoption.tenant.as_str(), adoption.request_id], |row| {
            Ok((row.get::<_, [u8; 16]>(0)?, state(row, 2)?))
        })
        .optional()?;
    let found = Found {
        owner: owner.map(|(_, state)| state),
        create,
        holder: holder.filter(|(holder, _)| *holder != key).map(|(_, state)| state),
        ledger_is_complete: adoption.ledger_is_complete,
    };
    Ok((owner.map(|(id, _)| id), found))
}

fn insert_live(
    connection: &Connection,
    adoption: &Adoption,
    ids: RowIds,
    now: Now,
) -> rusqlite::Result<()> {
    let Adoption { resource, fields, .. } = adoption;
    let operation_id = if ids == RowIds::New { adoption.new_id } else { adoption.operation_id };
    let request_id = match ids {
        RowIds::OfTags | RowIds::TakenBack => adoption.request_id.clone(),
        RowIds::NewRequestId | RowIds::New => adoption.new_id.to_string(),
    };
    connection
        .prepare_cached(
            "INSERT INTO ingest_configurations (operation_id, tenant, request_id, fingerprint,
               state, lease_until_ms, arn, participant_id, name, stage_arn, user_id, attributes,
               ingest_protocol, redundant_ingest, tags, created_at_ms, updated_at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        )?
        .execute(params![
            key(operation_id),
            adoption.tenant.as_str(),
            request_id,
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
            unix_ms(operation_id.generated_at()),
            unix_ms(now.wall),
        ])
        .map(drop)
}
