//! The context of a call: the tenant, the deadline and the record that every handler takes.

use std::{sync::Arc, time::Instant};

use crate::{
    error::Error,
    telemetry::CallRecord,
    tenancy::{Admitted, ConcurrencyPermit, Enforcement, Limit, LimitExceeded, Tenant},
};

/// The context of one call. The edge alone constructs it, from an authenticated tenant and
/// a proof of its concurrency permit, so that no handler runs without them. The edge keeps
/// the permit until the call ends: work that outlives its caller does not occupy a place.
#[derive(Debug, Clone)]
pub struct CallContext {
    tenant: Arc<Tenant>,
    deadline: Instant,
    record: CallRecord,
}

impl CallContext {
    /// The context of a call of `tenant`, whose response must leave before `deadline`.
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

    /// When the response must have left.
    #[must_use]
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The record of the call, for its line in the access log.
    #[must_use]
    pub const fn record(&self) -> &CallRecord {
        &self.record
    }

    /// The same context for a part of the call that must end by `deadline`.
    #[must_use]
    pub fn until(&self, deadline: Instant) -> Self {
        Self { deadline: self.deadline.min(deadline), ..self.clone() }
    }

    /// Counts that the call exceeds the limit.
    ///
    /// # Errors
    /// `error`, unless the tenant is in shadow: then the record takes its reason.
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

/// Takes the permit of an admitted call. The record takes the reason for which the call
/// would have been rejected if its tenant were not in shadow.
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
