//! Ownership of stages: which stages a tenant may use. The result of a lookup is cached for a
//! limited time, and concurrent callers of one tenant share one lookup.
//!
//! The cache is separate for each tenant, so that the duration of a rejection reveals nothing
//! about other tenants. A stage that is absent, has no owner or belongs to another tenant
//! costs one lookup the first time. While the result is cached, it costs none.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use moka::future::Cache;

use super::{Tenant, TenantId, Tenants};
use crate::{
    clock::Clock,
    request::{IngestProtocol, StageArn},
};

/// Maximum number of cached stages. Each uses about 2 KiB.
const MAX_CACHED: u64 = 10_000;

/// Maximum age of a cached endpoint, according to AWS's documentation.
const ENDPOINT_AGE: Duration = Duration::from_hours(14 * 24);

/// Maximum age of a cached rejection. It is shorter than the maximum age of an owner, because
/// an operator may tag the stage after the rejection.
const REJECTION_AGE: Duration = Duration::from_secs(10);

/// The properties of a stage that the gateway uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The tags of the stage. One of them may name the owner.
    pub tags: HashMap<String, String>,
    /// The URL for encoders that publish over RTMP.
    pub rtmp_endpoint: Option<String>,
    /// The URL for encoders that publish over RTMPS.
    pub rtmps_endpoint: Option<String>,
}

impl Stage {
    /// Returns the URL to enter in an encoder that uses `protocol`.
    #[must_use]
    pub fn ingest_endpoint(&self, protocol: IngestProtocol) -> Option<&str> {
        match protocol {
            IngestProtocol::Rtmp => self.rtmp_endpoint.as_deref(),
            IngestProtocol::Rtmps => self.rtmps_endpoint.as_deref(),
        }
    }
}

/// The tenant may not use the stage, or the lookup failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OwnershipError<E> {
    /// The stage is absent, has no owner, or belongs to another tenant.
    #[error("the stage does not exist or is not the tenant's")]
    Forbidden,
    /// The lookup failed. The failure is not cached.
    #[error("the stage cannot be looked up: {0}")]
    Lookup(E),
}

/// A cache of the owners of stages, in which the age of an entry is bounded.
#[derive(Debug, Clone)]
pub struct StageOwnership {
    /// The cache bounds the number of entries and shares lookups. [`Lookup::expires_at`] ends an
    /// entry, because the cache's own expiry does not use `clock`.
    lookups: Cache<(TenantId, StageArn), Lookup>,
    endpoints: Cache<String, Endpoints>,
    age: Duration,
    clock: Clock,
    tenants: Arc<Tenants>,
    region: String,
    account_id: Option<String>,
}

/// The result of a tenant's lookup.
#[derive(Debug, Clone)]
struct Lookup {
    /// `None` if the stage does not exist.
    stage: Option<Arc<Stage>>,
    expires_at: Instant,
}

/// A stage whose endpoints are cached.
#[derive(Debug, Clone)]
struct Endpoints {
    stage: Arc<Stage>,
    expires_at: Instant,
}

impl StageOwnership {
    /// Returns an empty cache. The tags of a stage are cached for `age`, so that a change of the
    /// owner takes effect within `age`. Stages of another region are rejected without a lookup.
    /// If `account_id` is set, so are stages of another account.
    #[must_use]
    pub fn new(
        tenants: Arc<Tenants>,
        region: String,
        account_id: Option<String>,
        age: Duration,
        clock: Clock,
    ) -> Self {
        let (lookups, endpoints) = (Cache::new(MAX_CACHED), Cache::new(MAX_CACHED));
        Self { lookups, endpoints, age, clock, tenants, region, account_id }
    }

    /// Returns the stage if it belongs to the tenant. `lookup` returns the stage, or `None` if
    /// it is absent. It is not called while an earlier result is cached.
    ///
    /// # Errors
    /// [`OwnershipError`].
    pub async fn owned_by<E, F>(
        &self,
        tenant: &Tenant,
        arn: &StageArn,
        lookup: impl FnOnce() -> F,
    ) -> Result<Arc<Stage>, OwnershipError<E>>
    where
        E: Clone + Send + Sync + 'static,
        F: Future<Output = Result<Option<Stage>, E>>,
    {
        let is_foreign = |account: &String| account != arn.account_id();
        if arn.region() != self.region || self.account_id.as_ref().is_some_and(is_foreign) {
            return Err(OwnershipError::Forbidden);
        }
        let key = (tenant.id.clone(), arn.clone());
        let cached = self.lookups.get(&key).await;
        let found = match cached {
            Some(found) if self.clock.monotonic() < found.expires_at => found,
            expired => {
                if expired.is_some() {
                    self.lookups.invalidate(&key).await;
                }
                let inserted = async { Ok(self.insert(tenant, arn, lookup().await?).await) };
                // Boxed: the future has kilobytes, which would enlarge every enclosing future.
                let found = Box::pin(self.lookups.try_get_with(key, inserted)).await;
                found.map_err(|error: Arc<E>| OwnershipError::Lookup((*error).clone()))?
            }
        };
        // Checked on each call: a reload may have changed the owner since the lookup.
        let owned = found.stage.filter(|stage| self.is_owner(tenant, arn, stage));
        owned.ok_or(OwnershipError::Forbidden)
    }

    /// Removes the stage from the cache of the tenant, because AWS reports that it does not
    /// exist.
    pub async fn forget(&self, tenant: &TenantId, arn: &StageArn) {
        self.endpoints.invalidate(arn.as_str()).await;
        self.lookups.invalidate(&(tenant.clone(), arn.clone())).await;
    }

    /// Returns the entry for a lookup, and caches the endpoints of a stage that the tenant owns.
    async fn insert(&self, tenant: &Tenant, arn: &StageArn, stage: Option<Stage>) -> Lookup {
        let stage = stage.map(Arc::new);
        let owned = stage.as_ref().filter(|stage| self.is_owner(tenant, arn, stage));
        let now = self.clock.monotonic();
        let age = match owned {
            Some(stage) => {
                let expires_at = now + ENDPOINT_AGE;
                let endpoints = Endpoints { stage: Arc::clone(stage), expires_at };
                self.endpoints.insert(arn.as_str().to_owned(), endpoints).await;
                self.age
            }
            None => self.age.min(REJECTION_AGE),
        };
        Lookup { stage, expires_at: now + age }
    }

    /// Whether the tenant owns the stage. A listed owner of the configuration overrides the
    /// tag of the stage.
    fn is_owner(&self, tenant: &Tenant, arn: &StageArn, stage: &Stage) -> bool {
        if let Some(owner) = self.tenants.stage_owner(arn) {
            return owner == tenant.id;
        }
        let owner = stage.tags.get(&tenant.settings.stage_owner_tag);
        owner.is_some_and(|owner| owner == tenant.id.as_str())
    }

    /// Returns the stage if its endpoints are cached. Never starts a lookup.
    pub async fn known(&self, arn: &str) -> Option<Arc<Stage>> {
        let endpoints = self.endpoints.get(arn).await?;
        (self.clock.monotonic() < endpoints.expires_at).then_some(endpoints.stage)
    }
}

#[cfg(test)]
mod tests;
