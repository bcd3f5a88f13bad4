//! The task that executes a create, from its reservation to its outcome.

use std::{sync::Arc, time::SystemTime};

use super::{Admitted, Created, Leader, Outcome, endpoint, over_quota};
use crate::{
    error::Error,
    handlers::{
        CallContext, CallersConfiguration, Handlers, Shared, aws_failed, ledger_failed,
        paced::{self, ReadError},
    },
    ivs::{self, Answer, AwsFailure, CallError, Configuration, FailureKind, NewConfiguration},
    ledger::{Event, Reserved, Resource, SendPermission, Transition},
    pacer::{Permit, Ticket},
    reconcile::Resolution,
    request::{CreateIngestConfiguration, Fingerprint, OperationId, StageArn},
    tenancy::Stage,
};

/// One create.
pub(super) struct Create {
    pub(super) handlers: Handlers,
    pub(super) context: CallContext,
    pub(super) operation_id: OperationId,
    pub(super) fingerprint: Fingerprint,
    pub(super) request: CreateIngestConfiguration,
    pub(super) stage: Option<Arc<Stage>>,
}

/// The method of the ledger that returns the permission to send.
enum Attempt {
    /// `Ledger::send`, for a row in `RESERVED`.
    Send,
    /// `Ledger::resend`, for a row in `IN_DOUBT` that was last sent at `sent_at`. The resolver
    /// has found it absent for long enough.
    Resend { sent_at: SystemTime },
}

/// The result of one call to AWS.
#[expect(clippy::large_enum_variant, reason = "the value exists only from its return to its match")]
enum Sent {
    /// The create has an outcome.
    Finished(Outcome),
    /// AWS throttled the create, so it was not executed. Its row is still `SENDING`.
    Throttled(AwsFailure),
}

impl Create {
    pub(super) async fn run(mut self, admitted: Admitted, mut leader: Leader) {
        let outcome = self.execute(admitted, &mut leader).await;
        leader.finish(outcome);
    }

    async fn execute(&mut self, admitted: Admitted, leader: &mut Leader) -> Outcome {
        match self.reserve().await? {
            Reserved::New => {
                self.context.record().operation(self.operation_id.ulid());
                self.send_when_permitted(admitted, Attempt::Send, leader).await
            }
            Reserved::Replay { operation_id, arn } => {
                self.continue_earlier(operation_id);
                // Nothing is created, so the ticket is released before the read starts.
                drop(admitted);
                self.read_back(arn, true).await
            }
            Reserved::InProgress { operation_id } => {
                self.continue_earlier(operation_id);
                Err(Error::InProgress { operation_id })
            }
            Reserved::InDoubt { operation_id, sent_at } => {
                self.continue_earlier(operation_id);
                if self.handlers.shared.resolutions.may_resend(operation_id, sent_at) {
                    let resend = Attempt::Resend { sent_at };
                    return self.send_when_permitted(admitted, resend, leader).await;
                }
                drop(admitted);
                let resolved = self.resolve(None).await;
                resolved.map(|created| Created { replayed: true, ..created })
            }
            Reserved::FingerprintMismatch => Err(Error::RequestIdReused),
            Reserved::OverQuota { used } => Err(over_quota(self.context.tenant(), used)),
        }
    }

    /// Replaces the id of this create with that of an earlier create with the same `request_id`.
    fn continue_earlier(&mut self, operation_id: OperationId) {
        self.operation_id = operation_id;
        self.context.record().operation(operation_id.ulid());
    }

    /// Sends the create when its permit is granted. A create that AWS throttles waits for
    /// another permit, as long as its deadline allows.
    async fn send_when_permitted(
        &self,
        admitted: Admitted,
        mut attempt: Attempt,
        leader: &mut Leader,
    ) -> Outcome {
        let Admitted { permit: create_rate, mut ticket } = admitted;
        let mut create_rate = Some(create_rate);
        loop {
            let permit = self.permit(ticket, &attempt, leader).await?;
            if let Some(create_rate) = create_rate.take() {
                create_rate.spend();
            }
            let permission = match attempt {
                Attempt::Send => self.permission_to_send().await?,
                Attempt::Resend { sent_at } => self.permission_to_resend(sent_at).await?,
            };
            let Some(permission) = permission else {
                return Err(Error::InProgress { operation_id: self.operation_id });
            };
            match self.send(permission, permit).await {
                Sent::Finished(outcome) => return outcome,
                Sent::Throttled(failure) => {
                    ticket = self.requeue(failure).await?;
                    attempt = Attempt::Send;
                }
            }
        }
    }

