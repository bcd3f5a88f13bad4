//! A create whose configuration exists, or may exist: the outcome of an earlier create, and
//! the reads that return a configuration with its stream keys.

use std::time::SystemTime;

use super::{Created, Outcome, endpoint, task::Create};
use crate::{
    error::Error,
    handlers::{CallersConfiguration, Shared, get::Shown, paced::ReadError},
    ivs::Configuration,
    ledger::{Event, Reserved, Resource, State, Transition},
    reconcile::Resolution,
    request::{OperationId, StageArn},
};

/// The record of a configuration that AWS has created.
pub(super) enum Recorded {
    /// The row has its ARN.
    Now,
    /// The row has the ARN of another configuration of the same create.
    Earlier { arn: String },
    /// The ledger does not respond.
    Unknown,
}

impl Create {
    /// Records that AWS created the configuration. Its stream key is returned only after that: a
    /// configuration whose key no caller has may be deleted as a duplicate.
    pub(super) async fn record_created(&self, resource: Resource) -> Recorded {
        let arn = resource.arn.clone();
        match self.handlers.record(self.operation_id, Event::Created(resource)).await {
            Ok(Transition { changed: true, .. }) => Recorded::Now,
            // The resolver was faster, or a write that failed is durable nevertheless.
            Ok(_) => match self.find_earlier().await {
                Ok(Reserved::Replay { arn: recorded, .. }) if recorded == arn => Recorded::Now,
                Ok(Reserved::Replay { arn, .. }) => Recorded::Earlier { arn },
                Ok(_) | Err(_) => Recorded::Unknown,
            },
            Err(error) => {
                tracing::error!(operation_id = %self.operation_id, %error, "could not record a create");
                Recorded::Unknown
            }
        }
    }

    /// Returns the outcome of an earlier create with the same `request_id`, or `rejection` if
    /// there is none. Sends nothing. Since that create, the tenant may have lost the stage or the
    /// right to the protocol, or the stage cannot be looked up: the configuration exists
    /// nevertheless.
    pub(super) async fn earlier_or(mut self, rejection: Error) -> Outcome {
        let reserved = self.find_earlier().await?;
        self.earlier(reserved).await.unwrap_or(Err(rejection))
    }

    /// Returns the outcome of the earlier create that the ledger found; `None` if it found none.
    pub(super) async fn earlier(&mut self, reserved: Reserved) -> Option<Outcome> {
        match reserved {
            Reserved::Replay { operation_id, arn } => {
                self.continue_earlier(operation_id);
                Some(self.read_back(arn, true, None).await)
            }
            Reserved::Deleted { operation_id, arn } => {
                self.continue_earlier(operation_id);
                Some(Err(Error::CreatedConfigurationGone { arn }))
            }
            Reserved::InProgress { operation_id } => {
                self.continue_earlier(operation_id);
                Some(Err(Error::InProgress { operation_id }))
            }
            Reserved::InDoubt { operation_id, .. } => {
                self.continue_earlier(operation_id);
                let resolved = self.resolve(None).await;
                Some(resolved.map(|created| Created { replayed: true, ..created }))
            }
            Reserved::FingerprintMismatch => Some(Err(Error::RequestIdReused)),
            Reserved::New | Reserved::OverQuota { .. } => None,
        }
    }

    /// Replaces the id of this create with that of an earlier create with the same `request_id`.
    pub(super) fn continue_earlier(&mut self, operation_id: OperationId) {
        self.operation_id = operation_id;
        self.is_earlier = true;
        self.context.record().operation(operation_id.ulid());
        self.context.record().set_may_be_sent(true);
    }

    /// Submits the in-doubt create to the resolver and waits for its resolution, at most
    /// `resolution_wait`. The resolver continues after that.
    pub(super) async fn resolve(&self, aws_request_id: Option<String>) -> Outcome {
        let (operation_id, unknown) = (self.operation_id, self.unknown(aws_request_id));
        let Shared { resolutions, resolution_wait, .. } = &*self.handlers.shared;
        match resolutions.resolution(operation_id, *resolution_wait).await {
            Some(Resolution::Live(resource)) => self.read_back(resource.arn, false, None).await,
            // Proved absent, which usually takes longer than this wait, or not resolved in time.
            // Then a retry with the `request_id`, or with the create's id as one, is safe.
            Some(Resolution::Gone) | None => Err(unknown),
        }
    }

    /// Returns a configuration that exists according to the ledger. Its stream keys are read from
    /// AWS, because the gateway does not store them. A failed read is not reported as a failed
    /// create: the caller would create another configuration. Nor is one that does not find it:
    /// AWS may not show it yet, and if an operator has deleted it, the scan detects that.
    /// `aws_request_id` is that of the create, if this call has sent it.
    pub(super) async fn read_back(
        &self,
        arn: String,
        replayed: bool,
        aws_request_id: Option<String>,
    ) -> Outcome {
        match self.handlers.read_configuration(&self.context, &arn).await {
            Ok(Shown { configuration, asked_at, aws_request_id }) => {
                self.check_not_deleted(&arn, aws_request_id.as_ref()).await?;
                Ok(self.created(configuration, asked_at, replayed, aws_request_id).await)
            }
            // A read that is not sent does not mean that nothing was created.
            Err(ReadError::NotSent(_)) => Err(self.unknown(aws_request_id)),
            Err(ReadError::Aws(error)) => {
                let (operation_id, failure) = (self.operation_id, error.failure());
                tracing::warn!(%operation_id, %failure, "could not read a created configuration");
                Err(self.unknown(failure.aws_request_id.clone()))
            }
        }
    }

    /// Fails if the configuration was deleted during the read: a call that joined this one may
    /// have begun after the delete. If the ledger cannot be read, the outcome is unknown, because
    /// another error would let the caller create another configuration.
    async fn check_not_deleted(
        &self,
        arn: &str,
        aws_request_id: Option<&String>,
    ) -> Result<(), Error> {
        let ledger = &self.handlers.shared.ledger;
        match ledger.find(self.context.tenant().id.clone(), arn.to_owned()).await {
            Ok(Some(row)) if row.row_state == State::Deleted => {
                Err(Error::CreatedConfigurationGone { arn: arn.to_owned() })
            }
            Ok(_) => Ok(()),
            Err(error) => {
                tracing::error!(%error, action = "find", "the ledger failed");
                Err(self.unknown(aws_request_id.cloned()))
            }
        }
    }

    /// Returns the error of a create that AWS may have executed.
    pub(super) fn unknown(&self, aws_request_id: Option<String>) -> Error {
        let repeatable = self.request.request_id.is_some();
        Error::OutcomeUnknown { operation_id: self.operation_id, repeatable, aws_request_id }
    }

    pub(super) async fn created(
        &self,
        configuration: Configuration,
        asked_at: SystemTime,
        replayed: bool,
        aws_request_id: Option<String>,
    ) -> Created {
        let requested = self.request.stage_arn.as_ref().map(StageArn::as_str);
        let ingest_endpoint =
            if configuration.stage_arn.as_deref() == requested && self.stage.is_some() {
                endpoint(self.stage.as_deref(), configuration.ingest_protocol)
            } else {
                // The create had no stage, or an update has changed it, or the tenant has lost it.
                self.handlers.endpoint(&self.context, &configuration).await
            };
        Created {
            configuration: CallersConfiguration::of_aws(
                configuration,
                &self.context.tenant().settings.extra_tags,
                ingest_endpoint,
                self.operation_id,
                asked_at,
            ),
            replayed,
            operation_id: Some(self.operation_id),
            aws_request_id,
        }
    }
}
