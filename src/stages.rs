//! Whose a stage is and where it takes ingest: one `GetStage`, remembered for a
//! while and shared by all who ask at the same time.

use std::{sync::Arc, time::Duration};

use moka::future::Cache;

use crate::{
    config::Upstream,
    error::Error,
    ingest::{IngestProtocol, StageArn},
    ivs::{CallError, FailureKind, Ivs, Stage},
    quota::Tenant,
};

/// The most stages that are remembered: each costs about 2 KiB.
const MAX_REMEMBERED: u64 = 10_000;

/// How long an endpoint may be remembered, by AWS's own word.
const ENDPOINT_AGE: Duration = Duration::from_hours(14 * 24);

/// Stages as AWS showed them: their owners no older than the configured age.
#[derive(Debug, Clone)]
pub struct Stages {
    seen: Cache<StageArn, Arc<Stage>>,
    endpoints: Cache<String, Arc<Stage>>,
    region: String,
    account_id: Option<String>,
}

impl Stages {
    /// Remembers what a stage's tags say for `upstream.stage_cache`: so long can a
    /// change of a stage's owner go unnoticed.
    #[must_use]
    pub fn new(upstream: &Upstream, region: &str) -> Self {
        let seen = Cache::builder()
            .max_capacity(MAX_REMEMBERED)
            .time_to_live(upstream.stage_cache)
            .build();
        let endpoints =
            Cache::builder().max_capacity(MAX_REMEMBERED).time_to_live(ENDPOINT_AGE).build();
        Self { seen, endpoints, region: region.to_owned(), account_id: upstream.account_id.clone() }
    }

    /// The stage, if it is the tenant's.
    ///
    /// # Errors
    /// `STAGE_FORBIDDEN` if it is absent, untagged or another tenant's; the
    /// failures of AWS otherwise.
    pub async fn owned_by(
        &self,
        tenant: &Tenant,
        arn: &StageArn,
        ivs: &Ivs,
    ) -> Result<Arc<Stage>, Error> {
        // Another region or account cannot be the gateway's: no call can say otherwise.
        let foreign = |account: &String| account != arn.account_id();
        if arn.region() != self.region || self.account_id.as_ref().is_some_and(foreign) {
            return Err(Error::StageForbidden);
        }
        let stage = self
            .seen
            .try_get_with_by_ref(arn, async {
                let stage = Arc::new(ivs.get_stage(arn).await?);
                self.endpoints.insert(arn.as_str().to_owned(), Arc::clone(&stage)).await;
                Ok(stage)
            })
            .await
            .map_err(|error| refused(arn, &error))?;
        let owner = stage.tags.get(&tenant.settings.stage_owner_tag);
        if owner.is_some_and(|owner| owner == tenant.id.as_str()) {
            Ok(stage)
        } else {
            Err(Error::StageForbidden)
        }
    }

    /// Where a stage takes ingest, if it was looked up lately. Costs no AWS call.
    pub async fn known_endpoint(&self, arn: &str, protocol: IngestProtocol) -> Option<String> {
        let stage = self.endpoints.get(arn).await?;
        Some(stage.ingest_endpoint(protocol).to_owned())
    }
}

fn refused(arn: &StageArn, error: &CallError) -> Error {
    let failure = error.failure();
    match failure.kind {
        FailureKind::NotFound | FailureKind::Validation => Error::StageForbidden,
        _ => {
            tracing::warn!(stage_arn = arn.as_str(), %failure, "GetStage failed");
            Error::Aws(failure.clone())
        }
    }
}
