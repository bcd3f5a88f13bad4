//! The callers: they follow the retry rule of `docs/calling.md`, disconnect, send requests
//! twice, come back, and change and delete what they have created.

use std::time::Duration;

use invariants::{Invariant, RequestKey};
use ivs_ingest_gateway::proto::v1::{
    CreateIngestConfigurationRequest, CreateIngestConfigurationResponse as Created,
    DeleteIngestConfigurationRequest, GetIngestConfigurationRequest, IngestConfigurationView,
    IngestProtocol, ListIngestConfigurationsRequest, UpdateIngestConfigurationRequest,
};
use prost_types::FieldMask;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

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
    /// Its number, for the trace.
    pub number: usize,
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

/// The end of a create, as its caller knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
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
        self.trace.add(format_args!("caller {}: {what}", self.number));
    }

    /// Sends the create until it has an outcome.
    async fn create(&mut self, leaves_times: u32) -> End {
        let began = Instant::now();
        let end = self.create_until_it_ends(leaves_times).await;
        self.history.call_ended(&format!("the create of {:?}", self.key()), began);
        end
    }

    async fn create_until_it_ends(&mut self, leaves_times: u32) -> End {
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
                    return End::GaveUp;
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
        End::GaveUp
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
    ) -> Result<End, Duration> {
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
                    rejected = Some(reason);
                }
            }
        }
        match (returned, delay, rejected) {
            (Some(arn), _, _) => Ok(End::Returned(arn)),
            (None, Some(delay), _) => Err(delay),
            (None, None, reason) => {
                let reason = reason.unwrap_or_default();
                self.rejected(key, &reason);
                Ok(End::Rejected(reason))
            }
        }
    }

    /// A final error: no configuration may exist.
    fn rejected(&self, key: &RequestKey, reason: &str) {
        let is_expected =
            ["NOT_FOUND", "TENANT_COUNT_QUOTA", "REQUEST_ID_REUSED"].contains(&reason);
        if reason.starts_with("UNEXPECTED") || reason == "INTERNAL" {
            self.history.violated(Invariant::ErrorsAreTrue, format!("{key:?}: {reason}"));
        }
        if reason == "REQUEST_ID_REUSED" {
            return;
        }
        let existing = self.history.existing();
        let found = existing.iter().find(|it| it.request == *key);
        // A delete that runs concurrently makes the error true.
        let found = found.filter(|it| !self.history.is_delete_begun(&it.arn));
        if let Some(found) = found {
            let kind = if is_expected { "" } else { " unexpectedly" };
            let detail =
                format!("{key:?} was rejected{kind} with {reason}, and {} exists", found.arn);
            self.history.violated(Invariant::ErrorsAreTrue, detail);
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

    async fn get(&mut self, end: &End) {
        let End::Returned(arn) = end else { return };
        for _ in 0..MAX_ATTEMPTS {
            let gateway = self.connected().await;
            let message = GetIngestConfigurationRequest {
                arn: arn.clone(),
                view: IngestConfigurationView::Full.into(),
            };
            let began = Instant::now();
            let call = gateway.call(
                self.tenant(),
                message,
                self.plan.deadline,
                method!(get_ingest_configuration),
            );
            match call.await {
                Ok(response) => {
                    let read = response.ingest_configuration.unwrap_or_default();
                    self.says(&format!("read {}", read.arn));
                    return self.history.returned(&self.key(), &read.arn, &read.stream_key, began);
                }
                Err(CallError::Retry { delay, .. }) => self.pause(delay).await,
                Err(CallError::Final { reason }) => return self.missed(arn, &reason),
            }
        }
    }

    async fn list(&mut self) {
        let gateway = self.connected().await;
        let message = ListIngestConfigurationsRequest::default();
        let call = gateway.call(
            self.tenant(),
            message,
            self.plan.deadline,
            method!(list_ingest_configurations),
        );
        let listed = call.await.map(|it| it.ingest_configurations.len());
        self.says(&format!("listed {listed:?}"));
    }

    async fn update(&mut self, end: &End) {
        let End::Returned(arn) = end else { return };
        for _ in 0..MAX_ATTEMPTS {
            let gateway = self.connected().await;
            let message = UpdateIngestConfigurationRequest {
                arn: arn.clone(),
                redundant_ingest: true,
                update_mask: Some(FieldMask { paths: vec!["redundant_ingest".into()] }),
                ..UpdateIngestConfigurationRequest::default()
            };
            let call = gateway.call(
                self.tenant(),
                message,
                self.plan.deadline,
                method!(update_ingest_configuration),
            );
            match call.await {
                Ok(_) => return self.says("updated"),
                Err(CallError::Retry { delay, .. }) => self.pause(delay).await,
                Err(CallError::Final { reason }) => return self.missed(arn, &reason),
            }
        }
    }

    async fn delete(&mut self, end: &End) {
        let End::Returned(arn) = end else { return };
        self.history.delete_begun(arn);
        let began = Instant::now();
        self.delete_until_it_ends(arn).await;
        self.history.call_ended(&format!("the delete of {arn}"), began);
    }

    async fn delete_until_it_ends(&mut self, arn: &str) {
        for _ in 0..MAX_ATTEMPTS {
            let gateway = self.connected().await;
            self.says(&format!("delete {arn}"));
            let message = DeleteIngestConfigurationRequest { arn: arn.to_owned(), force: false };
            let call = gateway.call(
                self.tenant(),
                message,
                self.plan.deadline,
                method!(delete_ingest_configuration),
            );
            match call.await {
                Ok(_) => {
                    self.says(&format!("{arn} is deleted"));
                    return self.history.delete_confirmed(arn);
                }
                Err(CallError::Retry { reason, delay }) => {
                    self.says(&format!("{reason}, retries after {delay:?}"));
                    self.pause(delay).await;
                }
                Err(CallError::Final { reason }) => return self.missed(arn, &reason),
            }
        }
        self.history.violated(Invariant::Liveness, format!("the delete of {arn} has no outcome"));
    }

    /// A call for an own configuration failed.
    fn missed(&self, arn: &str, reason: &str) {
        self.says(reason);
        // Other reasons are true: AWS may deny a call for the whole run.
        if reason == "NOT_FOUND" && self.history.exists(arn) {
            let detail = format!("{arn} exists, and its tenant got {reason}");
            self.history.violated(Invariant::Reachable, detail);
        }
    }
}
