//! The limits of a tenant on its calls of all methods: their rate, and the number of
//! concurrent calls.

use crate::{
    error::Error,
    handlers::permitted,
    telemetry::CallRecord,
    tenancy::{CallKind, ConcurrencyPermit, Tenant},
};

/// The methods that the ledger serves, without AWS. The view of a get is not known before
/// its message is decoded.
const LEDGER_READS: [&str; 2] = ["ListIngestConfigurations", "GetQuota"];

/// Admits a call within the limits of its tenant. The concurrency is checked first, so that
/// a call that exceeds it consumes nothing of the rate.
pub(super) fn admit(
    tenant: &Tenant,
    method: &str,
    record: &CallRecord,
) -> Result<ConcurrencyPermit, Error> {
    let kind = if LEDGER_READS.contains(&method) { CallKind::LedgerRead } else { CallKind::Other };
    let permit = permitted(tenant.acquire_concurrency(kind), record)?;
    permitted(tenant.acquire_request(), record)?;
    Ok(permit)
}