    /// Waits for the permit, as long as a caller waits for the create. Without a permit
    /// nothing was sent, so a reserved row is cancelled.
    async fn permit(
        &self,
        ticket: Ticket<ivs::Create>,
        attempt: &Attempt,
        leader: &mut Leader,
    ) -> Result<Permit<ivs::Create>, Error> {
        let permit = leader.while_awaited(paced::permit(&self.context, ticket)).await;
        let error = match permit {
            // The permit may arrive after the last caller has disconnected.
            Some(Ok(permit)) if leader.is_awaited() => return Ok(permit),
            Some(Err(error)) => error,
            // The last caller has disconnected: none would receive the stream key.
            Some(Ok(_)) | None => Error::DeadlineExceeded { unfinished: None },
        };
        if matches!(attempt, Attempt::Send) {
            self.apply(Event::Cancel).await?;
        }
        Err(error)
    }

    /// Returns a throttled create to the queue, before the other creates of its tenant. Its row
    /// durably returns to `RESERVED` before it waits, so that a crash does not leave it in doubt.
    async fn requeue(&self, failure: AwsFailure) -> Result<Ticket<ivs::Create>, Error> {
        let pacer = &self.handlers.shared.pacers.create;
        let Some(ticket) = paced::readmit(&self.context, pacer) else {
            // If this fails, the row stays `SENDING` and holds its quota until it is resolved.
            let _ = self.apply(Event::NotExecuted).await;
            return Err(Error::Aws(failure));
        };
        match self.apply(Event::Throttled).await {
            Ok(Transition { changed: true, .. }) => Ok(ticket),
            _ => Err(Error::Aws(failure)),
        }
    }

    /// Sends the create once and records its outcome. The row is durably `SENDING` before any
    /// byte goes to AWS, so that after a crash the create counts as sent. The ledger returns
    /// only one `permission` for each attempt, and this call consumes it.
    async fn send(&self, permission: SendPermission, permit: Permit<ivs::Create>) -> Sent {
        let operation_id = self.operation_id;
        let new = NewConfiguration { request: &self.request, tags: self.tags(&permission) };
        let ivs = &self.handlers.ivs;
        match ivs.create_ingest_configuration(permit, permission, new).await {
            Ok(Answer { value, aws_request_id }) => {
                let resource = Resource {
                    arn: value.arn.clone(),
                    participant_id: value.participant_id.clone(),
                };
                // If this fails, the row stays `SENDING`, and the resolver later finds the
                // configuration by its tags. The response still succeeds, with the stream key.
                let _ = self.apply(Event::Created(resource)).await;
                Sent::Finished(Ok(self.created(value, false, aws_request_id).await))
            }
            Err(error) if error.is_throttled() => {
                let failure = error.failure().clone();
                tracing::warn!(%operation_id, %failure, "AWS throttled a create");
                Sent::Throttled(failure)
            }
            Err(CallError::NotExecuted(failure)) => {
                tracing::warn!(%operation_id, %failure, "a create was not executed");
                // If this fails, the row stays `SENDING` and holds its quota until it is resolved.
                let _ = self.apply(Event::NotExecuted).await;
                Sent::Finished(Err(self.not_executed(failure).await))
            }
            Err(CallError::Ambiguous(failure)) => {
                tracing::warn!(%operation_id, %failure, "the outcome of a create is unknown");
                let _ = self.apply(Event::Ambiguous).await;
                Sent::Finished(self.resolve(failure.aws_request_id).await)
            }
        }
    }

    /// Returns the error of a create that AWS did not execute. The stage is the only resource
    /// that a create names, so AWS may not have found the stage.
    async fn not_executed(&self, failure: AwsFailure) -> Error {
        let Some(stage) = &self.request.stage_arn else { return Error::Aws(failure) };
        let is_not_found = failure.kind == FailureKind::NotFound;
        if !is_not_found && failure.kind != FailureKind::Validation {
            return Error::Aws(failure);
        }
        let is_lost = self.handlers.has_lost_stage(&self.context, stage).await;
        if is_lost || is_not_found { Error::StageForbidden } else { Error::Aws(failure) }
    }

