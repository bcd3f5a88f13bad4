//! The stages of a tenant: the ownership check, and the paced `GetStage` that it uses.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout_at};

use super::{
    CallContext, Handlers,
    paced::{self, ReadError},
};
use crate::{
    error::Error,
    ivs::{self, CallError, Configuration, FailureKind},
    request::StageArn,
    tenancy::{OwnershipError, Stage},
};

/// How long a response waits for the endpoint of a stage whose endpoint is not cached.
const ENDPOINT_WAIT: Duration = Duration::from_secs(1);

impl Handlers {
    /// Returns the stage if it belongs to the tenant.
    pub(super) async fn stage(
        &self,
        context: &CallContext,
        arn: &StageArn,
    ) -> Result<Arc<Stage>, Error> {
        let lookup = || self.look_up(context, arn);
        let owned = self.shared.stages.owned_by(context.tenant(), arn, lookup).await;
        owned.map_err(|error| match error {
            OwnershipError::Forbidden => Error::StageForbidden,
            OwnershipError::Lookup(error) => error,
        })
    }

    /// Checks the ownership of a stage again, without the cache. Used after AWS rejected a call
    /// that names the stage, which may have been deleted since its ownership was cached. Returns
    /// whether the tenant no longer owns the stage.
    ///
    /// # Errors
    /// The error of the lookup: the ownership is unknown.
    pub(super) async fn has_lost_stage(
        &self,
        context: &CallContext,
        arn: &StageArn,
    ) -> Result<bool, Error> {
        self.shared.stages.forget(&context.tenant().id, arn);
        match self.stage(context, arn).await {
            Ok(_) => Ok(false),
            Err(Error::StageForbidden) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Reads the stage from AWS. Returns `None` if it does not exist.
    async fn look_up(&self, context: &CallContext, arn: &StageArn) -> Result<Option<Stage>, Error> {
        let pacer = &self.shared.pacers.get_stage;
        match paced::read(&self.ivs, context, pacer, |permit| self.ivs.get_stage(permit, arn)).await
        {
            Ok(stage) => Ok(Some(stage_of(stage))),
            Err(ReadError::NotSent(error)) => Err(error),
            Err(ReadError::Aws(error)) if is_absent(&error) => Ok(None),
            Err(ReadError::Aws(error)) => {
                let failure = error.failure();
                tracing::warn!(stage_arn = arn.as_str(), %failure, "GetStage failed");
                Err(Error::Aws(failure.clone()))
            }
        }
    }

    /// Returns the ingest endpoint of the configuration's stage. Returns `None` if there is no
    /// stage, or if AWS does not return the stage within [`ENDPOINT_WAIT`]: the response is
    /// then sent without the endpoint.
    pub(super) async fn endpoint(
        &self,
        context: &CallContext,
        configuration: &Configuration,
    ) -> Option<String> {
        let Configuration { stage_arn, ingest_protocol, .. } = configuration;
        let stage_arn = stage_arn.as_deref()?;
        let stages = &self.shared.stages;
        if let Some(stage) = stages.known(stage_arn) {
            return stage.ingest_endpoint(*ingest_protocol).map(str::to_owned);
        }
        let arn = StageArn::parse(stage_arn).ok()?;
        let deadline = self.shared.clock.monotonic() + ENDPOINT_WAIT;
        let context = context.until(deadline);
        let lookup = self.stage(&context, &arn);
        let stage = timeout_at(Instant::from_std(deadline), lookup).await.ok()?.ok()?;
        stage.ingest_endpoint(*ingest_protocol).map(str::to_owned)
    }
}

fn stage_of(stage: ivs::Stage) -> Stage {
    let ivs::Stage { tags, rtmp_endpoint, rtmps_endpoint } = stage;
    Stage { tags, rtmp_endpoint, rtmps_endpoint }
}

fn is_absent(error: &CallError) -> bool {
    matches!(error.failure().kind, FailureKind::NotFound | FailureKind::Validation)
}
