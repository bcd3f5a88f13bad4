//! Ownership of stages: which stages a tenant may use. One lookup is remembered for a
//! while, and concurrent callers of one tenant share it.
//!
//! The lookups of one tenant never hasten a response to another tenant: a stage that is
//! absent, a stage without an owner and a stage of another tenant cost the same lookup the
//! first time, and none while its result is remembered. So the duration of a rejection
//! reveals nothing.

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

/// The most stages that are remembered: each costs about 2 KiB.
const MAX_REMEMBERED: u64 = 10_000;

/// How long an endpoint may be remembered, by AWS's documentation.
const ENDPOINT_AGE: Duration = Duration::from_hours(14 * 24);

/// How long a rejection is remembered at most. It is shorter than the age of an owner,
/// because an operator may tag the stage after the rejection.
const REJECTION_AGE: Duration = Duration::from_secs(10);

/// A stage, as far as the gateway uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The tags of the stage: one of them names the owner.
    pub tags: HashMap<String, String>,
    /// The URL for encoders that publish over RTMP.
    pub rtmp_endpoint: Option<String>,
    /// The URL for encoders that publish over RTMPS.
    pub rtmps_endpoint: Option<String>,
}

impl Stage {
    /// The URL to enter in an encoder that speaks `protocol`.
    #[must_use]
    pub fn ingest_endpoint(&self, protocol: IngestProtocol) -> Option<&str> {
        match protocol {
            IngestProtocol::Rtmp => self.rtmp_endpoint.as_deref(),
            IngestProtocol::Rtmps => self.rtmps_endpoint.as_deref(),
        }
    }
}

/// The tenant may not use the stage, or its ownership is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OwnershipError<E> {
    /// The stage is absent, has no owner, or belongs to another tenant.
    #[error("the stage does not exist or is not the tenant's")]
    Forbidden,
    /// The lookup failed. The failure is not remembered.
    #[error("the stage cannot be looked up: {0}")]
    Lookup(E),
}

/// The owners of stages. Each is no older than the configured age.
#[derive(Debug, Clone)]
pub struct StageOwnership {
    /// The cache bounds the number of entries and shares lookups. The clock decides how long
    /// an entry is remembered, because the cache reads a clock of its own.
    seen: Cache<(TenantId, StageArn), Seen>,
    endpoints: Cache<String, Endpoints>,
    age: Duration,
    clock: Clock,
    tenants: Arc<Tenants>,
    region: String,
    account_id: Option<String>,
}

/// The result of a tenant's lookup.
#[derive(Debug, Clone)]
struct Seen {
    /// None if there is no such stage.
    stage: Option<Arc<Stage>>,
    expires_at: Instant,
}

/// A stage whose endpoints are remembered.
#[derive(Debug, Clone)]
struct Endpoints {
    stage: Arc<Stage>,
    expires_at: Instant,
}

impl StageOwnership {
    /// Remembers the tags of a stage for `age`: a change of the owner can go unnoticed for
    /// that long. Stages of another region are rejected without a lookup, and so are those
    /// of another account, if `account_id` names one.
    #[must_use]
    pub fn new(
        tenants: Arc<Tenants>,
        region: String,
        account_id: Option<String>,
        age: Duration,
        clock: Clock,
    ) -> Self {
        let (seen, endpoints) = (Cache::new(MAX_REMEMBERED), Cache::new(MAX_REMEMBERED));
        Self { seen, endpoints, age, clock, tenants, region, account_id }
    }

    /// The stage, if it belongs to the tenant. `lookup` returns the stage, or none if it is
    /// absent; it is not called while an earlier result is remembered.
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
        let remembered = self.seen.get(&key).await;
        let seen = match remembered {
            Some(seen) if self.clock.monotonic() < seen.expires_at => seen,
            expired => {
                if expired.is_some() {
                    self.seen.invalidate(&key).await;
                }
                let look = async { Ok(self.remember(tenant, arn, lookup().await?).await) };
                // The future has kilobytes, which every future around it would contain.
                let seen = Box::pin(self.seen.try_get_with(key, look)).await;
                seen.map_err(|error: Arc<E>| OwnershipError::Lookup((*error).clone()))?
            }
        };
        // Decided again on each call: the configuration may have changed since the lookup.
        let owned = seen.stage.filter(|stage| self.is_owner(tenant, arn, stage));
        owned.ok_or(OwnershipError::Forbidden)
    }

    /// Forgets the stage for all callers of the tenant: AWS says that it does not exist.
    pub async fn forget(&self, tenant: &TenantId, arn: &StageArn) {
        self.endpoints.invalidate(arn.as_str()).await;
        self.seen.invalidate(&(tenant.clone(), arn.clone())).await;
    }

    async fn remember(&self, tenant: &Tenant, arn: &StageArn, stage: Option<Stage>) -> Seen {
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
        Seen { stage, expires_at: now + age }
    }

    /// Whether the configuration lists the stage as the tenant's. The tag decides for a
    /// stage that the configuration does not list.
    fn is_owner(&self, tenant: &Tenant, arn: &StageArn, stage: &Stage) -> bool {
        if let Some(owner) = self.tenants.stage_owner(arn) {
            return owner == tenant.id;
        }
        let owner = stage.tags.get(&tenant.settings.stage_owner_tag);
        owner.is_some_and(|owner| owner == tenant.id.as_str())
    }

    /// The endpoints of a stage, if a lookup returned it lately. Costs no lookup.
    pub async fn known(&self, arn: &str) -> Option<Arc<Stage>> {
        let endpoints = self.endpoints.get(arn).await?;
        (self.clock.monotonic() < endpoints.expires_at).then_some(endpoints.stage)
    }
}

#[cfg(test)]
mod tests;
