//! The stages of a tenant: a paced `GetStage` behind the ownership check.

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

/// How long a response waits for the endpoint of a stage that was not looked up lately.
const ENDPOINT_WAIT: Duration = Duration::from_secs(1);

impl Handlers {
    /// The stage, if it is the tenant's.
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

    /// Whether a stage that was the tenant's is not any more, as a call suggests that AWS
    /// rejected: the ownership was remembered, and the stage was deleted since.
    pub(super) async fn has_lost_stage(&self, context: &CallContext, arn: &StageArn) -> bool {
        self.shared.stages.forget(&context.tenant().id, arn).await;
        matches!(self.stage(context, arn).await, Err(Error::StageForbidden))
    }

    /// What AWS says of the stage; none if it is absent.
    async fn look_up(&self, context: &CallContext, arn: &StageArn) -> Result<Option<Stage>, Error> {
        let pacer = &self.shared.pacers.get_stage;
        match paced::read(context, pacer, |permit| self.ivs.get_stage(permit, arn)).await {
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

    /// The ingest endpoint of the configuration's stage; none if there is no stage, or if
    /// AWS does not return it soon: the rest of the response does not wait for it.
    pub(super) async fn endpoint(
        &self,
        context: &CallContext,
        configuration: &Configuration,
    ) -> Option<String> {
        let Configuration { stage_arn, ingest_protocol, .. } = configuration;
        let stage_arn = stage_arn.as_deref()?;
        let stages = &self.shared.stages;
        if let Some(stage) = stages.known(stage_arn).await {
            return stage.ingest_endpoint(*ingest_protocol).map(str::to_owned);
        }
        let arn = StageArn::parse(stage_arn).ok()?;
        let soon = self.shared.clock.monotonic() + ENDPOINT_WAIT;
        let context = context.until(soon);
        let lookup = self.stage(&context, &arn);
        let stage = timeout_at(Instant::from_std(soon), lookup).await.ok()?.ok()?;
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
