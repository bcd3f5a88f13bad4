//! The callers: they follow the retry rule of `docs/calling.md`, disconnect, send requests
//! twice, come back, and change and delete what they have created.

use std::time::Duration;

use invariants::{Invariant, RequestKey};
use ivs_ingest_gateway::{
    proto::v1::{
        CreateIngestConfigurationRequest, CreateIngestConfigurationResponse as Created,
        DeleteIngestConfigurationRequest, GetIngestConfigurationRequest, IngestConfigurationView,
        IngestProtocol, ListIngestConfigurationsRequest, UpdateIngestConfigurationRequest,
    },
    rpc::Rpc,
};
use prost_types::FieldMask;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tonic::{Request, Response, Status};

use crate::{
    gateway::{CallError, Gateway},
    history::History,
    method,
    plan::{CallerPlan, Step, TENANTS, request_id},
    random::Draws,
    trace::Trace,
};

/// The time between two attempts to connect.
const RECONNECT: Duration = Duration::from_secs(1);

/// The most attempts of one call: far more than any fault lasts.
const MAX_ATTEMPTS: u32 = 2000;

/// One caller.
pub struct Caller {
    /// Its calls.
    pub plan: CallerPlan,
    /// The stage of its tenant.
    pub stage_arn: String,
    /// The running gateway; `None` while it is down.
    pub gateway: watch::Receiver<Option<Gateway>>,
    /// The history of the run.
    pub history: History,
    /// The trace.
    pub trace: Trace,
    /// Its jitter.
    pub draws: Draws,
}

/// The outcome of a create, as its caller knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum CreateOutcome {
    Returned(String),
    Rejected(String),
    GaveUp,
}

impl Caller {
    /// Makes all calls of the plan.
    pub async fn run(mut self) {
        sleep(self.plan.starts).await;
        let mut end = self.create(self.plan.leaves_times).await;
        for step in self.plan.then.clone() {
            match step {
                Step::Wait(time) => sleep(time).await,
                Step::Repeat => end = self.create(0).await,
                Step::Get => self.get(&end).await,
                Step::List => self.list().await,
                Step::Update => self.update(&end).await,
                Step::Delete => self.delete(&end).await,
            }
        }
    }

