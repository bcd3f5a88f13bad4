//! Who calls, and for which tenant. A [`Caller`] is the proof that both were
//! decided: it is made here alone, and no operation can be called without one.

use std::{sync::Arc, time::Instant};

use http::{HeaderMap, HeaderName};

use crate::{
    config::Identity,
    error::Error,
    telemetry::CallRecord,
    tenancy::TenantId,
    tenancy::{InFlight, Tenant, Tenants},
};

/// The metadata key that names the tenant.
pub const TENANT_HEADER: HeaderName = HeaderName::from_static("x-tenant-id");

/// An authenticated caller, with a place among its tenant's calls under way.
#[derive(Debug, Clone)]
pub struct Caller {
    tenant: Arc<Tenant>,
    deadline: Instant,
    // Held, not read: the place is given back when the call is over.
    _place: Arc<InFlight>,
}

impl Caller {
    /// The tenant that the caller acts for.
    #[must_use]
    pub const fn tenant(&self) -> &Arc<Tenant> {
        &self.tenant
    }

    /// Until when the caller waits for an answer.
    #[must_use]
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }
}

/// Decides who calls, by the identity that the configuration trusts.
#[derive(Debug)]
pub struct Authenticator {
    identity: Identity,
    tenants: Arc<Tenants>,
}

impl Authenticator {
    /// Trusts what `identity` says.
    #[must_use]
    pub const fn new(identity: Identity, tenants: Arc<Tenants>) -> Self {
        Self { identity, tenants }
    }

    /// Finds the tenant that the call is for.
    ///
    /// # Errors
    /// `CREDENTIAL_MISSING`, `CREDENTIAL_INVALID` and `TENANT_FORBIDDEN`.
    pub fn authenticate(&self, metadata: &HeaderMap) -> Result<Arc<Tenant>, Error> {
        if self.identity.metadata.is_none() {
            return Err(Error::CredentialMissing { way_out: "no identity is configured" });
        }
        let mut named = metadata.get_all(TENANT_HEADER).iter();
        let name = named.next().ok_or(Error::CredentialMissing {
            way_out: "send the metadata x-tenant-id with the tenant's id",
        })?;
        if named.next().is_some() {
            return Err(Error::CredentialInvalid("x-tenant-id was sent more than once".to_owned()));
        }
        let tenant =
            name.to_str().ok().and_then(|name| TenantId::parse(name).ok()).ok_or_else(|| {
                let rule = crate::tenancy::InvalidTenantId;
                Error::CredentialInvalid(format!("x-tenant-id: {rule}"))
            })?;
        self.tenants.get(&tenant)
    }

    /// Lets an authenticated call in, if its tenant is within its limits. Its answer must
    /// leave before `deadline`.
    ///
    /// # Errors
    /// `TENANT_RATE_QUOTA`.
    pub fn admit(
        &self,
        tenant: Arc<Tenant>,
        deadline: Instant,
        record: &CallRecord,
    ) -> Result<Caller, Error> {
        let place = self.tenants.admit(&tenant, record)?;
        Ok(Caller { tenant, deadline, _place: Arc::new(place) })
    }
}
