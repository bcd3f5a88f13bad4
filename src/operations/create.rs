//! `CreateIngestConfiguration`: at most one configuration per tenant and
//! `request_id`.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use super::{
    CallersConfiguration, Operations, Shared,
    flights::{self, Entered, Waiter},
    ledger_failed,
};
use crate::{
    auth::Caller,
    error::Error,
    ingest::{
        CreateIngestConfiguration, Fingerprint, IngestConfigurationState, IngestProtocol,
        OperationId, RequestId, StageArn,
    },
    ivs::{Answer, CallError, Configuration, FailureKind, NewConfiguration, Stage},
    ledger::{Effect, Event, Fields, LedgerError, Reservation, Reserved, Resource},
    observe::CallRecord,
    quota::{CreatePermit, Tenant},
    settle::Verdict,
    tags::{self, TenancyTags},
    tenant::TenantId,
};

type Outcome = flights::Outcome<Created>;
type Leader = flights::Leader<(TenantId, RequestId), Fingerprint, Created>;

/// What a create came to.
#[derive(Debug, Clone)]
pub struct Created {
    /// The configuration, with its stream keys.
    pub configuration: CallersConfiguration,
    /// Whether an earlier call with the same `request_id` created it.
    pub replayed: bool,
    /// The row in the ledger; none if the request was only validated.
    pub operation_id: Option<OperationId>,
    /// AWS's id of the call.
    pub aws_request_id: Option<String>,
}

impl Operations {
    /// Creates an ingest configuration.
    ///
    /// The work is done in a task of its own: a caller who goes away ends the
    /// waiting, never the work.
    ///
    /// # Errors
    /// Every row of the error table that a create can meet.
    pub async fn create_ingest_configuration(
        &self,
        caller: &Caller,
        request: CreateIngestConfiguration,
        record: &CallRecord,
    ) -> Result<Created, Error> {
        let tenant = caller.tenant();
        if !tenant.settings.allowed_protocols.contains(&request.ingest_protocol.into()) {
            return Err(Error::ProtocolForbidden(request.ingest_protocol));
        }
        let stage = match &request.stage_arn {
            Some(arn) => Some(self.shared.stages.owned_by(tenant, arn, &self.ivs).await?),
            None => None,
        };
        if request.validate_only {
            return self.preview(tenant, &request, stage.as_deref()).await;
        }

        if !*self.shared.ledger_complete.borrow() {
            return Err(Error::LedgerUnavailable);
        }
        let fingerprint = request.fingerprint();
        let (leader, waiter) = match &request.request_id {
            None => Leader::alone(),
            Some(request_id) => {
                let key = (tenant.id.clone(), request_id.clone());
                match self.shared.running.enter(key, fingerprint) {
                    Entered::Leader(leader, waiter) => (leader, waiter),
                    Entered::Follower(other, waiter) if other == fingerprint => {
                        return joined(waiter, record).await;
                    }
                    Entered::Follower(..) => return Err(Error::RequestIdReused),
                }
            }
        };
        let permit = match self.shared.tenants.permit_create(tenant) {
            Ok(permit) => permit,
            Err(error) => {
                leader.finish(Err(error.clone()));
                return Err(error);
            }
        };
        let create = Create {
            operations: self.clone(),
            tenant: Arc::clone(tenant),
            operation_id: self.shared.operation_ids.next(SystemTime::now()),
            fingerprint,
            request,
            stage,
            record: record.clone(),
        };
        self.mutations.spawn(create.run(permit, leader));
        finished(waiter, record).await
    }

    /// Checks the quota and answers the configuration as it would be.
    async fn preview(
        &self,
        tenant: &Tenant,
        request: &CreateIngestConfiguration,
        stage: Option<&Stage>,
    ) -> Result<Created, Error> {
        let usage = self.shared.ledger.usage(tenant.id.clone()).await;
        let used = usage.map_err(|error| ledger_failed(&error, "usage"))?.total();
        if used >= tenant.settings.max_ingest_configurations {
            return Err(over_quota(tenant, used));
        }
        let now = SystemTime::now();
        let protocol = request.ingest_protocol;
        Ok(Created {
            configuration: CallersConfiguration {
                configuration: unmade(request),
                ingest_endpoint: endpoint(stage, protocol),
                create_time: now,
                state_observed_at: now,
            },
            replayed: false,
            operation_id: None,
            aws_request_id: None,
        })
    }
}

/// One create, from its reservation to its outcome.
struct Create {
    operations: Operations,
    tenant: Arc<Tenant>,
    operation_id: OperationId,
    fingerprint: Fingerprint,
    request: CreateIngestConfiguration,
    stage: Option<Arc<Stage>>,
    record: CallRecord,
}

