//! The task that executes a create, from its reservation to its outcome.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{Admitted, Leader, Outcome, existing::Recorded, over_quota};
use crate::{
    error::Error,
    handlers::{CallContext, Handlers, ledger_failed, paced},
    ivs::{self, AwsFailure, AwsResponse, CallError, FailureKind, NewConfiguration},
    ledger::{Event, LedgerError, Reserved, Resource, SendPermission, State, Transition},
    pacer::{Permit, Ticket},
    request::{CreateIngestConfiguration, Fingerprint, OperationId},
    tenancy::{Limit, Stage},
};

/// The longest time from the begin of the record of a sending to the sending. The window in which
/// AWS must show the create begins with the record. The limit also keeps creates that a slow disk
/// has delayed from being sent together, which AWS would throttle.
const LONGEST_COMMIT: Duration = Duration::from_secs(1);

/// One create.
pub(super) struct Create {
    pub(super) handlers: Handlers,
    pub(super) context: CallContext,
    pub(super) operation_id: OperationId,
    pub(super) fingerprint: Fingerprint,
    pub(super) request: CreateIngestConfiguration,
    pub(super) stage: Option<Arc<Stage>>,
    /// Whether it continues a create of an earlier call, which may have been sent.
    pub(super) is_earlier: bool,
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
            Reserved::InDoubt { operation_id, sent_at, used }
                if self.may_resend(operation_id, sent_at) =>
            {
                // After a restore the ledger has adopted configurations beside this row.
                let tenant = self.context.tenant();
                if used > tenant.settings.max_ingest_configurations {
                    self.context.enforce(Limit::Count, over_quota(tenant, used))?;
                }
                self.continue_earlier(operation_id);
                self.send_when_permitted(admitted, Attempt::Resend { sent_at }, leader).await
            }
            Reserved::OverQuota { used } => Err(over_quota(self.context.tenant(), used)),
            earlier => {
                // Nothing is created, so the ticket is released before the read starts.
                drop(admitted);
                self.earlier(earlier).await.unwrap_or(Err(Error::Internal))
            }
        }
    }

    fn may_resend(&self, operation_id: OperationId, sent_at: SystemTime) -> bool {
        self.handlers.shared.resolutions.may_resend(operation_id, sent_at)
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
            let began = self.handlers.shared.clock.monotonic();
            let permission = match attempt {
                Attempt::Send => self.permission_to_send().await?,
                Attempt::Resend { sent_at } => self.permission_to_resend(sent_at).await?,
            };
            let Some(permission) = permission else {
                return Err(Error::InProgress { operation_id: self.operation_id });
            };
            let took = self.handlers.shared.clock.monotonic() - began;
            let error = if took > LONGEST_COMMIT {
                tracing::warn!(operation_id = %self.operation_id, ?took, "the disk is slow: a create was not sent, and waits for another permit");
                drop((permission, permit));
                Error::LedgerUnavailable
            } else {
                match self.send(permission, permit).await {
                    Sent::Finished(outcome) => return outcome,
                    Sent::Throttled(failure) => Error::Aws(failure),
                }
            };
            ticket = self.requeue(error).await?;
            attempt = Attempt::Send;
        }
    }

    /// Waits for the permit, as long as a caller waits for the create. Without a permit the
    /// create is not sent (again), so a reserved row is cancelled.
    async fn permit(
        &self,
        ticket: Ticket<ivs::Create>,
        attempt: &Attempt,
        leader: &mut Leader,
    ) -> Result<Permit<ivs::Create>, Error> {
        let permit =
            leader.while_awaited(paced::permit(&self.handlers.ivs, &self.context, ticket)).await;
        // Before the last check that a caller waits: see `CallRecord::set_may_be_sent`.
        let record = self.context.record();
        record.set_may_be_sent(matches!(permit, Some(Ok(_))));
        let error = match permit {
            // The permit may arrive after the last caller has disconnected.
            Some(Ok(permit)) if leader.is_awaited() => return Ok(permit),
            Some(Err(error)) => error,
            // The last caller has disconnected: none would receive the stream key.
            Some(Ok(_)) | None => Error::DeadlineExceeded { unfinished: None },
        };
        if matches!(attempt, Attempt::Send) {
            self.apply(Event::Cancel, Event::Cancel).await?;
        }
        Err(error)
    }

    /// Returns a create that was throttled, or not sent, to the queue, before the other creates
    /// of its tenant. Its row durably returns to `RESERVED` before it waits, so that a crash does
    /// not leave it in doubt. Fails with `error` if its deadline is too near.
    async fn requeue(&self, error: Error) -> Result<Ticket<ivs::Create>, Error> {
        let pacer = &self.handlers.shared.pacers.create;
        let Some(ticket) = paced::readmit(&self.context, pacer) else {
            let applied = self.apply(Event::NotExecuted, Event::NotExecuted).await;
            return Err(self.unless_in_doubt(&applied, error));
        };
        match self.apply(Event::Throttled, Event::NotExecuted).await {
            Ok(Transition { state: State::Reserved, changed: true }) => {
                self.context.record().set_may_be_sent(false);
                Ok(ticket)
            }
            applied => Err(self.unless_in_doubt(&applied, error)),
        }
    }

    /// Returns `error`, or `OUTCOME_UNKNOWN` if an earlier sending of the create may have been
    /// executed.
    fn unless_in_doubt(&self, applied: &Result<Transition, Error>, error: Error) -> Error {
        match applied {
            Ok(Transition { state: State::InDoubt, .. }) => self.unknown(None),
            // The record failed, and an earlier sending may have been executed.
            Err(_) if self.is_earlier => self.unknown(None),
            _ => error,
        }
    }

    /// Sends the create once and records its outcome. The row is durably `SENDING` before any
    /// byte goes to AWS, so that after a crash the create counts as sent. The ledger returns
    /// only one `permission` for each attempt, and this call consumes it.
    async fn send(&self, permission: SendPermission, permit: Permit<ivs::Create>) -> Sent {
        let (operation_id, asked_at) = (self.operation_id, permission.recorded_at());
        let new = NewConfiguration { request: &self.request, tags: self.tags(&permission) };
        let ivs = &self.handlers.ivs;
        match ivs.create_ingest_configuration(permit, permission, new).await {
            Ok(AwsResponse { value, aws_request_id }) => {
                let resource = Resource {
                    arn: value.arn.clone(),
                    participant_id: value.participant_id.clone(),
                };
                Sent::Finished(match self.record_created(resource).await {
                    Recorded::Now => Ok(self.created(value, asked_at, false, aws_request_id).await),
                    Recorded::Earlier { arn } => self.read_back(arn, false, aws_request_id).await,
                    Recorded::Unknown => Err(self.unknown(aws_request_id)),
                })
            }
            Err(error) if error.is_throttled() => {
                let failure = error.failure().clone();
                tracing::warn!(%operation_id, %failure, "AWS throttled a create");
                Sent::Throttled(failure)
            }
            Err(CallError::NotExecuted(failure)) => {
                tracing::warn!(%operation_id, %failure, "a create was not executed");
                let applied = self.apply(Event::NotExecuted, Event::NotExecuted).await;
                let error = self.not_executed(failure).await;
                Sent::Finished(Err(self.unless_in_doubt(&applied, error)))
            }
            Err(CallError::Ambiguous(failure)) => {
                tracing::warn!(%operation_id, %failure, "the outcome of a create is unknown");
                let _ = self.apply(Event::Ambiguous, Event::Ambiguous).await;
                Sent::Finished(self.resolve(failure.aws_request_id).await)
            }
        }
    }

    /// Returns the error of a create that AWS did not execute. The stage is the only resource
    /// that a create names, so AWS may not have found the stage.
    async fn not_executed(&self, failure: AwsFailure) -> Error {
        let is_not_found = failure.kind == FailureKind::NotFound;
        let Some(stage) = &self.request.stage_arn else {
            // The create names no resource, so the error cannot mean an absent stage.
            let kind = if is_not_found { FailureKind::Rejected } else { failure.kind };
            return Error::Aws(AwsFailure { kind, ..failure });
        };
        if !is_not_found && failure.kind != FailureKind::Validation {
            return Error::Aws(failure);
        }
        let is_lost = self.handlers.has_lost_stage(&self.context, stage).await;
        if is_not_found || matches!(is_lost, Ok(true)) {
            Error::StageForbidden
        } else {
            Error::Aws(failure)
        }
    }

    /// Moves the row from `IN_DOUBT` to `SENDING`. Returns `None` if the row has changed since,
    /// for example by a concurrent call.
    async fn permission_to_resend(
        &self,
        sent_at: SystemTime,
    ) -> Result<Option<SendPermission>, Error> {
        let ledger = &self.handlers.shared.ledger;
        let permission = ledger.resend(self.operation_id, self.request_id(), sent_at).await;
        permission.map_err(|error| self.ledger_failed(&error, "resend", Event::Ambiguous))
    }

    /// Moves the row from `RESERVED` to `SENDING`. Returns `None` if it is being sent already.
    async fn permission_to_send(&self) -> Result<Option<SendPermission>, Error> {
        let permission = self.handlers.shared.ledger.send(self.operation_id).await;
        permission.map_err(|error| self.ledger_failed(&error, "send", Event::NotExecuted))
    }

    /// Applies an event. If the ledger fails, a separate task records `on_failure`, which is right
    /// whether the write of `event` is durable or not.
    async fn apply(&self, event: Event, on_failure: Event) -> Result<Transition, Error> {
        let action = event.name();
        let applied = self.handlers.shared.ledger.apply(self.operation_id, event).await;
        applied.map_err(|error| self.ledger_failed(&error, action, on_failure))
    }

    /// Returns the error for the caller after the ledger failed. If it was unavailable, a separate
    /// task records `on_failure`: the failed write may be durable nevertheless, and no other task
    /// would end the row before its lease expires.
    pub(super) fn ledger_failed(
        &self,
        error: &LedgerError,
        action: &'static str,
        on_failure: Event,
    ) -> Error {
        if matches!(error, LedgerError::Unavailable(_)) {
            self.handlers.record_later(self.operation_id, on_failure);
        }
        ledger_failed(error, action)
    }
}
