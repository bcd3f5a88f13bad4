//! `DeleteIngestConfiguration`: the quota is released when AWS confirms the delete.

use std::time::SystemTime;

use super::{
    CallContext, Handlers, ledger_failed,
    paced::{self, ReadError},
};
use crate::{
    error::Error,
    ivs::{self, AwsFailure, CallError, FailureKind},
    ledger::{Event, State},
    pacer::Permit,
    request::{DeleteIngestConfiguration, OperationId},
};

impl Handlers {
    /// Deletes a configuration of the tenant. The call is idempotent: a configuration that is
    /// already deleted is a success.
    ///
    /// # Errors
    /// `NOT_FOUND` if the tenant never had the configuration, `AWS_CONFLICT` if it is active
    /// and `force` is not set, `OUTCOME_UNKNOWN` if the caller should retry, and the other
    /// failures of AWS.
    pub async fn delete_ingest_configuration(
        &self,
        context: &CallContext,
        request: DeleteIngestConfiguration,
    ) -> Result<(), Error> {
        let (tenant, arn) = (&context.tenant().id, request.arn.as_str());
        let row = self.shared.ledger.find(tenant.clone(), arn.to_owned()).await;
        let row = row.map_err(|error| ledger_failed(&error, "find"))?;
        let row = row.ok_or_else(|| self.shared.no_row(arn))?;
        context.record().operation(row.operation_id.ulid());
        if row.row_state == State::Deleted {
            return Ok(());
        }
        // A caller that disconnects during this wait leaves the queue.
        let ticket = paced::admit(context, &self.shared.pacers.delete)?;
        let permit = paced::permit(&self.ivs, context, ticket).await?;
        let delete = Delete {
            handlers: self.clone(),
            context: context.clone(),
            id: row.operation_id,
            arn: row.arn,
            sent_at: row.sent_at,
            is_first: row.row_state == State::Live,
            force: request.force,
        };
        // In a separate task, which continues if the caller disconnects.
        let work = self.mutations.spawn(async move { delete.run(permit).await });
        work.await.map_err(|_| Error::Internal)?
    }
}

/// One delete.
struct Delete {
    handlers: Handlers,
    context: CallContext,
    id: OperationId,
    arn: String,
    /// When the create of the configuration was sent.
    sent_at: SystemTime,
    /// Whether no earlier delete of unknown outcome may have been executed.
    is_first: bool,
    force: bool,
}

impl Delete {
    /// Sends the delete. A delete that AWS throttles waits for another permit, as long as its
    /// deadline allows.
    async fn run(&self, mut permit: Permit<ivs::Delete>) -> Result<(), Error> {
        let pacer = &self.handlers.shared.pacers.delete;
        loop {
            match self.send(permit).await? {
                Sent::Deleted => return Ok(()),
                Sent::Throttled(failure) => match paced::readmit(&self.context, pacer) {
                    Some(ticket) => {
                        permit = paced::permit(&self.handlers.ivs, &self.context, ticket).await?;
                    }
                    None => return Err(Error::Aws(failure)),
                },
            }
        }
    }

    async fn send(&self, permit: Permit<ivs::Delete>) -> Result<Sent, Error> {
        let Handlers { shared, ivs, .. } = &self.handlers;
        let id = self.id;
        // Durable before any byte goes to AWS, because the configuration may be deleted from
        // then on. Concurrent deletes of the same configuration are allowed.
        let applied = shared.ledger.apply(id, Event::Delete).await;
        applied.map_err(|error| {
            // The failed write may be durable nevertheless.
            if self.is_first {
                self.handlers.record_later(id, Event::DeleteRefused);
            }
            ledger_failed(&error, Event::Delete.name())
        })?;
        // The age at the request counts: AWS may respond 404 while the configuration is new, and the
        // response may arrive when it no longer is.
        let not_found_is_proof = shared.not_found_is_proof(self.sent_at);
        match ivs.delete_ingest_configuration(permit, &self.arn, self.force).await {
            Ok(()) => self.confirm(None).await,
            Err(CallError::NotExecuted(failure)) if failure.kind == FailureKind::NotFound => {
                self.not_found(failure, not_found_is_proof).await
            }
            Err(CallError::NotExecuted(failure)) => {
                tracing::warn!(operation_id = %id, %failure, "a delete was not executed");
                if let Err(error) = self.handlers.record(id, Event::DeleteRefused).await {
                    tracing::error!(operation_id = %id, %error, "could not record a refused delete");
                }
                match failure.kind {
                    FailureKind::Throttled { .. } => Ok(Sent::Throttled(failure)),
                    _ => Err(Error::Aws(failure)),
                }
            }
            Err(CallError::Ambiguous(failure)) => {
                tracing::warn!(operation_id = %id, %failure, "the outcome of a delete is unknown");
                match self.handlers.read_configuration(&self.context, &self.arn).await {
                    Err(ReadError::Aws(error)) if error.failure().kind == FailureKind::NotFound => {
                        self.not_found(failure, not_found_is_proof).await
                    }
                    // AWS may still execute the delete. The resolver reads the configuration
                    // when that is no longer possible.
                    _ => Err(self.unknown(failure.aws_request_id)),
                }
            }
        }
    }

    /// AWS does not have the configuration, or does not show it yet. In the second case the row stays
    /// `DELETING`, so that a retry sends the delete again.
    async fn not_found(&self, failure: AwsFailure, is_proof: bool) -> Result<Sent, Error> {
        // Again: the credentials may be those of another account since.
        if !is_proof || self.handlers.shared.require_complete().is_err() {
            tracing::warn!(operation_id = %self.id, %failure, "AWS may not show the configuration");
            return Err(self.unknown(failure.aws_request_id));
        }
        self.confirm(failure.aws_request_id).await
    }

    fn unknown(&self, aws_request_id: Option<String>) -> Error {
        Error::DeleteOutcomeUnknown { operation_id: self.id, aws_request_id }
    }

    /// Records that AWS no longer has the configuration.
    async fn confirm(&self, aws_request_id: Option<String>) -> Result<Sent, Error> {
        let shared = &self.handlers.shared;
        match self.handlers.record(self.id, Event::DeleteConfirmed).await {
            Ok(_) => {
                // A read that began earlier may still show the configuration.
                shared.reads.forget(&self.arn);
                Ok(Sent::Deleted)
            }
            Err(error) => {
                tracing::error!(operation_id = %self.id, %error, "could not record a delete");
                Err(self.unknown(aws_request_id))
            }
        }
    }
}

/// The result of one call to AWS.
enum Sent {
    /// AWS no longer has the configuration.
    Deleted,
    /// AWS throttled the delete, so it was not executed.
    Throttled(AwsFailure),
}
