//! `UpdateIngestConfiguration`: changes the stage or the redundancy of a configuration.

use super::{
    CallContext, CallersConfiguration, Handlers, aws_failed, get::Shown, paced, unless_invisible,
};
use crate::{
    error::Error,
    ivs::{CallError, Change, FailureKind, Update},
    pacer::Permit,
    request::{OperationId, UpdateIngestConfiguration},
};

impl Handlers {
    /// Changes an inactive configuration of the tenant. The call is idempotent.
    ///
    /// # Errors
    /// `NOT_FOUND`, `STAGE_FORBIDDEN` for the new stage, `AWS_CONFLICT` while the configuration
    /// is active, `OUTCOME_UNKNOWN` if the caller should repeat it, and the other failures of AWS.
    pub async fn update_ingest_configuration(
        &self,
        context: &CallContext,
        request: UpdateIngestConfiguration,
    ) -> Result<CallersConfiguration, Error> {
        let row = self.owned_row(context, &request.arn).await?;
        let stage = request.stage_arn.as_ref().and_then(Option::as_ref).cloned();
        if let Some(stage) = &stage {
            self.stage(context, stage).await?;
        }
        let stage_arn = request.stage_arn.map(|stage| stage.map(String::from));
        let change =
            Change { arn: row.arn.clone(), stage_arn, redundant_ingest: request.redundant_ingest };
        // A caller that disconnects during this wait leaves the queue.
        let ticket = paced::admit(context, &self.shared.pacers.update)?;
        let permit = paced::permit(&self.ivs, context, ticket).await?;
        // Before the request: the response may arrive much later.
        let not_found_is_proof = self.shared.not_found_is_proof(row.sent_at);
        let (handlers, task_context) = (self.clone(), context.clone());
        let operation_id = row.operation_id;
        // In a separate task, which continues if the caller disconnects.
        let change = async move {
            let changed = handlers.change(operation_id, &change, permit, &task_context).await;
            // A read that began earlier may show the configuration without the change.
            handlers.shared.reads.forget(&change.arn);
            changed
        };
        let work = self.mutations.spawn(change);
        let changed = work.await.map_err(|_| Error::Internal)?;
        if let (Err(error), Some(stage)) = (&changed, &stage) {
            // AWS does not report whether it did not find the configuration or the stage.
            let may_be_the_stage = match error {
                Error::NotFound { .. } => true,
                Error::Aws(failure) => failure.kind == FailureKind::Validation,
                _ => false,
            };
            // AWS changed nothing, so the caller may retry after a failed lookup.
            if may_be_the_stage && self.has_lost_stage(context, stage).await? {
                return Err(Error::StageForbidden);
            }
        }
        let shown = changed.map_err(|error| unless_invisible(not_found_is_proof, error))?;
        Ok(self.fresh(context, &row, shown).await)
    }

    /// Sends the change. Resends it if AWS throttles it, as long as the deadline allows.
    async fn change(
        &self,
        operation_id: OperationId,
        change: &Change,
        mut permit: Permit<Update>,
        context: &CallContext,
    ) -> Result<Shown, Error> {
        let failure = loop {
            match self.ivs.update_ingest_configuration(permit, change).await {
                // It was executed before the response: a read that began before it is older.
                Ok(response) => return Ok(Shown::new(response, self.shared.clock.wall())),
                Err(CallError::NotExecuted(failure)) => {
                    let is_throttled = matches!(failure.kind, FailureKind::Throttled { .. });
                    let again = is_throttled
                        .then(|| paced::readmit(context, &self.shared.pacers.update))
                        .flatten();
                    let Some(ticket) = again else { break failure };
                    permit = paced::permit(&self.ivs, context, ticket).await?;
                }
                Err(CallError::Ambiguous(failure)) => {
                    if let Some(done) = self.changed(change, context).await {
                        return Ok(done);
                    }
                    tracing::warn!(%operation_id, %failure, "the outcome of an update is unknown");
                    let aws_request_id = failure.aws_request_id;
                    return Err(Error::UpdateOutcomeUnknown { operation_id, aws_request_id });
                }
            }
        };
        tracing::warn!(arn = change.arn, %failure, "UpdateIngestConfiguration failed");
        Err(aws_failed(&change.arn, &failure))
    }

    /// Reads the configuration after an ambiguous failure. Returns it if AWS made the change.
    async fn changed(&self, change: &Change, context: &CallContext) -> Option<Shown> {
        // Even if the read is not sent, the update may have been executed.
        let shown = self.read_configuration(context, &change.arn).await.ok()?;
        change.is_done(&shown.configuration).then_some(shown)
    }
}
