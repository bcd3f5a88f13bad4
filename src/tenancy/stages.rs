//! Whose a stage is and where it takes ingest: one `GetStage`, remembered for a
//! while and shared by all callers of a tenant who ask at the same time.
//!
//! What one tenant asked for never hastens another's answer: a stage that is absent,
//! one without an owner and one of somebody else's cost the same call the first time,
//! and none while that is remembered. So how long a refusal takes tells nothing.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use moka::{Expiry, future::Cache};

use crate::{
    config::Upstream,
    error::Error,
    ivs::{CallError, FailureKind, Ivs, Stage},
    pacer::{Claim, Pacer},
    request::{IngestProtocol, StageArn},
    tenancy::TenantId,
    tenancy::{Tenant, Tenants},
};

/// The most stages that are remembered: each costs about 2 KiB.
const MAX_REMEMBERED: u64 = 10_000;

/// How long an endpoint may be remembered, by AWS's own word.
const ENDPOINT_AGE: Duration = Duration::from_hours(14 * 24);

/// How long a refusal is remembered at the most. Shorter than an owner may be, because
/// whoever is refused goes and tags the stage.
const REFUSAL_AGE: Duration = Duration::from_secs(10);

/// Stages as AWS showed them: their owners no older than the configured age.
#[derive(Debug, Clone)]
pub struct Stages {
    seen: Cache<(TenantId, StageArn), Seen>,
    endpoints: Cache<String, Arc<Stage>>,
    tenants: Arc<Tenants>,
    region: String,
    account_id: Option<String>,
}

/// What a tenant's look at a stage showed.
#[derive(Debug, Clone)]
struct Seen {
    /// None if there is no such stage.
    stage: Option<Arc<Stage>>,
    /// How long this is remembered, if not as long as an owner is.
    age: Option<Duration>,
}

/// How long each look is remembered.
struct Ages;

impl<K> Expiry<K, Seen> for Ages {
    fn expire_after_create(&self, _: &K, seen: &Seen, _: Instant) -> Option<Duration> {
        seen.age
    }

    fn expire_after_update(
        &self,
        _: &K,
        seen: &Seen,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        seen.age
    }
}

impl Stages {
    /// Remembers what a stage's tags say for `upstream.stage_cache`: so long can a
    /// change of a stage's owner go unnoticed.
    #[must_use]
    pub fn new(upstream: &Upstream, region: &str, tenants: Arc<Tenants>) -> Self {
        let seen = Cache::builder()
            .max_capacity(MAX_REMEMBERED)
            .time_to_live(upstream.stage_cache)
            .expire_after(Ages)
            .build();
        let endpoints =
            Cache::builder().max_capacity(MAX_REMEMBERED).time_to_live(ENDPOINT_AGE).build();
        let (region, account_id) = (region.to_owned(), upstream.account_id.clone());
        Self { seen, endpoints, tenants, region, account_id }
    }

    /// The stage, if it is the tenant's.
    ///
    /// # Errors
    /// `STAGE_FORBIDDEN` if it is absent, without an owner or another tenant's; the
    /// failures of AWS otherwise.
    pub async fn owned_by(
        &self,
        claim: &Claim,
        arn: &StageArn,
        pacer: &Arc<Pacer>,
        ivs: &Ivs,
    ) -> Result<Arc<Stage>, Error> {
        // Another region or account cannot be the gateway's: no call can say otherwise.
        let foreign = |account: &String| account != arn.account_id();
        if arn.region() != self.region || self.account_id.as_ref().is_some_and(foreign) {
            return Err(Error::StageForbidden);
        }
        let tenant = &claim.tenant;
        let key = (tenant.id.clone(), arn.clone());
        let look = async {
            let answer = pacer.read(claim, || ivs.get_stage(arn)).await?;
            self.look(tenant, arn, answer).await
        };
        let seen = self.seen.try_get_with(key, look).await;
        let seen = seen.map_err(|error: Arc<Error>| (*error).clone())?;
        // Decided anew each time: the configuration may have changed since.
        seen.stage.filter(|stage| self.is_owner(tenant, arn, stage)).ok_or(Error::StageForbidden)
    }

    /// What AWS's answer about the stage means for the tenant.
    async fn look(
        &self,
        tenant: &Tenant,
        arn: &StageArn,
        answer: Result<Stage, CallError>,
    ) -> Result<Seen, Error> {
        let stage = match answer {
            Ok(stage) => Some(Arc::new(stage)),
            Err(error) if is_absent(&error) => None,
            Err(error) => return Err(failed(arn, &error)),
        };
        let owned = stage.as_ref().filter(|stage| self.is_owner(tenant, arn, stage));
        if let Some(stage) = owned {
            self.endpoints.insert(arn.as_str().to_owned(), Arc::clone(stage)).await;
        }
        let age = owned.is_none().then_some(REFUSAL_AGE);
        Ok(Seen { stage, age })
    }

    /// Whether the configuration lists the stage as the tenant's; one that it lists for
    /// nobody is whose its tag says.
    fn is_owner(&self, tenant: &Tenant, arn: &StageArn, stage: &Stage) -> bool {
        if let Some(owner) = self.tenants.stage_owner(arn) {
            return owner == tenant.id;
        }
        let owner = stage.tags.get(&tenant.settings.stage_owner_tag);
        owner.is_some_and(|owner| owner == tenant.id.as_str())
    }

    /// Where a stage takes ingest, if it was looked up lately. Costs no AWS call.
    pub async fn known_endpoint(&self, arn: &str, protocol: IngestProtocol) -> Option<String> {
        let stage = self.endpoints.get(arn).await?;
        Some(stage.ingest_endpoint(protocol).to_owned())
    }
}

fn is_absent(error: &CallError) -> bool {
    matches!(error.failure().kind, FailureKind::NotFound | FailureKind::Validation)
}

fn failed(arn: &StageArn, error: &CallError) -> Error {
    let failure = error.failure();
    tracing::warn!(stage_arn = arn.as_str(), %failure, "GetStage failed");
    Error::Aws(failure.clone())
}
