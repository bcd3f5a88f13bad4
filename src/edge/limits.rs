//! The limits of a tenant on its calls of all methods: their rate, and how many run
//! concurrently.

use crate::{
    error::Error,
    handlers::permitted,
    telemetry::CallRecord,
    tenancy::{ConcurrencyPermit, Tenant},
};

/// Admits a call within the limits of its tenant. The concurrency comes first: a call that
/// exceeds it consumes nothing of the rate.
pub(super) fn admit(tenant: &Tenant, record: &CallRecord) -> Result<ConcurrencyPermit, Error> {
    let permit = permitted(tenant.acquire_concurrency(), record)?;
    permitted(tenant.acquire_request(), record)?;
    Ok(permit)
}
