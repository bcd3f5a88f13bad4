//! `DeleteIngestConfiguration`: the quota is free once AWS confirms, and not before.

use super::{Operations, ledger_failed};
use crate::{
    auth::Caller,
    error::Error,
    ingest::{DeleteIngestConfiguration, OperationId},
    ivs::{CallError, FailureKind},
    ledger::{Event, State},
    observe::CallRecord,
};

impl Operations {
    /// Deletes a configuration of the tenant. It may be repeated: what is gone already
    /// is a success.
    ///
    /// # Errors
    /// `NOT_FOUND` if the tenant never had it, `AWS_CONFLICT` if it is active and
    /// `force` is not set, `OUTCOME_UNKNOWN` to be asked again, and the other failures
    /// of AWS.
    pub async fn delete_ingest_configuration(
        &self,
        caller: &Caller,
        request: DeleteIngestConfiguration,
        record: &CallRecord,
    ) -> Result<(), Error> {
        let (tenant, arn) = (&caller.tenant().id, request.arn.as_str());
        let row = self.shared.ledger.find(tenant.clone(), arn.to_owned()).await;
        let row = row.map_err(|error| ledger_failed(&error, "find"))?;
        let row = row.ok_or_else(|| Error::NotFound { arn: arn.to_owned() })?;
        record.operation(row.operation_id);
        if row.row_state == State::Deleted {
            return Ok(());
        }
        let (operations, id, force) = (self.clone(), row.operation_id, request.force);
        // In a task of its own: a caller who goes away ends the waiting, not the work.
        let work = self.mutations.spawn(async move { operations.delete(id, row.arn, force).await });
        work.await.map_err(|_| Error::Internal)?
    }

    async fn delete(&self, id: OperationId, arn: String, force: bool) -> Result<(), Error> {
        // Durable before any byte goes to AWS: from now on it may be gone. A second
        // delete of the same configuration may be sent beside the first.
        self.apply_delete(id, Event::Delete).await?;
        match self.ivs.delete_ingest_configuration(&arn, force).await {
            Ok(()) => self.gone(id).await,
            Err(CallError::NotExecuted(failure)) if failure.kind == FailureKind::NotFound => {
                self.gone(id).await
            }
            Err(CallError::NotExecuted(failure)) => {
                tracing::warn!(operation_id = %id, %failure, "AWS did not delete it");
                self.apply_delete(id, Event::DeleteRefused).await?;
                Err(Error::Aws(failure))
            }
            Err(CallError::Ambiguous(failure)) => {
                tracing::warn!(operation_id = %id, %failure, "the outcome of a delete is unknown");
                match self.ivs.get_ingest_configuration(&arn).await {
                    Err(error) if error.failure().kind == FailureKind::NotFound => {
                        self.gone(id).await
                    }
                    // AWS may still be at it. It settles once it cannot be any more.
                    _ => Err(Error::OutcomeUnknown {
                        operation_id: id,
                        repeatable: true,
                        aws_request_id: failure.aws_request_id,
                    }),
                }
            }
        }
    }

    async fn gone(&self, id: OperationId) -> Result<(), Error> {
        self.apply_delete(id, Event::DeleteConfirmed).await
    }

    async fn apply_delete(&self, id: OperationId, event: Event) -> Result<(), Error> {
        let doing = event.name();
        let applied = self.shared.ledger.apply(id, event).await;
        applied.map(drop).map_err(|error| ledger_failed(&error, doing))
    }
}
