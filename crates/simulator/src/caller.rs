//! The callers: they follow the retry rule of `docs/calling.md`, disconnect, send requests
//! twice, come back, and change and delete what they have created.

mod steps;

use std::time::{Duration, SystemTime};

use invariants::{Invariant, RequestKey};
use ivs_ingest_gateway::proto::v1::{
    CreateIngestConfigurationRequest, CreateIngestConfigurationResponse as Created, IngestProtocol,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use crate::{
    clock::WallClock,
    disk::Disk,
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
    /// The stages of the tenants.
    pub stages: Vec<String>,
    /// The disk of the gateway, to compare its quota use with a rejection.
    pub disk: Disk,
    /// The wall clock of the gateway.
    pub clock: WallClock,
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
                Step::Foreign => self.foreign().await,
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
        // Since its last return.
        let mut present = Instant::now();
        let end = self.create_until_it_ends(leaves_times, &mut present).await;
        self.history.call_ended(&format!("the create of {:?}", self.key()), present);
        end
    }

    async fn create_until_it_ends(
        &mut self,
        leaves_times: u32,
        present: &mut Instant,
    ) -> CreateOutcome {
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
                *present = Instant::now();
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
            stage_arn: self.stage_arn(),
            user_id: if self.plan.has_other_fields { "other" } else { "" }.to_owned(),
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
                let began = self.clock.now();
                let response = call.await;
                if let Err(CallError::Final { reason }) = &response {
                    self.check_rejection(reason, began);
                }
                response
            }
        };
        if self.plan.is_twin {
            let (one, other) = tokio::join!(biased; call(), call());
            vec![one, other]
        } else {
            vec![call().await]
        }
    }

    fn stage_arn(&self) -> String {
        let CallerPlan { tenant, has_stage, has_foreign_stage, .. } = self.plan;
        match (has_stage, has_foreign_stage) {
            (_, true) => self.stages[(tenant + 1) % TENANTS.len()].clone(),
            (true, false) => self.stages[tenant].clone(),
            (false, false) => String::new(),
        }
    }

    /// Checks that the reason of a final error was true in the call, which began at `began`.
    fn check_rejection(&self, reason: &str, began: SystemTime) {
        let is_true = match reason {
            "TENANT_COUNT_QUOTA" => {
                let used = self.disk.used_since(self.tenant(), began).unwrap_or_default();
                used >= TENANTS[self.plan.tenant].quota
            }
            "STAGE_FORBIDDEN" => self.plan.has_foreign_stage,
            // Two callers of one request may send different fields.
            "REQUEST_ID_REUSED" | "NOT_FOUND" => true,
            _ => !is_defect(reason),
        };
        if !is_true {
            let detail = format!("{:?} was rejected with {reason}, which is false", self.key());
            self.history.violated(Invariant::ErrorsAreTrue, detail);
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
                    if !self.disk.knows(&created.arn).unwrap_or(true) {
                        let detail = format!("{} was returned without a record", created.arn);
                        self.history.violated(Invariant::Recorded, detail);
                    }
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

    /// A final error: no configuration of these fields may exist.
    fn rejected(&self, key: &RequestKey, reason: &str) {
        if reason != "REQUEST_ID_REUSED" && !self.plan.has_foreign_stage {
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
}

/// Whether no call may fail for this reason.
fn is_defect(reason: &str) -> bool {
    reason.starts_with("UNEXPECTED") || reason == "INTERNAL"
}
