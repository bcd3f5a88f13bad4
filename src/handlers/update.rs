//! `UpdateIngestConfiguration`: another stage, or another redundancy.

use super::{CallContext, CallersConfiguration, Handlers, aws_failed, claim};
use crate::{
    error::Error,
    ivs::{Answer, CallError, Change, Configuration},
    pacer::{Operation, Turn},
    request::UpdateIngestConfiguration,
};

impl Handlers {
    /// Changes an inactive configuration of the tenant. It may be repeated: the second
    /// time it changes nothing.
    ///
    /// # Errors
    /// `NOT_FOUND`, `STAGE_FORBIDDEN` for the new stage, `AWS_CONFLICT` while it is
    /// active, and the other failures of AWS.
    pub async fn update_ingest_configuration(
        &self,
        context: &CallContext,
        request: UpdateIngestConfiguration,
    ) -> Result<CallersConfiguration, Error> {
        let row = self.owned_row(context, &request.arn).await?;
        if let Some(Some(stage)) = &request.stage_arn {
            self.stage(context, stage).await?;
        }
        let stage_arn = request.stage_arn.map(|stage| stage.map_or_else(String::new, String::from));
        let change =
            Change { arn: row.arn.clone(), stage_arn, redundant_ingest: request.redundant_ingest };
        // Whoever goes away while it waits leaves the queue.
        let turn = self.shared.pacers.of(Operation::Update).admit(&claim(context))?.turn().await?;
        let (handlers, task_context) = (self.clone(), context.clone());
        // In a task of its own: a caller who goes away ends the waiting, not the work.
        let change = async move { handlers.change(change, turn, &task_context).await };
        let work = self.mutations.spawn(change);
        let (configuration, aws_request_id) = work.await.map_err(|_| Error::Internal)??;
        if let Some(id) = &aws_request_id {
            context.record().aws_request(id);
        }
        Ok(self.fresh(context, &row, configuration).await)
    }

    async fn change(
        &self,
        change: Change,
        turn: Turn,
        context: &CallContext,
    ) -> Result<(Configuration, Option<String>), Error> {
        let failure = match turn.spend_on(|| self.ivs.update_ingest_configuration(&change)).await? {
            Ok(Answer { value, aws_request_id }) => return Ok((value, aws_request_id)),
            Err(CallError::NotExecuted(failure)) => failure,
            Err(CallError::Ambiguous(failure)) => {
                // What was asked for says by itself whether it happened.
                let get = || self.ivs.get_ingest_configuration(&change.arn);
                match self.shared.pacers.of(Operation::Get).read(&claim(context), get).await? {
                    Ok(Answer { value, aws_request_id }) if change.is_done(&value) => {
                        return Ok((value, aws_request_id));
                    }
                    _ => failure,
                }
            }
        };
        tracing::warn!(arn = change.arn, %failure, "UpdateIngestConfiguration failed");
        Err(aws_failed(&change.arn, &failure))
    }
}
