//! The task that carries a create out, from its reservation to its outcome.

use std::{sync::Arc, time::SystemTime};

use super::{Admitted, Created, Leader, Outcome, endpoint, over_quota};
use crate::{
    error::Error,
    handlers::{
        CallContext, CallersConfiguration, Handlers, Shared, aws_failed, claim, ledger_failed,
    },
    ivs::{Answer, AwsFailure, CallError, Configuration, NewConfiguration},
    ledger::{Event, Reserved, Resource, SendPermission, Transition},
    pacer::{Operation, Place, Turn, is_throttled},
    reconcile::Resolution,
    request::{CreateIngestConfiguration, Fingerprint, OperationId, StageArn},
    tenancy::{Stage, tags},
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

impl Create {
    pub(super) async fn run(mut self, admitted: Admitted, mut leader: Leader) {
        let outcome = self.carry_out(admitted, &mut leader).await;
        // The call ends here: its permit is free before its caller can send another.
        drop(self);
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
                if self.handlers.shared.settling.may_resend(operation_id, sent_at) {
                    let again = Permission::Again { sent_at };
                    return self.send_in_turn(admitted, again, leader).await;
                }
                drop(admitted);
                let settled = self.settle(None).await;
                settled.map(|created| Created { replayed: true, ..created })
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

    /// Sends the create when its turn comes. One that AWS throttles waits for another
    /// turn, as long as its deadline allows.
    async fn send_in_turn(
        &self,
        admitted: Admitted,
        mut permission: Permission,
        leader: &mut Leader,
    ) -> Outcome {
        let Admitted { permit, mut place } = admitted;
        let mut permit = Some(permit);
        loop {
            let mut turn = self.turn(place, &permission, leader).await?;
            if let Some(permit) = permit.take() {
                permit.spend();
            }
            let permitted = match permission {
                Permission::First => self.first_sending().await?,
                Permission::Again { sent_at } => self.resend(sent_at).await?,
            };
            match self.send(permitted, &mut turn).await {
                Ok(outcome) => return outcome,
                Err(failure) => {
                    place = self.put_off(turn, failure).await?;
                    permission = Permission::First;
                }
            }
        }
    }

    /// Waits for the turn, as long as anybody waits for the create. Without one nothing
    /// was sent, so nothing is lost, and what was reserved is free again.
    async fn turn(
        &self,
        place: Place,
        permission: &Permission,
        leader: &mut Leader,
    ) -> Result<Turn, Error> {
        let turn = leader.while_awaited(place.turn()).await;
        let error = match turn {
            // It may have come at once, to somebody who is gone.
            Some(Ok(turn)) if leader.is_awaited() => return Ok(turn),
            Some(Err(error)) => error,
            // Nobody would learn the key.
            Some(Ok(_)) | None => Error::DeadlineExceeded { operation_id: None },
        };
        if matches!(permission, Permission::First) {
            self.apply(Event::Cancel).await?;
        }
        Err(error)
    }

    /// AWS throttled it: it has a place before the others of its tenant, and its row is as
    /// it was before the sending. That is durable first, so that after a crash it is not
    /// in doubt.
    async fn put_off(&self, turn: Turn, failure: AwsFailure) -> Result<Place, Error> {
        let Some(place) = turn.again() else {
            // If this fails the row stays as sent: its quota is held until it settles.
            let _ = self.apply(Event::NotExecuted).await;
            return Err(Error::Aws(failure));
        };
        match self.apply(Event::Throttled).await {
            Ok(Transition { changed: true, .. }) => Ok(place),
            _ => Err(Error::Aws(failure)),
        }
    }

    /// Sends the create, once, and records what became of it. The row is durably sent
    /// before any byte goes to AWS, so that after a crash it counts as sent; and `permitted`,
    /// which the ledger returned then, is the only permission to send. An error says that AWS
    /// throttled it: it was not carried out, and its row says still that it was sent.
    async fn send(
        &self,
        permitted: Option<SendPermission>,
        turn: &mut Turn,
    ) -> Result<Outcome, AwsFailure> {
        let operation_id = self.operation_id;
        if permitted.is_none() {
            return Ok(Err(Error::InProgress { operation_id }));
        }
        let new = NewConfiguration { request: &self.request, tags: self.tags() };
        match turn.spend(self.handlers.ivs.create_ingest_configuration(new)).await {
            Ok(Answer { value, aws_request_id }) => {
                let resource = Resource {
                    arn: value.arn.clone(),
                    participant_id: Some(value.participant_id.clone()).filter(|id| !id.is_empty()),
                };
                // If this fails the row stays as sent, and settles by its tag. The
                // configuration exists, so its key is answered all the same.
                let _ = self.apply(Event::Created(resource)).await;
                Ok(Ok(self.created(value, false, aws_request_id).await))
            }
            Err(error) if is_throttled(&error) => {
                let failure = error.failure().clone();
                tracing::warn!(%operation_id, %failure, "AWS throttled a create");
                Err(failure)
            }
            Err(CallError::NotExecuted(failure)) => {
                tracing::warn!(%operation_id, %failure, "AWS did not create it");
                // If this fails the row stays as sent: its quota is held until it settles.
                let _ = self.apply(Event::NotExecuted).await;
                Ok(Err(Error::Aws(failure)))
            }
            Err(CallError::Ambiguous(failure)) => {
                tracing::warn!(%operation_id, %failure, "outcome unknown");
                let _ = self.apply(Event::Ambiguous).await;
                Ok(self.settle(failure.aws_request_id).await)
            }
        }
    }

    /// Waits a little for the outcome to be settled. It goes on being settled when
    /// nobody waits any more.
    async fn settle(&self, aws_request_id: Option<String>) -> Outcome {
        let operation_id = self.operation_id;
        let repeatable = self.request.request_id.is_some();
        let unknown = Error::OutcomeUnknown { operation_id, repeatable, aws_request_id };
        let Shared { settling, settle_patience, .. } = &*self.handlers.shared;
        match settling.verdict(operation_id, *settle_patience).await {
            // It exists, so a read that fails must not be told as a create that failed: who
            // gave no `request_id` would take it for leave to create another.
            Some(Resolution::Live(resource)) => match self.read_back(resource.arn, false).await {
                Err(Error::Aws(failure)) => {
                    let aws_request_id = failure.aws_request_id;
                    Err(Error::OutcomeUnknown { operation_id, repeatable, aws_request_id })
                }
                Err(Error::AccountBudget { .. }) => Err(unknown),
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
        let get = || ivs.get_ingest_configuration(&arn);
        match shared.pacers.of(Operation::Get).read(&claim(&self.context), get).await? {
            Ok(Answer { value, aws_request_id }) => {
                Ok(self.created(value, replayed, aws_request_id).await)
            }
            Err(error) => {
                let failure = error.failure();
                tracing::warn!(operation_id = %self.operation_id, %failure, "could not be read back");
                Err(aws_failed(&arn, failure))
            }
        }
    }

    async fn created(
        &self,
        mut configuration: Configuration,
        replayed: bool,
        aws_request_id: Option<String>,
    ) -> Created {
        let extra_tags = &self.context.tenant().settings.extra_tags;
        configuration.tags = tags::visible(std::mem::take(&mut configuration.tags), extra_tags)
            .into_iter()
            .collect();
        let asked_for = self.request.stage_arn.as_ref().map_or("", StageArn::as_str);
        let ingest_endpoint = if configuration.stage_arn == asked_for {
            endpoint(self.stage.as_deref(), configuration.ingest_protocol)
        } else {
            // An update has moved it since.
            let moved = self.handlers.endpoint(&self.context, &configuration).await;
            moved.unwrap_or_default()
        };
        Created {
            configuration: CallersConfiguration {
                ingest_endpoint,
                configuration,
                create_time: self.operation_id.minted_at(),
                state_observed_at: SystemTime::now(),
            },
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