    fn tenant(&self) -> &'static str {
        TENANTS[self.plan.tenant].id
    }

    fn key(&self) -> RequestKey {
        (self.tenant().to_owned(), request_id(self.plan.request))
    }

    fn says(&self, what: &str) {
        self.trace.add(format_args!("caller {}: {what}", self.plan.number));
    }

    /// Sends the create until it has an outcome.
    async fn create(&mut self, leaves_times: u32) -> CreateOutcome {
        let began = Instant::now();
        let end = self.create_until_it_ends(leaves_times).await;
        self.history.call_ended(&format!("the create of {:?}", self.key()), began);
        end
    }

    async fn create_until_it_ends(&mut self, leaves_times: u32) -> CreateOutcome {
        let key = self.key();
        for attempt in 0..MAX_ATTEMPTS {
            let gateway = self.connected().await;
            self.says(&format!("create {}", key.1));
            let leaves = self.plan.leaves.filter(|_| attempt < leaves_times);
            let began = Instant::now();
            let calls = self.create_calls(&gateway);
            let responses = match leaves {
                Some(leaves) => timeout(leaves, calls).await.ok(),
                None => Some(calls.await),
            };
            let Some(responses) = responses else {
                self.says("disconnects");
                if self.plan.gives_up {
                    return CreateOutcome::GaveUp;
                }
                sleep(self.plan.returns_after).await;
                continue;
            };
            match self.outcome(&key, responses, began) {
                Ok(end) => return end,
                Err(delay) => self.pause(delay).await,
            }
        }
        self.history.violated(Invariant::Liveness, format!("{key:?} has no outcome"));
        CreateOutcome::GaveUp
    }

    /// Sends the create once, or twice concurrently.
    async fn create_calls(&self, gateway: &Gateway) -> Vec<Result<Created, CallError>> {
        let message = CreateIngestConfigurationRequest {
            name: self.plan.name.to_owned(),
            stage_arn: if self.plan.has_stage { self.stage_arn.clone() } else { String::new() },
            ingest_protocol: IngestProtocol::Rtmps.into(),
            request_id: self.key().1,
            ..CreateIngestConfigurationRequest::default()
        };
        let call = || {
            let waiting = self.history.create_called(&self.key(), !self.plan.has_stage);
            let call = gateway.call(
                self.tenant(),
                message.clone(),
                self.plan.deadline,
                method!(create_ingest_configuration),
            );
            async {
                let _waiting = waiting;
                call.await
            }
        };
        if self.plan.is_twin {
            let (one, other) = tokio::join!(biased; call(), call());
            vec![one, other]
        } else {
            vec![call().await]
        }
    }

    /// Returns the outcome of the responses, or the time until the next attempt.
    fn outcome(
        &self,
        key: &RequestKey,
        responses: Vec<Result<Created, CallError>>,
        began: Instant,
    ) -> Result<CreateOutcome, Duration> {
        let (mut returned, mut delay, mut rejected) = (None, None, None);
        for response in responses {
            match response {
                Ok(response) => {
                    let created = response.ingest_configuration.unwrap_or_default();
                    self.says(&format!("received {}", created.arn));
                    self.history.returned(key, &created.arn, &created.stream_key, began);
                    returned = Some(created.arn);
                }
                Err(CallError::Retry { reason, delay: wait }) => {
                    self.says(&format!("{reason}, retries after {wait:?}"));
                    delay = Some(wait);
                }
                Err(CallError::Final { reason }) => {
                    self.says(&reason);
                    self.rejected(key, &reason);
                    rejected = Some(reason);
                }
            }
        }
        match (returned, delay, rejected) {
            (Some(arn), _, _) => Ok(CreateOutcome::Returned(arn)),
            (None, Some(delay), _) => Err(delay),
            (None, None, reason) => Ok(CreateOutcome::Rejected(reason.unwrap_or_default())),
        }
    }

    /// A final error: no configuration may exist.
    fn rejected(&self, key: &RequestKey, reason: &str) {
        // All callers of a request send equal fields.
        if is_defect(reason) || reason == "REQUEST_ID_REUSED" {
            self.history.violated(Invariant::ErrorsAreTrue, format!("{key:?}: {reason}"));
        } else {
            self.history.rejected_finally(key, reason);
        }
    }

    /// Waits for a running gateway.
    async fn connected(&mut self) -> Gateway {
        loop {
            let gateway = self.gateway.borrow().clone();
            match gateway {
                Some(gateway) => return gateway,
                None => sleep(RECONNECT).await,
            }
        }
    }

    /// Waits for the delay of the gateway and up to a fifth more.
    async fn pause(&mut self, delay: Duration) {
        let micros = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX / 2);
        sleep(delay + Duration::from_micros(self.draws.below(micros / 5 + 1))).await;
    }

    /// A call for an own configuration failed.
    fn failed(&self, arn: &str, reason: &str) {
        self.says(reason);
        // Other reasons, for example that AWS denies the call, say nothing about existence.
        if reason == "NOT_FOUND" && self.history.exists(arn) {
            let detail = format!("{arn} exists, and its tenant got {reason}");
            self.history.violated(Invariant::Reachable, detail);
        }
        if is_defect(reason) {
            self.history.violated(Invariant::ErrorsAreTrue, format!("{arn}: {reason}"));
        }
    }

    async fn get(&mut self, outcome: &CreateOutcome) {
        let CreateOutcome::Returned(arn) = outcome else { return };
        let message = GetIngestConfigurationRequest {
            arn: arn.clone(),
            view: IngestConfigurationView::Full.into(),
        };
        let began = Instant::now();
        match self.retried("get", &message, method!(get_ingest_configuration)).await {
            Ok(response) => {
                let read = response.ingest_configuration.unwrap_or_default();
                self.says(&format!("read {}", read.arn));
                self.history.returned(&self.key(), &read.arn, &read.stream_key, began);
            }
            Err(reason) => self.failed(arn, &reason),
        }
    }

    async fn list(&mut self) {
        let message = ListIngestConfigurationsRequest::default();
        match self.retried("list", &message, method!(list_ingest_configurations)).await {
            Ok(response) => {
                self.says(&format!("listed {}", response.ingest_configurations.len()));
                for listed in response.ingest_configurations {
                    self.history.listed(self.tenant(), &listed.arn);
                }
            }
            Err(reason) => self.failed("the list", &reason),
        }
    }

    async fn update(&mut self, outcome: &CreateOutcome) {
        let CreateOutcome::Returned(arn) = outcome else { return };
        let message = UpdateIngestConfigurationRequest {
            arn: arn.clone(),
            redundant_ingest: true,
            update_mask: Some(FieldMask { paths: vec!["redundant_ingest".into()] }),
            ..UpdateIngestConfigurationRequest::default()
        };
        match self.retried("update", &message, method!(update_ingest_configuration)).await {
            Ok(_) => self.says("updated"),
            Err(reason) => self.failed(arn, &reason),
        }
    }

    async fn delete(&mut self, outcome: &CreateOutcome) {
        let CreateOutcome::Returned(arn) = outcome else { return };
        self.history.delete_begun(arn);
        let message = DeleteIngestConfigurationRequest { arn: arn.clone(), force: false };
        match self.retried("delete", &message, method!(delete_ingest_configuration)).await {
            Ok(_) => {
                self.says(&format!("{arn} is deleted"));
                self.history.delete_confirmed(arn);
            }
            Err(reason) => self.failed(arn, &reason),
        }
    }

    /// Makes a call until it has an outcome. Returns the reason of a final error.
    async fn retried<M, R, F>(
        &mut self,
        name: &str,
        message: &M,
        method: impl Fn(Rpc, Request<M>) -> F,
    ) -> Result<R, String>
    where
        M: Clone,
        R: Send + 'static,
        F: Future<Output = Result<Response<R>, Status>> + Send + 'static,
    {
        let began = Instant::now();
        let mut outcome = Err("no outcome".to_owned());
        for _ in 0..MAX_ATTEMPTS {
            let gateway = self.connected().await;
            self.says(name);
            let call = gateway.call(self.tenant(), message.clone(), self.plan.deadline, &method);
            match call.await {
                Ok(response) => {
                    outcome = Ok(response);
                    break;
                }
                Err(CallError::Retry { reason, delay }) => {
                    self.says(&format!("{reason}, retries after {delay:?}"));
                    self.pause(delay).await;
                }
                Err(CallError::Final { reason }) => {
                    outcome = Err(reason);
                    break;
                }
            }
        }
        self.history.call_ended(&format!("the {name} of {:?}", self.key()), began);
        outcome
    }
}

/// Whether no call may fail for this reason.
fn is_defect(reason: &str) -> bool {
    reason.starts_with("UNEXPECTED") || reason == "INTERNAL"
}
