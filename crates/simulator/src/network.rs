//! The network between the gateway and AWS: the SDK's HTTP client, which calls an emulator in
//! process and injects the faults of the plan. A call that has left the gateway is executed
//! even if the gateway ends.

mod delivery;
mod messages;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
    },
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header::HOST};
use http_body_util::{BodyExt, Full};
use invariants::{Configuration, Invariant, RequestKey};
use ivs_ingest_gateway::request::MANAGED_TAG_PREFIX;
use ivs_realtime_emulator::{Emulator, Operation, SettingsChange};
use serde_json::Value;
use tokio::{sync::oneshot, time::Instant};

use self::messages::{created_request, operation, parsed, text};
use crate::{
    clock::WallClock,
    history::History,
    plan::{CallFault, Fault, Outage, Plan, TENANTS, kind, request_id},
    random::Draws,
    trace::{STREAM_KEY_PREFIX, Trace},
};

/// The network and the AWS accounts behind it. Clones share them.
#[derive(Clone)]
pub struct Network(Arc<Shared>);

struct Shared {
    account: Emulator,
    /// The account behind a wrong endpoint.
    other_account: Emulator,
    history: History,
    trace: Trace,
    clock: WallClock,
    state: Mutex<State>,
}

struct State {
    faults: Vec<Fault>,
    calls: BTreeMap<Operation, u32>,
    /// The creates of each request.
    creates: BTreeMap<RequestKey, u32>,
    draws: Draws,
    /// When AWS executes the last call that it executes late.
    last_execution: Instant,
}

/// The fate of one call.
enum Fate {
    Delivered,
    Call(CallFault),
    Outage(Outage),
}

type Received = Result<Response<Bytes>, &'static str>;

impl Network {
    /// Returns a network with the faults of the plan.
    #[must_use]
    pub fn new(
        plan: &Plan,
        [account, other_account]: [Emulator; 2],
        history: History,
        trace: Trace,
        clock: WallClock,
    ) -> Self {
        let state = State {
            faults: plan.faults.clone(),
            calls: BTreeMap::new(),
            creates: BTreeMap::new(),
            draws: Draws::new(plan.seed, 3),
            last_execution: Instant::now(),
        };
        let state = Mutex::new(state);
        Self(Arc::new(Shared { account, other_account, history, trace, clock, state }))
    }

    /// Ends all faults. Configurations that lists do not show yet stay hidden for their time.
    pub fn end_faults(&self) {
        self.lock().faults.clear();
    }

    /// Returns when AWS executes the last call that it executes late.
    #[must_use]
    pub fn last_execution(&self) -> Instant {
        self.lock().last_execution
    }

