//! `UpdateIngestConfiguration`: another stage, or another redundancy.

use super::{CallersConfiguration, Operations};
use crate::{
    auth::Caller,
    error::Error,
    ingest::UpdateIngestConfiguration,
    ivs::{Answer, CallError, Change, Configuration, FailureKind},
    observe::CallRecord,
};

impl Operations {
    /// Changes an inactive configuration of the tenant. It may be repeated: the second
    /// time it changes nothing.
    ///
    /// # Errors
    /// `NOT_FOUND`, `STAGE_FORBIDDEN` for the new stage, `AWS_CONFLICT` while it is
    /// active, and the other failures of AWS.
    pub async fn update_ingest_configuration(
        &self,
        caller: &Caller,
        request: UpdateIngestConfiguration,
        record: &CallRecord,
    ) -> Result<CallersConfiguration, Error> {
        let tenant = caller.tenant();
        let row = self.owned_row(tenant, &request.arn, record).await?;
        if let Some(Some(stage)) = &request.stage_arn {
            self.shared.stages.owned_by(tenant, stage, &self.ivs).await?;
        }
        let stage_arn = request.stage_arn.map(|stage| stage.map_or_else(String::new, String::from));
        let change =
            Change { arn: row.arn.clone(), stage_arn, redundant_ingest: request.redundant_ingest };
        let operations = self.clone();
        // In a task of its own: a caller who goes away ends the waiting, not the work.
        let work = self.mutations.spawn(async move { operations.change(change).await });
        let (configuration, aws_request_id) = work.await.map_err(|_| Error::Internal)??;
        if let Some(id) = &aws_request_id {
            record.aws_request(id);
        }
        Ok(self.fresh(tenant, &row, configuration).await)
    }

    async fn change(&self, change: Change) -> Result<(Configuration, Option<String>), Error> {
        let failure = match self.ivs.update_ingest_configuration(&change).await {
            Ok(Answer { value, aws_request_id }) => return Ok((value, aws_request_id)),
            Err(CallError::NotExecuted(failure)) => failure,
            Err(CallError::Ambiguous(failure)) => {
                // What was asked for says by itself whether it happened.
                match self.ivs.get_ingest_configuration(&change.arn).await {
                    Ok(Answer { value, aws_request_id }) if change.is_done(&value) => {
                        return Ok((value, aws_request_id));
                    }
                    _ => failure,
                }
            }
        };
        tracing::warn!(arn = change.arn, %failure, "UpdateIngestConfiguration failed");
        Err(match failure.kind {
            FailureKind::NotFound => Error::NotFound { arn: change.arn },
            _ => Error::Aws(failure),
        })
    }
}
