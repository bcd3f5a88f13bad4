//! The first statements of a create: idempotency, quota, insert.

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    super::{
        Fields, Lease, Leases, LedgerError, Reservation, Reserved, State,
        decide::{self, Earlier},
    },
    Now,
    columns::{from_unix_ms, json, key, operation_id, state, unix_ms},
};
use crate::{request::Fingerprint, tenancy::TenantId};

pub(super) fn reserve(
    connection: &Connection,
    reservation: &Reservation,
    now: Now,
    leases: &Leases,
) -> Result<Reserved, LedgerError> {
    if let Some(earlier) = earlier(connection, reservation)? {
        return Ok(earlier);
    }
    let used = used(connection, &reservation.tenant)?;
    if !decide::has_room(used, reservation.limit) {
        return Ok(Reserved::OverQuota { used });
    }
    let Fields { name, stage_arn, user_id, .. } = &reservation.fields;
    let lease_until = decide::lease_until(Lease::Reserved, leases, now.of_leases);
    connection
        .prepare_cached(
            "INSERT INTO ingest_configurations (operation_id, tenant, request_id, fingerprint,
               state, lease_until_ms, name, stage_arn, user_id, attributes, ingest_protocol,
               redundant_ingest, tags, created_at_ms, updated_at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?14)",
        )?
        .execute(params![
            key(reservation.operation_id),
            reservation.tenant.as_str(),
            reservation.request_id,
            reservation.fingerprint.as_bytes(),
            State::Reserved as u8,
            unix_ms(lease_until),
            name,
            stage_arn.as_deref().unwrap_or_default(),
            user_id,
            json(&reservation.fields.attributes)?,
            reservation.fields.ingest_protocol.as_str(),
            reservation.fields.redundant_ingest,
            json(&reservation.fields.tags)?,
            unix_ms(now.wall),
        ])?;
    Ok(Reserved::New)
}

pub(super) const EARLIER: &str =
    "SELECT operation_id, fingerprint, state, arn, coalesce(sent_at_ms, updated_at_ms)
     FROM ingest_configurations WHERE tenant = ?1 AND request_id = ?2 AND state <> 7";

/// The outcome of an earlier request with the same `request_id`.
fn earlier(
    connection: &Connection,
    reservation: &Reservation,
) -> rusqlite::Result<Option<Reserved>> {
    let mut statement = connection.prepare_cached(EARLIER)?;
    let keys = params![reservation.tenant.as_str(), reservation.request_id];
    let earlier = statement.query_row(keys, |row| {
        let operation_id = operation_id(row, 0)?;
        let fingerprint = Fingerprint::from(row.get::<_, [u8; 16]>(1)?);
        let earlier = decide::earlier(state(row, 2)?, &fingerprint, &reservation.fingerprint);
        earlier
            .map(|earlier| match earlier {
                Earlier::Mismatch => Ok(Reserved::FingerprintMismatch),
                Earlier::Replay => Ok(Reserved::Replay { operation_id, arn: row.get(3)? }),
                Earlier::Deleted => Ok(Reserved::Deleted { operation_id, arn: row.get(3)? }),
                Earlier::InDoubt => {
                    let used = used(connection, &reservation.tenant)?;
                    Ok(Reserved::InDoubt { operation_id, sent_at: from_unix_ms(row.get(4)?), used })
                }
                Earlier::InProgress => Ok(Reserved::InProgress { operation_id }),
            })
            .transpose()
    });
    Ok(earlier.optional()?.flatten())
}

pub(super) const USED: &str =
    "SELECT count(*) FROM ingest_configurations WHERE tenant = ?1 AND state <= 5";

fn used(connection: &Connection, tenant: &TenantId) -> rusqlite::Result<u32> {
    connection.prepare_cached(USED)?.query_row([tenant.as_str()], |row| row.get(0))
}
