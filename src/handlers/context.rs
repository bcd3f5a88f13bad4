//! The context of a call, which every handler takes: the tenant, the deadline and the record.

use std::{sync::Arc, time::Instant};

use crate::{
    error::Error,
    telemetry::CallRecord,
    tenancy::{Admitted, ConcurrencyPermit, Enforcement, Limit, LimitExceeded, Tenant},
};

/// The context of one call. Only the edge constructs it, from an authenticated tenant and a
/// concurrency permit, so that no handler runs without them. The edge holds the permit until
/// the call ends. Work that continues after its call does not count as a concurrent call.
#[derive(Debug, Clone)]
pub struct CallContext {
    tenant: Arc<Tenant>,
    deadline: Instant,
    record: CallRecord,
}

impl CallContext {
    /// Returns the context of a call of `tenant`. The response must be sent by `deadline`.
    #[must_use]
    pub fn new(
        tenant: Arc<Tenant>,
        _: &ConcurrencyPermit,
        deadline: Instant,
        record: CallRecord,
    ) -> Self {
        Self { tenant, deadline, record }
    }

    /// The tenant that the caller acts for.
    #[must_use]
    pub const fn tenant(&self) -> &Arc<Tenant> {
        &self.tenant
    }

    /// The time by which the response must be sent.
    #[must_use]
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The record of the call, which becomes its line in the access log.
    #[must_use]
    pub const fn record(&self) -> &CallRecord {
        &self.record
    }

    /// Returns the context for a part of the call that must end by `deadline`.
    #[must_use]
    pub fn until(&self, deadline: Instant) -> Self {
        Self { deadline: self.deadline.min(deadline), ..self.clone() }
    }

    /// Counts that the call exceeds the limit.
    ///
    /// # Errors
    /// `error`, unless the tenant is in shadow. Then only its reason is recorded.
    pub fn enforce(&self, limit: Limit, error: Error) -> Result<(), Error> {
        match self.tenant.exceeded(limit) {
            Enforcement::Enforced => Err(error),
            Enforcement::Shadow => {
                self.record.would_refuse(error.reason());
                Ok(())
            }
        }
    }
}

/// Returns the permit of an admitted call. If the tenant is in shadow and the call exceeds a
/// limit, the reason is recorded.
///
/// # Errors
/// `TENANT_REQUEST_RATE`, `TENANT_CREATE_RATE` and `TENANT_CONCURRENCY`.
pub fn permitted<T>(
    admitted: Result<Admitted<T>, LimitExceeded>,
    record: &CallRecord,
) -> Result<T, Error> {
    let Admitted { permit, exceeded_in_shadow } = admitted?;
    if let Some(exceeded) = exceeded_in_shadow {
        record.would_refuse(Error::from(exceeded).reason());
    }
    Ok(permit)
}