impl Create {
    async fn run(mut self, permit: CreatePermit, leader: Leader) {
        let outcome = self.carry_out(permit, &leader).await;
        leader.finish(outcome);
    }

    async fn carry_out(&mut self, permit: CreatePermit, leader: &Leader) -> Outcome {
        match self.reserve().await? {
            Reserved::New => {
                self.record.operation(self.operation_id);
                if !leader.is_awaited() {
                    // Nobody would learn the key. Nothing was sent, so nothing is lost.
                    self.apply(Event::Cancel).await?;
                    return Err(Error::DeadlineExceeded { operation_id: None });
                }
                permit.spend();
                let effect = self.apply(Event::Send).await?;
                self.send(effect).await
            }
            Reserved::Replay { operation_id, arn } => {
                self.is_about(operation_id);
                self.read_back(arn, true).await
            }
            Reserved::InProgress { operation_id } => {
                self.is_about(operation_id);
                Err(Error::InProgress { operation_id })
            }
            Reserved::InDoubt { operation_id, sent_at } => {
                self.is_about(operation_id);
                if self.operations.shared.settling.may_resend(operation_id, sent_at) {
                    permit.spend();
                    let effect = self.resend(sent_at).await?;
                    return self.send(effect).await;
                }
                let settled = self.settle(None).await;
                settled.map(|created| Created { replayed: true, ..created })
            }
            Reserved::FingerprintMismatch => Err(Error::RequestIdReused),
            Reserved::OverQuota { used } => Err(over_quota(&self.tenant, used)),
        }
    }

    /// An earlier call made the row that this one is about.
    fn is_about(&mut self, operation_id: OperationId) {
        self.operation_id = operation_id;
        self.record.operation(operation_id);
    }

    async fn reserve(&self) -> Result<Reserved, Error> {
        let request = &self.request;
        let reservation = Reservation {
            operation_id: self.operation_id,
            tenant: self.tenant.id.clone(),
            request_id: match &request.request_id {
                Some(request_id) => request_id.as_str().to_owned(),
                None => self.operation_id.to_string(),
            },
            fingerprint: self.fingerprint,
            limit: self.tenant.settings.max_ingest_configurations,
            fields: fields(request),
        };
        let reserved = self.operations.shared.ledger.reserve(reservation).await;
        reserved.map_err(|error| ledger_failed(&error, "reserve"))
    }

    /// Sends the create, once, and records what became of it. The row is durably sent
    /// before any byte goes to AWS, so that after a crash it counts as sent; and `effect`,
    /// the ledger's answer to that, is the only permission to send.
    async fn send(&self, effect: Effect) -> Outcome {
        if effect != Effect::SendCreate {
            return Err(Error::InProgress { operation_id: self.operation_id });
        }
        let tags = TenancyTags {
            tenant: self.tenant.id.clone(),
            operation_id: self.operation_id,
            request_id: self.request.request_id.clone(),
            fingerprint: self.fingerprint,
        }
        .write(&self.request.tags, &self.tenant.settings.extra_tags);
        let new = NewConfiguration { request: &self.request, tags };
        match self.operations.ivs.create_ingest_configuration(new).await {
            Ok(Answer { value, aws_request_id }) => {
                let resource = Resource {
                    arn: value.arn.clone(),
                    participant_id: value.participant_id.clone(),
                };
                // If this fails the row stays as sent, and settles by its tag. The
                // configuration exists, so its key is answered all the same.
                let _ = self.apply(Event::Created(resource)).await;
                Ok(self.created(value, false, aws_request_id).await)
            }
            Err(CallError::NotExecuted(failure)) => {
                tracing::warn!(operation_id = %self.operation_id, %failure, "AWS did not create it");
                // If this fails the row stays as sent: its quota is held until it settles.
                let _ = self.apply(Event::NotExecuted).await;
                Err(Error::Aws(failure))
            }
            Err(CallError::Ambiguous(failure)) => {
                tracing::warn!(operation_id = %self.operation_id, %failure, "outcome unknown");
                let _ = self.apply(Event::Ambiguous).await;
                self.settle(failure.aws_request_id).await
            }
        }
    }

    /// Waits a little for the outcome to be settled. It goes on being settled when
    /// nobody waits any more.
    async fn settle(&self, aws_request_id: Option<String>) -> Outcome {
        let operation_id = self.operation_id;
        let unknown = |aws_request_id| Error::OutcomeUnknown {
            operation_id,
            repeatable: self.request.request_id.is_some(),
            aws_request_id,
        };
        let Shared { settling, settle_patience, .. } = &*self.operations.shared;
        match settling.verdict(operation_id, *settle_patience).await {
            // It exists, so the failure of the read must not be told as the create's: who
            // gave no `request_id` would take it for leave to create another.
            Some(Verdict::Live(resource)) => match self.read_back(resource.arn, false).await {
                Err(Error::Aws(failure)) => Err(unknown(failure.aws_request_id)),
                outcome => outcome,
            },
            // Either proved absent, which takes longer than this, or not known.
            Some(Verdict::Gone) | None => Err(unknown(aws_request_id)),
        }
    }

