//! Authentication: the tenant that a call is for. It knows no limits.

use std::sync::Arc;

use http::{HeaderMap, HeaderName};

use crate::{
    config::Identity,
    error::Error,
    tenancy::{Tenant, TenantId, Tenants},
};

/// The metadata key that names the tenant.
pub const TENANT_HEADER: HeaderName = HeaderName::from_static("x-tenant-id");

const NOT_AN_ID: &str =
    "x-tenant-id is not the id of a tenant; an id has letters, digits, '_', '.' and '-'";

/// Authenticates callers by the identities that the configuration trusts.
#[derive(Debug)]
pub struct Authenticator {
    identity: Identity,
    tenants: Arc<Tenants>,
}

impl Authenticator {
    /// Trusts `identity`.
    #[must_use]
    pub const fn new(identity: Identity, tenants: Arc<Tenants>) -> Self {
        Self { identity, tenants }
    }

    /// The tenant that the call is for.
    ///
    /// # Errors
    /// `CREDENTIAL_MISSING`, `CREDENTIAL_INVALID`, `TENANT_FORBIDDEN` and `OVERLOADED`.
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
        let tenant = name.to_str().ok().and_then(|name| TenantId::parse(name).ok());
        let tenant = tenant.ok_or_else(|| Error::CredentialInvalid(NOT_AN_ID.to_owned()))?;
        Ok(self.tenants.get(&tenant)?)
    }
}
