//! The rows of a ledger. Each is computed from its number, so that a caller can name any of a
//! million rows without storing them.

use std::{
    cell::Cell,
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use ivs_ingest_gateway::{
    ledger::{Adoption, Fields, Resource},
    request::{Fingerprint, IngestProtocol, OperationId},
    tenancy::TenantId,
};
use ulid::Ulid;

use crate::{
    Failure,
    gateway::{self, REGION, stage_arn},
};

/// The configurations of each tenant. Half the default quota, so that there is room to
/// reserve.
pub(crate) const CONFIGURATIONS: usize = 10;

/// The age of the oldest row.
const OLDEST: Duration = Duration::from_hours(30 * 24);

/// The stride that distributes the tenants of consecutive rows over the whole range.
const STRIDE: usize = 2_654_435_761;

/// Returns the tenant of a row. Every tenant gets its first configuration before any tenant
/// gets its second, and the order of the tenants differs each time.
pub(crate) fn tenant_of(row: usize, tenants: usize) -> usize {
    let (round, position) = (row / tenants, row % tenants);
    // The stride is a prime above any number of tenants, so it visits every tenant once.
    ((position % tenants) * (STRIDE % tenants) + round * (tenants / 3)) % tenants
}

pub(crate) fn tenant_id(number: usize) -> Result<TenantId, Failure> {
    Ok(TenantId::parse(&gateway::tenant(number))?)
}

/// Returns the ARN of a row. Like AWS's ARNs, it does not show the order of creation.
pub(crate) fn arn(row: usize) -> String {
    let id = letters(row, 12);
    format!("arn:aws:ivs:{REGION}:123456789012:ingest-configuration/{id}")
}

/// Returns the live row with that number, as a create through the gateway leaves it.
pub(crate) fn adoption(row: usize, tenants: usize, now: SystemTime) -> Result<Adoption, Failure> {
    let tenant = tenant_of(row, tenants);
    let age = OLDEST.mul_f64(1.0 - fraction(row, tenants * CONFIGURATIONS));
    let made_at = (now - age).duration_since(SystemTime::UNIX_EPOCH)?;
    let random = u128::from(mix(row)) << 16;
    let ulid = Ulid::from_parts(u64::try_from(made_at.as_millis())?, random | low_bits(row));
    Ok(Adoption {
        operation_id: OperationId::from(ulid),
        tenant: tenant_id(tenant)?,
        // Most callers send a UUID.
        request_id: format!("{:016x}-{:016x}", mix(row), mix(row + 1)),
        fingerprint: Fingerprint::from((u128::from(mix(row)) << 64).to_be_bytes()),
        resource: Resource { arn: arn(row), participant_id: Some(letters(row + 1, 12)) },
        fields: fields(tenant, row),
        new_id: OperationId::from(ulid),
        ledger_is_complete: false,
    })
}

pub(crate) fn fields(tenant: usize, row: usize) -> Fields {
    let map = |pairs: &[(&str, String)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
    };
    Fields {
        name: format!("studio-{}", row % 97),
        stage_arn: Some(stage_arn(&letters(tenant, 12))),
        user_id: format!("camera-{}", row % 13),
        attributes: map(&[("room", format!("studio-{}", row % 97)), ("floor", "3".to_owned())]),
        ingest_protocol: IngestProtocol::Rtmps,
        redundant_ingest: false,
        tags: map(&[("show", "morning".to_owned()), ("team", format!("live-{}", row % 7))]),
    }
}

/// Pseudo-random numbers that a seed reproduces.
pub(crate) struct Random(Cell<usize>);

impl Random {
    pub(crate) const fn new(seed: usize) -> Self {
        Self(Cell::new(seed << 32))
    }

    /// A number below `limit`.
    #[expect(clippy::cast_possible_truncation, reason = "the remainder fits as the limit does")]
    pub(crate) fn below(&self, limit: usize) -> usize {
        self.0.set(self.0.get() + 1);
        (mix(self.0.get()) % limit as u64) as usize
    }
}

/// Returns a different pseudo-random number for every number (`SplitMix64`).
const fn mix(number: usize) -> u64 {
    let mixed = (number as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Returns `count` letters and digits that encode the number.
fn letters(number: usize, count: usize) -> String {
    const DIGITS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut rest = mix(number);
    let mut text = String::with_capacity(count);
    for _ in 0..count {
        text.push(char::from(DIGITS[usize::try_from(rest % 62).unwrap_or_default()]));
        rest /= 62;
    }
    text
}

fn low_bits(row: usize) -> u128 {
    (row & 0xffff) as u128
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn fraction(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}