    /// Submits the in-doubt create to the resolver and waits for its resolution, at most
    /// `resolution_wait`. The resolver continues after that.
    async fn resolve(&self, aws_request_id: Option<String>) -> Outcome {
        let operation_id = self.operation_id;
        let repeatable = self.request.request_id.is_some();
        let unknown = Error::OutcomeUnknown { operation_id, repeatable, aws_request_id };
        let Shared { resolutions, resolution_wait, .. } = &*self.handlers.shared;
        match resolutions.resolution(operation_id, *resolution_wait).await {
            // The configuration exists, so a failed read must not be reported as a failed
            // create: a caller without a `request_id` would create another configuration.
            Some(Resolution::Live(resource)) => match self.read_back(resource.arn, false).await {
                Err(Error::Aws(failure)) => {
                    let aws_request_id = failure.aws_request_id;
                    Err(Error::OutcomeUnknown { operation_id, repeatable, aws_request_id })
                }
                Err(Error::TenantQueueFull { .. } | Error::DeadlineTooShort { .. }) => Err(unknown),
                outcome => outcome,
            },
            // Proved absent, which usually takes longer than this wait, or not resolved in time.
            // In both cases a retry is safe.
            Some(Resolution::Gone) | None => Err(unknown),
        }
    }

    /// Returns a configuration that is known to exist. Its stream keys are read from AWS,
    /// because the gateway does not store them.
    async fn read_back(&self, arn: String, replayed: bool) -> Outcome {
        let Handlers { shared, ivs, .. } = &self.handlers;
        let get = |permit| ivs.get_ingest_configuration(permit, &arn);
        match paced::read(&self.context, &shared.pacers.get, get).await {
            Ok(Answer { value, aws_request_id }) => {
                Ok(self.created(value, replayed, aws_request_id).await)
            }
            Err(ReadError::NotSent(error)) => Err(error),
            Err(ReadError::Aws(error)) => {
                let (operation_id, failure) = (self.operation_id, error.failure());
                tracing::warn!(%operation_id, %failure, "could not read a created configuration");
                Err(aws_failed(&arn, failure))
            }
        }
    }

    async fn created(
        &self,
        configuration: Configuration,
        replayed: bool,
        aws_request_id: Option<String>,
    ) -> Created {
        let requested = self.request.stage_arn.as_ref().map(StageArn::as_str);
        let ingest_endpoint = if configuration.stage_arn.as_deref() == requested {
            endpoint(self.stage.as_deref(), configuration.ingest_protocol)
        } else {
            // An update has changed the stage since the create.
            self.handlers.endpoint(&self.context, &configuration).await
        };
        Created {
            configuration: CallersConfiguration::of_aws(
                configuration,
                &self.context.tenant().settings.extra_tags,
                ingest_endpoint,
                self.operation_id,
                self.handlers.shared.clock.wall(),
            ),
            replayed,
            operation_id: Some(self.operation_id),
            aws_request_id,
        }
    }

    /// Moves the row from `IN_DOUBT` to `SENDING`. Returns `None` if the row has changed since,
    /// for example by a concurrent call.
    async fn permission_to_resend(
        &self,
        sent_at: SystemTime,
    ) -> Result<Option<SendPermission>, Error> {
        let permission = self.handlers.shared.ledger.resend(self.operation_id, sent_at).await;
        permission.map_err(|error| ledger_failed(&error, "resend"))
    }

    /// Moves the row from `RESERVED` to `SENDING`. Returns `None` if it was sent before.
    async fn permission_to_send(&self) -> Result<Option<SendPermission>, Error> {
        let permission = self.handlers.shared.ledger.send(self.operation_id).await;
        permission.map_err(|error| ledger_failed(&error, "send"))
    }

    async fn apply(&self, event: Event) -> Result<Transition, Error> {
        let action = event.name();
        let applied = self.handlers.shared.ledger.apply(self.operation_id, event).await;
        applied.map_err(|error| ledger_failed(&error, action))
    }
}