    /// Answers what is known to exist. Its keys are read back from AWS: the gateway
    /// does not keep them.
    async fn read_back(&self, arn: String, replayed: bool) -> Outcome {
        match self.operations.ivs.get_ingest_configuration(&arn).await {
            Ok(Answer { value, aws_request_id }) => {
                Ok(self.created(value, replayed, aws_request_id).await)
            }
            Err(error) => {
                let failure = error.failure();
                tracing::warn!(operation_id = %self.operation_id, %failure, "could not be read back");
                Err(match failure.kind {
                    FailureKind::NotFound => Error::NotFound { arn },
                    _ => Error::Aws(failure.clone()),
                })
            }
        }
    }

    async fn created(
        &self,
        mut configuration: Configuration,
        replayed: bool,
        aws_request_id: Option<String>,
    ) -> Created {
        let extra_tags = &self.tenant.settings.extra_tags;
        configuration.tags = tags::visible(std::mem::take(&mut configuration.tags), extra_tags)
            .into_iter()
            .collect();
        let asked_for = self.request.stage_arn.as_ref().map_or("", StageArn::as_str);
        let ingest_endpoint = if configuration.stage_arn == asked_for {
            endpoint(self.stage.as_deref(), configuration.ingest_protocol)
        } else {
            // An update has moved it since.
            let moved = self.operations.endpoint(&self.tenant, &configuration).await;
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
    async fn resend(&self, sent_at: SystemTime) -> Result<Effect, Error> {
        let ledger = &self.operations.shared.ledger;
        match ledger.apply_to_sending(self.operation_id, sent_at, Event::Resend).await {
            Ok(transition) => Ok(transition.map_or(Effect::None, |transition| transition.effect)),
            // It was settled since it was read, either way: who asks again learns how.
            Err(LedgerError::Illegal(_)) => Ok(Effect::None),
            Err(error) => Err(ledger_failed(&error, "resend")),
        }
    }

    async fn apply(&self, event: Event) -> Result<Effect, Error> {
        let doing = event.name();
        let applied = self.operations.shared.ledger.apply(self.operation_id, event).await;
        applied.map(|transition| transition.effect).map_err(|error| ledger_failed(&error, doing))
    }
}

/// Waits for the create of another call with the same `request_id`.
async fn joined(waiter: Waiter<Created>, record: &CallRecord) -> Outcome {
    let outcome = finished(waiter, record).await;
    outcome.map(|created| Created { replayed: true, ..created })
}

async fn finished(waiter: Waiter<Created>, record: &CallRecord) -> Outcome {
    let outcome = waiter.outcome().await;
    if let Ok(created) = &outcome {
        if let Some(operation_id) = created.operation_id {
            record.operation(operation_id);
        }
        if let Some(aws_request_id) = &created.aws_request_id {
            record.aws_request(aws_request_id);
        }
    }
    outcome
}

fn over_quota(tenant: &Tenant, used: u32) -> Error {
    let limit = tenant.settings.max_ingest_configurations;
    Error::TenantCountQuota { tenant: tenant.id.clone(), used, limit }
}

fn fields(request: &CreateIngestConfiguration) -> Fields {
    Fields {
        name: request.name.as_str().to_owned(),
        stage_arn: request.stage_arn.as_ref().map_or("", |arn| arn.as_str()).to_owned(),
        user_id: request.user_id.as_str().to_owned(),
        attributes: request.attributes.as_map().clone(),
        ingest_protocol: request.ingest_protocol,
        redundant_ingest: request.redundant_ingest,
        tags: request.tags.as_map().clone(),
    }
}

/// The configuration as it would be: without what only AWS can give.
fn unmade(request: &CreateIngestConfiguration) -> Configuration {
    let Fields { name, stage_arn, user_id, attributes, ingest_protocol, redundant_ingest, tags } =
        fields(request);
    Configuration {
        arn: String::new(),
        name,
        ingest_protocol,
        stream_key: String::new().into(),
        stage_arn,
        participant_id: String::new(),
        state: IngestConfigurationState::Inactive,
        user_id,
        redundant_ingest,
        redundant_ingest_credentials: Vec::new(),
        attributes,
        tags: BTreeMap::into_iter(tags).collect(),
    }
}

fn endpoint(stage: Option<&Stage>, protocol: IngestProtocol) -> String {
    stage.map_or("", |stage| stage.ingest_endpoint(protocol)).to_owned()
}
