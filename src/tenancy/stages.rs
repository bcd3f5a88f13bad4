//! Ownership of stages: which stages a tenant may use. The result of a lookup is cached for a
//! limited time, and concurrent callers of one tenant share one lookup.
//!
//! The cache is separate for each tenant, so that the duration of a rejection reveals nothing
//! about other tenants. A stage that is absent, has no owner or belongs to another tenant
//! costs one lookup the first time. While the result is cached, it costs none.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use lru::LruCache;
use tokio::sync::OnceCell;

use super::{Tenant, TenantId, Tenants};
use crate::{
    clock::Clock,
    request::{IngestProtocol, StageArn},
};

/// Maximum number of cached stages. Each uses about 2 KiB. The least recently used one is
/// replaced.
const MAX_CACHED: NonZeroUsize = NonZeroUsize::new(10_000).expect("it is not zero");

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

/// A cache of the owners of stages, in which the age of an entry is bounded. `E` is the error
/// of a lookup.
#[derive(Debug, Clone)]
pub struct StageOwnership<E> {
    lookups: Lookups<E>,
    endpoints: Arc<Mutex<LruCache<String, Endpoints>>>,
    age: Duration,
    clock: Clock,
    tenants: Arc<Tenants>,
    region: String,
    account_id: Option<String>,
}

type Lookups<E> = Arc<Mutex<LruCache<(TenantId, StageArn), SharedLookup<E>>>>;

/// A lookup that concurrent callers share. Empty while it runs.
type SharedLookup<E> = Arc<OnceCell<Result<Lookup, E>>>;

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

impl<E: Clone> StageOwnership<E> {
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
        let lookups = Arc::new(Mutex::new(LruCache::new(MAX_CACHED)));
        let endpoints = Arc::new(Mutex::new(LruCache::new(MAX_CACHED)));
        Self { lookups, endpoints, age, clock, tenants, region, account_id }
    }

    /// Returns the stage if it belongs to the tenant. `lookup` returns the stage, or `None` if
    /// it is absent. It is not called while an earlier result is cached.
    ///
    /// # Errors
    /// [`OwnershipError`].
    pub async fn owned_by<F>(
        &self,
        tenant: &Tenant,
        arn: &StageArn,
        lookup: impl FnOnce() -> F,
    ) -> Result<Arc<Stage>, OwnershipError<E>>
    where
        F: Future<Output = Result<Option<Stage>, E>>,
    {
        let is_foreign = |account: &String| account != arn.account_id();
        if arn.region() != self.region || self.account_id.as_ref().is_some_and(is_foreign) {
            return Err(OwnershipError::Forbidden);
        }
        let shared = self.shared_lookup(tenant, arn);
        // Boxed: the future is several KiB large, which would enlarge every enclosing future.
        let found = Box::pin(shared.get_or_init(async || {
            let stage = lookup().await?;
            Ok(self.cached(tenant, arn, stage))
        }));
        let found = found.await.clone().map_err(OwnershipError::Lookup)?;
        // Checked on each call: a reload may have changed the owner since the lookup.
        let owned = found.stage.filter(|stage| self.is_owner(tenant, arn, stage));
        owned.ok_or(OwnershipError::Forbidden)
    }

    /// Returns the lookup that is cached or running, or starts a new one.
    fn shared_lookup(&self, tenant: &Tenant, arn: &StageArn) -> SharedLookup<E> {
        let now = self.clock.monotonic();
        let is_usable =
            |found: &Result<Lookup, E>| found.as_ref().is_ok_and(|found| now < found.expires_at);
        let mut lookups = locked(&self.lookups);
        let key = (tenant.id.clone(), arn.clone());
        match lookups.get(&key) {
            Some(shared) if shared.get().is_none_or(is_usable) => Arc::clone(shared),
            _ => {
                let shared = SharedLookup::default();
                lookups.put(key, Arc::clone(&shared));
                shared
            }
        }
    }

    /// Removes the stage from the cache of the tenant, because AWS reports that it does not
    /// exist.
    pub fn forget(&self, tenant: &TenantId, arn: &StageArn) {
        locked(&self.endpoints).pop(arn.as_str());
        locked(&self.lookups).pop(&(tenant.clone(), arn.clone()));
    }

    /// Returns the entry for a lookup, and caches the endpoints of a stage that the tenant owns.
    fn cached(&self, tenant: &Tenant, arn: &StageArn, stage: Option<Stage>) -> Lookup {
        let stage = stage.map(Arc::new);
        let owned = stage.as_ref().filter(|stage| self.is_owner(tenant, arn, stage));
        let now = self.clock.monotonic();
        let age = match owned {
            Some(stage) => {
                let expires_at = now + ENDPOINT_AGE;
                let endpoints = Endpoints { stage: Arc::clone(stage), expires_at };
                locked(&self.endpoints).put(arn.as_str().to_owned(), endpoints);
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
    #[must_use]
    pub fn known(&self, arn: &str) -> Option<Arc<Stage>> {
        let now = self.clock.monotonic();
        let mut endpoints = locked(&self.endpoints);
        let endpoints = endpoints.get(arn).filter(|endpoints| now < endpoints.expires_at)?;
        Some(Arc::clone(&endpoints.stage))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
