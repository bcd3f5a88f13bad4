//! The task that carries a create out, from its reservation to its outcome.

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

/// How the permission to send is asked of the ledger once the turn has come.
enum Permission {
    /// For a row that is reserved.
    First,
    /// For a row in doubt, whose sending of that time was absent for long.
    Again { sent_at: SystemTime },
}

/// The end of one sending.
#[expect(clippy::large_enum_variant, reason = "it lives from one return to one match")]
enum Sent {
    /// The create has its outcome.
    Finished(Outcome),
    /// AWS throttled the create: it was not executed, and its row is still sent.
    Throttled(AwsFailure),
}

impl Create {
    pub(super) async fn run(mut self, admitted: Admitted, mut leader: Leader) {
        let outcome = self.carry_out(admitted, &mut leader).await;
        leader.finish(outcome);
    }

    async fn carry_out(&mut self, admitted: Admitted, leader: &mut Leader) -> Outcome {
        match self.reserve().await? {
            Reserved::New => {
                self.context.record().operation(self.operation_id.ulid());
                self.send_in_turn(admitted, Permission::First, leader).await
            }
            Reserved::Replay { operation_id, arn } => {
                self.is_about(operation_id);
                // Nothing will be created: others may come before the read is over.
                drop(admitted);
                self.read_back(arn, true).await
            }
            Reserved::InProgress { operation_id } => {
                self.is_about(operation_id);
                Err(Error::InProgress { operation_id })
            }
            Reserved::InDoubt { operation_id, sent_at } => {
                self.is_about(operation_id);
                if self.handlers.shared.resolutions.may_resend(operation_id, sent_at) {
                    let again = Permission::Again { sent_at };
                    return self.send_in_turn(admitted, again, leader).await;
                }
                drop(admitted);
                let resolved = self.resolve(None).await;
                resolved.map(|created| Created { replayed: true, ..created })
            }
            Reserved::FingerprintMismatch => Err(Error::RequestIdReused),
            Reserved::OverQuota { used } => Err(over_quota(self.context.tenant(), used)),
        }
    }

    /// An earlier call made the row that this one is about.
    fn is_about(&mut self, operation_id: OperationId) {
        self.operation_id = operation_id;
        self.context.record().operation(operation_id.ulid());
    }

    /// Sends the create when its permit arrives. A create that AWS throttles waits for
    /// another permit, as long as its deadline allows.
    async fn send_in_turn(
        &self,
        admitted: Admitted,
        mut permission: Permission,
        leader: &mut Leader,
    ) -> Outcome {
        let Admitted { permit: create_rate, mut ticket } = admitted;
        let mut create_rate = Some(create_rate);
        loop {
            let permit = self.permit(ticket, &permission, leader).await?;
            if let Some(create_rate) = create_rate.take() {
                create_rate.spend();
            }
            let permitted = match permission {
                Permission::First => self.first_sending().await?,
                Permission::Again { sent_at } => self.resend(sent_at).await?,
            };
            let Some(permitted) = permitted else {
                return Err(Error::InProgress { operation_id: self.operation_id });
            };
            match self.send(permitted, permit).await {
                Sent::Finished(outcome) => return outcome,
                Sent::Throttled(failure) => {
                    ticket = self.put_off(failure).await?;
                    permission = Permission::First;
                }
            }
        }
    }

    /// Waits for the permit, as long as a caller waits for the create. Without a permit
    /// nothing was sent, so nothing is lost, and a reserved row is released.
    async fn permit(
        &self,
        ticket: Ticket<ivs::Create>,
        permission: &Permission,
        leader: &mut Leader,
    ) -> Result<Permit<ivs::Create>, Error> {
        let permit = leader.while_awaited(paced::permit(&self.context, ticket)).await;
        let error = match permit {
            // The permit may arrive after the last caller has disconnected.
            Some(Ok(permit)) if leader.is_awaited() => return Ok(permit),
            Some(Err(error)) => error,
            // No caller would receive the key.
            Some(Ok(_)) | None => Error::DeadlineExceeded { unfinished: None },
        };
        if matches!(permission, Permission::First) {
            self.apply(Event::Cancel).await?;
        }
        Err(error)
    }

    /// AWS throttled the create: it has a ticket before the others of its tenant, and its
    /// row is as it was before the sending. That is durable first, so that after a crash it
    /// is not in doubt.
    async fn put_off(&self, failure: AwsFailure) -> Result<Ticket<ivs::Create>, Error> {
        let pacer = &self.handlers.shared.pacers.create;
        let Some(ticket) = paced::readmit(&self.context, pacer) else {
            // If this fails the row stays as sent: its quota is held until it is resolved.
            let _ = self.apply(Event::NotExecuted).await;
            return Err(Error::Aws(failure));
        };
        match self.apply(Event::Throttled).await {
            Ok(Transition { changed: true, .. }) => Ok(ticket),
            _ => Err(Error::Aws(failure)),
        }
    }