    fn executes_until(&self, at: Instant) {
        let mut state = self.lock();
        state.last_execution = state.last_execution.max(at);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of the next call of the operation, its fault if the plan has one, and
    /// the times to AWS and back. `create` is the request that the call creates.
    fn fate(
        &self,
        operation: Operation,
        create: Option<&RequestKey>,
    ) -> (u32, Fate, [Duration; 2]) {
        let now = self.0.clock.elapsed();
        let mut state = self.lock();
        let number = next(state.calls.entry(operation).or_default());
        let of_request =
            create.map(|create| next(state.creates.entry(create.clone()).or_default()));
        let latency = [state.draws.milliseconds(1, 30), state.draws.milliseconds(1, 30)];
        let fate = state.faults.iter().find_map(|fault| match fault {
            Fault::Call { operation: of, nth, kind } if (*of, *nth) == (operation, number) => {
                Some(Fate::Call(*kind))
            }
            Fault::Create { tenant, request, nth, kind }
                if of_request == Some(*nth)
                    && create == Some(&(TENANTS[*tenant].id.into(), request_id(*request))) =>
            {
                Some(Fate::Call(*kind))
            }
            Fault::Outage { operation: of, from, to, kind }
                if of.is_none_or(|of| of == operation) && (*from..*to).contains(&now) =>
            {
                Some(Fate::Outage(*kind))
            }
            _ => None,
        });
        match &fate {
            Some(Fate::Call(fault)) => self.0.trace.count_fault(kind(fault)),
            Some(Fate::Outage(outage)) => {
                self.0.trace.count_fault(format!("Outage::{}", kind(outage)));
            }
            Some(Fate::Delivered) | None => {}
        }
        (number, fate.unwrap_or(Fate::Delivered), latency)
    }

    /// Makes AWS execute the request, and records what it did.
    async fn execute(&self, operation: Operation, request: Request<Bytes>) -> Received {
        let now = self.0.clock.elapsed();
        let mut consistency = SettingsChange {
            visibility_delay_ms: Some(0),
            read_delay_ms: Some(0),
            tag_delay_ms: Some(0),
            pages_by_offset: Some(false),
            ..SettingsChange::default()
        };
        let mut is_elsewhere = false;
        for fault in &self.lock().faults {
            match fault {
                Fault::Consistency { from, to, lists, reads, tags }
                    if (*from..*to).contains(&now) =>
                {
                    let milliseconds =
                        |time: &Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
                    let longer = |before: Option<u64>, time| before.max(Some(milliseconds(time)));
                    consistency.visibility_delay_ms =
                        longer(consistency.visibility_delay_ms, lists);
                    consistency.read_delay_ms = longer(consistency.read_delay_ms, reads);
                    consistency.tag_delay_ms = longer(consistency.tag_delay_ms, tags);
                    if operation == Operation::CreateIngestConfiguration {
                        for (kind, delay) in
                            [("lists late", lists), ("reads late", reads), ("tags late", tags)]
                        {
                            if !delay.is_zero() {
                                self.0.trace.count_fault(kind);
                            }
                        }
                    }
                }
                Fault::PagesByOffset => {
                    self.0.trace.count_fault("PagesByOffset");
                    consistency.pages_by_offset = Some(true);
                }
                Fault::WrongEndpoint { from, to } if (*from..*to).contains(&now) => {
                    self.0.trace.count_fault("WrongEndpoint");
                    is_elsewhere = true;
                }
                _ => {}
            }
        }
        let account = if is_elsewhere { &self.0.other_account } else { &self.0.account };
        account.change_settings(&consistency).map_err(|_| "the settings are invalid")?;
        let deleted = (operation == Operation::DeleteIngestConfiguration)
            .then(|| text(&parsed(request.body()), "/arn"));
        let response = account.respond(request.map(Full::new)).await;
        let (head, body) = response.map_err(|_| "the connection was closed")?.into_parts();
        let body = body.collect().await.map_err(|_| "the response ended early")?.to_bytes();
        if head.status == StatusCode::TOO_MANY_REQUESTS {
            self.0.history.violated(Invariant::Rate, format!("AWS throttles {operation:?}"));
        }
        if head.status.is_success() && !is_elsewhere {
            if let Some(arn) = deleted {
                self.0.history.deleted(&arn);
            }
            match operation {
                Operation::CreateIngestConfiguration => self.created(&parsed(&body)),
                Operation::UpdateIngestConfiguration => {
                    self.0.history.updated(&text(&parsed(&body), "/ingestConfiguration/arn"));
                }
                _ => {}
            }
        }
        Ok(Response::from_parts(head, body))
    }

    fn created(&self, response: &Value) {
        let member = |name: &str| text(response, &format!("/ingestConfiguration/{name}"));
        if !member("streamKey").starts_with(STREAM_KEY_PREFIX) {
            self.0.history.violated(Invariant::Secrets, "a stream key has another form");
        }
        let tag = |name: &str| member(&format!("tags/{MANAGED_TAG_PREFIX}{name}"));
        let request = (tag("tenant"), tag("request-id"));
        let (arn, stream_key) = (member("arn"), member("streamKey"));
        self.0.history.created_on(&request.0, &member("stageArn"));
        self.0.history.created(Configuration { arn, stream_key, request });
    }

    /// Sends a request of the SDK. The rest happens without the gateway, which may end.
    async fn send(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let io = |reason: &'static str| ConnectorError::io(reason.into());
        let mut request =
            request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
        // A client that writes to a socket adds this header, which is signed.
        let authority = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let host = HeaderValue::from_str(&authority)
            .map_err(|error| ConnectorError::user(error.into()))?;
        request.headers_mut().insert(HOST, host);
        let body = Bytes::copy_from_slice(request.body().bytes().unwrap_or_default());
        let request = request.map(|_| body);
        let operation = operation(request.method(), request.uri().path())
            .ok_or_else(|| io("the simulator does not know the operation"))?;
        let create = created_request(operation, &request);
        let _at_aws = create.map(|create| self.0.history.create_sent(create));
        let (respond, response) = oneshot::channel();
        tokio::spawn(async move {
            // The gateway may wait no longer.
            let _ = respond.send(self.carry(operation, request).await);
        });
        let received = response.await.map_err(|_| io("the network has ended"))?;
        let (head, body) = received.map_err(io)?.into_parts();
        Response::from_parts(head, SdkBody::from(body))
            .try_into()
            .map_err(|_| io("the response is not HTTP"))
    }
}

/// Returns the number, and counts it.
const fn next(count: &mut u32) -> u32 {
    let number = *count;
    *count += 1;
    number
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Network")
    }
}

impl HttpConnector for Network {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().send(request))
    }
}

impl HttpClient for Network {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
