//! Authentication: determines the tenant of a call.

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

/// Authenticates callers by the identities of the configuration.
#[derive(Debug)]
pub struct Authenticator {
    identity: Identity,
    tenants: Arc<Tenants>,
}

impl Authenticator {
    /// Returns an authenticator for `identity`.
    #[must_use]
    pub const fn new(identity: Identity, tenants: Arc<Tenants>) -> Self {
        Self { identity, tenants }
    }

    /// Returns the tenant of the call.
    ///
    /// # Errors
    /// `CREDENTIAL_MISSING`, `CREDENTIAL_INVALID`, `TENANT_FORBIDDEN` and `OVERLOADED`.
    pub fn authenticate(&self, metadata: &HeaderMap) -> Result<Arc<Tenant>, Error> {
        if self.identity.metadata.is_none() {
            return Err(Error::CredentialMissing {
                remedy: "the operator must configure an identity",
            });
        }
        let mut named = metadata.get_all(TENANT_HEADER).iter();
        let name = named.next().ok_or(Error::CredentialMissing {
            remedy: "send the id of the tenant in the metadata key x-tenant-id",
        })?;
        if named.next().is_some() {
            return Err(Error::CredentialInvalid(
                "x-tenant-id has several values; send one".to_owned(),
            ));
        }
        let tenant = name.to_str().ok().and_then(|name| TenantId::parse(name).ok());
        let tenant = tenant.ok_or_else(|| Error::CredentialInvalid(NOT_AN_ID.to_owned()))?;
        Ok(self.tenants.get(&tenant)?)
    }
}