    /// Sends the create, once, and records its outcome. The row is durably sent before any
    /// byte goes to AWS, so that after a crash it counts as sent. `permitted`, which the
    /// ledger returned then, is the only permission to send, and is consumed.
    async fn send(&self, permitted: SendPermission, permit: Permit<ivs::Create>) -> Sent {
        let operation_id = self.operation_id;
        let new = NewConfiguration { request: &self.request, tags: self.tags(&permitted) };
        let ivs = &self.handlers.ivs;
        match ivs.create_ingest_configuration(permit, permitted, new).await {
            Ok(Answer { value, aws_request_id }) => {
                let resource = Resource {
                    arn: value.arn.clone(),
                    participant_id: value.participant_id.clone(),
                };
                // If this fails the row stays as sent, and settles by its tag. The
                // configuration exists, so its key is answered all the same.
                let _ = self.apply(Event::Created(resource)).await;
                Sent::Finished(Ok(self.created(value, false, aws_request_id).await))
            }
            Err(error) if error.is_throttled() => {
                let failure = error.failure().clone();
                tracing::warn!(%operation_id, %failure, "AWS throttled a create");
                Sent::Throttled(failure)
            }
            Err(CallError::NotExecuted(failure)) => {
                tracing::warn!(%operation_id, %failure, "AWS did not create it");
                // If this fails the row stays as sent: its quota is held until it settles.
                let _ = self.apply(Event::NotExecuted).await;
                Sent::Finished(Err(self.not_executed(failure).await))
            }
            Err(CallError::Ambiguous(failure)) => {
                tracing::warn!(%operation_id, %failure, "outcome unknown");
                let _ = self.apply(Event::Ambiguous).await;
                Sent::Finished(self.resolve(failure.aws_request_id).await)
            }
        }
    }

    /// A create names one resource, its stage: AWS may not have found it.
    async fn not_executed(&self, failure: AwsFailure) -> Error {
        let Some(stage) = &self.request.stage_arn else { return Error::Aws(failure) };
        let is_not_found = failure.kind == FailureKind::NotFound;
        if !is_not_found && failure.kind != FailureKind::Validation {
            return Error::Aws(failure);
        }
        let is_lost = self.handlers.has_lost_stage(&self.context, stage).await;
        if is_lost || is_not_found { Error::StageForbidden } else { Error::Aws(failure) }
    }

    /// Waits a little for the outcome to be settled. It goes on being settled when
    /// nobody waits any more.
    async fn resolve(&self, aws_request_id: Option<String>) -> Outcome {
        let operation_id = self.operation_id;
        let repeatable = self.request.request_id.is_some();
        let unknown = Error::OutcomeUnknown { operation_id, repeatable, aws_request_id };
        let Shared { resolutions, resolution_wait, .. } = &*self.handlers.shared;
        match resolutions.resolution(operation_id, *resolution_wait).await {
            // It exists, so a read that fails must not be told as a create that failed: who
            // gave no `request_id` would take it for leave to create another.
            Some(Resolution::Live(resource)) => match self.read_back(resource.arn, false).await {
                Err(Error::Aws(failure)) => {
                    let aws_request_id = failure.aws_request_id;
                    Err(Error::OutcomeUnknown { operation_id, repeatable, aws_request_id })
                }
                Err(Error::TenantQueueFull { .. } | Error::DeadlineTooShort { .. }) => Err(unknown),
                outcome => outcome,
            },
            // Either proved absent, which takes longer than this, or not known.
            Some(Resolution::Gone) | None => Err(unknown),
        }
    }

    /// Answers what is known to exist. Its keys are read back from AWS: the gateway
    /// does not keep them.
    async fn read_back(&self, arn: String, replayed: bool) -> Outcome {
        let Handlers { shared, ivs, .. } = &self.handlers;
        let get = |permit| ivs.get_ingest_configuration(permit, &arn);
        match paced::read(&self.context, &shared.pacers.get, get).await {
            Ok(Answer { value, aws_request_id }) => {
                Ok(self.created(value, replayed, aws_request_id).await)
            }
            Err(ReadError::NotSent(error)) => Err(error),
            Err(ReadError::Aws(error)) => {
                let failure = error.failure();
                tracing::warn!(operation_id = %self.operation_id, %failure, "could not be read back");
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
            // An update has moved it since.
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

    /// Takes back the doubt about the sending of `sent_at`, which was absent for long, to
    /// send once more. Whoever comes second gets no permission.
    async fn resend(&self, sent_at: SystemTime) -> Result<Option<SendPermission>, Error> {
        let permitted = self.handlers.shared.ledger.resend(self.operation_id, sent_at).await;
        permitted.map_err(|error| ledger_failed(&error, "resend"))
    }

    async fn first_sending(&self) -> Result<Option<SendPermission>, Error> {
        let permitted = self.handlers.shared.ledger.send(self.operation_id).await;
        permitted.map_err(|error| ledger_failed(&error, "send"))
    }

    async fn apply(&self, event: Event) -> Result<Transition, Error> {
        let doing = event.name();
        let applied = self.handlers.shared.ledger.apply(self.operation_id, event).await;
        applied.map_err(|error| ledger_failed(&error, doing))
    }
}
