//! `CreateIngestConfiguration`: creates at most one configuration for each tenant and
//! `request_id`.

mod existing;
mod preview;
mod reservation;
mod task;

use std::sync::Arc;

use super::{
    CallContext, CallersConfiguration, Handlers, paced, permitted,
    single_flight::{self, Entered, Waiter},
};
use crate::{
    error::Error,
    ivs,
    ledger::Fields,
    pacer::Ticket,
    request::{CreateIngestConfiguration, Fingerprint, IngestProtocol, OperationId, RequestId},
    telemetry::CallRecord,
    tenancy::{CreatePermit, Stage, Tenant, TenantId},
};
use task::Create;

type Outcome = single_flight::Outcome<Created>;
type Leader = single_flight::Leader<(TenantId, RequestId), Fingerprint, Created>;

/// The outcome of a successful create.
#[derive(Debug, Clone)]
pub struct Created {
    /// The configuration, with its stream keys.
    pub configuration: CallersConfiguration,
    /// Whether an earlier call with the same `request_id` created it.
    pub replayed: bool,
    /// The key of the row in the ledger; `None` if the request was only validated.
    pub operation_id: Option<OperationId>,
    /// AWS's id of the call that returned the configuration, if AWS sent one.
    pub aws_request_id: Option<String>,
}

/// The resources that a create acquires before the ledger is accessed. Both are released if
/// the create is not sent.
struct Admitted {
    /// The use of the tenant's create rate.
    permit: CreatePermit,
    /// The position in the queue of the create pacer.
    ticket: Ticket<ivs::Create>,
}

impl Handlers {
    /// Creates an ingest configuration.
    ///
    /// A separate task does the work. If all callers of the create disconnect, the task cancels
    /// a create that was not sent, and completes a create that was sent.
    ///
    /// # Errors
    /// Every error of the error table that applies to a create.
    pub async fn create_ingest_configuration(
        &self,
        context: &CallContext,
        request: CreateIngestConfiguration,
    ) -> Result<Created, Error> {
        let (tenant, record) = (context.tenant(), context.record());
        record.is_create(request.request_id.is_some());
        // First, because an earlier create with the same `request_id` may not be in the ledger yet.
        self.shared.require_complete()?;
        if request.validate_only {
            let stage = self.permitted_stage(context, &request).await?;
            return self.preview(tenant, &request, stage.as_deref()).await;
        }
        let stage = match self.permitted_stage(context, &request).await {
            Ok(stage) => stage,
            Err(
                rejection @ (Error::InvalidFields(_)
                | Error::StageForbidden
                | Error::ProtocolForbidden(_)
                | Error::Aws(_)),
            ) if request.request_id.is_some() => {
                return self.new_create(context, request, None).earlier_or(rejection).await;
            }
            Err(error) => return Err(error),
        };
        let fingerprint = request.fingerprint();
        let (leader, waiter) = match &request.request_id {
            None => Leader::alone(),
            Some(request_id) => {
                let key = (tenant.id.clone(), request_id.clone());
                match self.shared.creates.enter(key, fingerprint) {
                    Entered::Leader(leader, waiter) => (leader, waiter),
                    Entered::Follower(other, waiter) if other == fingerprint => {
                        return join(waiter, record).await;
                    }
                    Entered::Follower(..) => return Err(Error::RequestIdReused),
                }
            }
        };
        // Before the ledger is accessed, so that a rejection costs no disk access.
        let permit = permitted(tenant.acquire_create(), record);
        let admitted = permit.and_then(|permit| {
            let ticket = paced::admit(context, &self.shared.pacers.create)?;
            Ok(Admitted { permit, ticket })
        });
        let admitted = match admitted {
            Ok(admitted) => admitted,
            Err(error) => {
                leader.finish(Err(error.clone()));
                return Err(error);
            }
        };
        let create = self.new_create(context, request, stage);
        self.mutations.spawn(create.run(admitted, leader));
        wait(waiter, record).await
    }
}

impl Handlers {
    /// Returns the stage of the create, if it names one, and if the tenant may use the stage,
    /// the protocol and the tags.
    async fn permitted_stage(
        &self,
        context: &CallContext,
        request: &CreateIngestConfiguration,
    ) -> Result<Option<Arc<Stage>>, Error> {
        if let Some(conflicts) = &request.tag_conflicts {
            return Err(Error::InvalidFields(conflicts.clone()));
        }
        if !context.tenant().settings.allowed_protocols.contains(&request.ingest_protocol) {
            return Err(Error::ProtocolForbidden(request.ingest_protocol));
        }
        match &request.stage_arn {
            Some(arn) => Ok(Some(self.stage(context, arn).await?)),
            None => Ok(None),
        }
    }

    fn new_create(
        &self,
        context: &CallContext,
        request: CreateIngestConfiguration,
        stage: Option<Arc<Stage>>,
    ) -> Create {
        Create {
            handlers: self.clone(),
            context: context.clone(),
            operation_id: self.shared.ids.next_operation_id(self.shared.clock.wall()),
            fingerprint: request.fingerprint(),
            request,
            stage,
            is_earlier: false,
        }
    }
}

/// Waits for the create of another call with the same `request_id`.
async fn join(waiter: Waiter<Created>, record: &CallRecord) -> Outcome {
    let outcome = wait(waiter, record).await;
    outcome.map(|created| Created { replayed: true, ..created })
}

/// Waits for the outcome and records its ids.
async fn wait(waiter: Waiter<Created>, record: &CallRecord) -> Outcome {
    let outcome = waiter.outcome().await.unwrap_or_else(|| Err(task_failed(record)));
    if let Ok(created) = &outcome {
        if let Some(operation_id) = created.operation_id {
            record.operation(operation_id.ulid());
        }
        if let Some(aws_request_id) = &created.aws_request_id {
            record.aws_request(aws_request_id);
        }
    }
    outcome
}

/// The error of a create whose task panicked, possibly after it sent the create.
fn task_failed(record: &CallRecord) -> Error {
    match record.operation_id().filter(|_| record.may_be_sent()) {
        Some(operation_id) => Error::OutcomeUnknown {
            operation_id: operation_id.into(),
            repeatable: record.create_has_request_id() == Some(true),
            aws_request_id: None,
        },
        None => Error::Internal,
    }
}

fn over_quota(tenant: &Tenant, used: u32) -> Error {
    let limit = tenant.settings.max_ingest_configurations;
    Error::TenantCountQuota { tenant: tenant.id.clone(), used, limit }
}

fn fields(request: &CreateIngestConfiguration) -> Fields {
    Fields {
        name: request.name.as_str().to_owned(),
        stage_arn: request.stage_arn.as_ref().map(|arn| arn.as_str().to_owned()),
        user_id: request.user_id.as_str().to_owned(),
        attributes: request.attributes.as_map().clone(),
        ingest_protocol: request.ingest_protocol,
        redundant_ingest: request.redundant_ingest,
        tags: request.tags.as_map().clone(),
    }
}

fn endpoint(stage: Option<&Stage>, protocol: IngestProtocol) -> Option<String> {
    stage.and_then(|stage| stage.ingest_endpoint(protocol)).map(str::to_owned)
}
