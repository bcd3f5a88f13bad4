//! One process of the gateway: the real core, service and ledger, in tasks that a crash ends.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_ivsrealtime::config::SharedHttpClient;
use http::HeaderMap;
use ivs_ingest_gateway::{
    clock::Clock,
    config::Config,
    core::{Core, Determinism},
    handlers::{CallContext, permitted},
    ids::Ids,
    ivs::{Sdk, Seams},
    ledger::{Leases, SqliteLedger, Store},
    rpc::{Rpc, status},
    tasks::Process,
    telemetry::{CallRecord, Metrics},
    tenancy::{CallKind, TenantId, Tenants},
};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Request, Response, Status};
use tonic_types::StatusExt;

use crate::{
    clock::WallClock,
    disk::Disk,
    network::Network,
    plan::{Plan, TENANTS, TenantPlan},
};

/// The time after which a crash happens even without further polls.
const LATEST_CRASH: Duration = Duration::from_secs(30);

/// The time that a caller waits after an error without a delay of its own.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// A running process. [`Running::crash`] ends it.
pub struct Running {
    /// The service, for the callers.
    pub gateway: Gateway,
    _core: Core,
    driver: JoinHandle<()>,
}

/// The service of a process. Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    rpc: Rpc,
    tenants: Arc<Tenants>,
    determinism: Determinism,
    life: Arc<Life>,
}

/// Whether the process runs.
#[derive(Debug)]
struct Life {
    is_running: AtomicBool,
    /// The number of polls until it ends.
    polls_left: AtomicU64,
    ended: CancellationToken,
}

/// The failure of a call, as its caller sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError {
    /// The call may be repeated after that time.
    Retry {
        /// The reason of the gateway, or of the transport.
        reason: String,
        /// The time to wait.
        delay: Duration,
    },
    /// A repetition does not help.
    Final {
        /// The reason of the gateway.
        reason: String,
    },
}

impl Life {
    fn polled(&self) -> bool {
        let left = self.polls_left.load(Ordering::Relaxed);
        if left == 0 {
            self.end();
        } else if left < u64::MAX {
            self.polls_left.store(left - 1, Ordering::Relaxed);
        }
        self.is_running.load(Ordering::Relaxed)
    }

    fn end(&self) {
        self.is_running.store(false, Ordering::Relaxed);
        self.ended.cancel();
    }
}

/// Returns the settings of the gateway: the defaults, except for the tenants and for
/// `settle.give_up_after_ms`.
///
/// # Errors
/// The problems of the settings.
pub fn config(plan: &Plan) -> Result<Config, String> {
    let give_up_after_ms = plan.give_up_after.as_millis();
    let mut text = format!(
        r#"
        [upstream]
        region = "us-east-1"
        endpoint_url = "http://emulator"
        [ledger]
        url = "sqlite:unused.db"
        [settle]
        give_up_after_ms = {give_up_after_ms}
        [identity.metadata]
        enabled = true
    "#
    );
    for TenantPlan { id, quota, weight } in &TENANTS {
        let section =
            format!("[tenants.{id}]\nmax_ingest_configurations = {quota}\nweight = {weight}\n");
        text.push_str(&section);
    }
    Config::parse(&text, "the configuration of the simulator", []).map_err(|it| it.to_string())
}

/// Loads the SDK's settings.
///
/// # Errors
/// No region is known.
pub async fn sdk(config: &Config, network: &Network, clock: Clock) -> Result<Sdk, String> {
    let credentials = Credentials::new("emulator", "emulator", None, None, "simulator");
    let seams = Seams {
        credentials: Some(SharedCredentialsProvider::new(credentials)),
        http_client: Some(SharedHttpClient::new(network.clone())),
        clock,
    };
    Sdk::load(&config.upstream, seams).await.map_err(|error| error.to_string())
}

impl Running {
    /// Starts a process on the ledger of the disk.
    ///
    /// # Errors
    /// The ledger cannot be opened.
    pub fn start(
        config: &Config,
        sdk: Sdk,
        disk: &Disk,
        clock: &WallClock,
        ids: Ids,
    ) -> Result<Self, String> {
        let life = Arc::new(Life {
            is_running: AtomicBool::new(true),
            polls_left: AtomicU64::new(u64::MAX),
            ended: CancellationToken::new(),
        });
        let (wall, polled) = (clock.clone(), Arc::clone(&life));
        let determinism = Determinism {
            clock: Clock::with_wall(move || wall.now()),
            ids,
            process: Process::simulated(move || polled.polled()),
        };
        let leases = Leases::new(config.server.max_deadline, config.upstream.attempt_timeout);
        let opened = Store::open(&disk.ledger(), &leases, &determinism.clock);
        let (store, _) = opened.map_err(|error| error.to_string())?;
        let (ledger, queues) = SqliteLedger::new(leases, determinism.clock.clone());
        let driver = determinism.process.spawn(disk.clone().drive(store, queues));
        let metrics = Metrics::default();
        let core = Core::start(&determinism, sdk, Arc::new(ledger), config, &metrics);
        let rpc = Rpc::new(core.handlers()(TaskTracker::new()));
        let tenants = Arc::clone(core.tenants());
        let gateway = Gateway { rpc, tenants, determinism, life };
        Ok(Self { gateway, _core: core, driver })
    }

    /// Ends the process at the given poll from now on.
    pub async fn crash(self, polls: u32) {
        let life = &self.gateway.life;
        life.polls_left.store(u64::from(polls), Ordering::Relaxed);
        // A process without work is not polled.
        let _ = timeout(LATEST_CRASH, life.ended.cancelled()).await;
        life.end();
        end_task(self.driver).await;
    }
}

/// Drops the task's future, and with it the lock of the ledger.
async fn end_task(task: JoinHandle<()>) {
    task.abort();
    // Cancelled.
    let _ = task.await;
}

impl Gateway {
    /// Makes a call. A drop of the future disconnects the caller.
    ///
    /// # Errors
    /// [`CallError`], as the rule of `docs/calling.md` classifies it.
    pub async fn call<M, R, F>(
        &self,
        tenant: &str,
        message: M,
        deadline: Duration,
        method: impl FnOnce(Rpc, Request<M>) -> F,
    ) -> Result<R, CallError>
    where
        R: Send + 'static,
        F: Future<Output = Result<Response<R>, Status>> + Send + 'static,
    {
        let Determinism { clock, ids, process } = &self.determinism;
        let id = || ids.next_call_id(clock.wall());
        let record = CallRecord::begin(&HeaderMap::new(), clock.monotonic(), id);
        let tenant = TenantId::parse(tenant).map_err(|_| unexpected("no tenant id"))?;
        let tenant = self.tenants.get(&tenant).map_err(|_| unexpected("no such tenant"))?;
        let permit = permitted(tenant.acquire_concurrency(CallKind::Other), &record)
            .map_err(|error| classified(&status::of(&error)))?;
        let context = CallContext::new(tenant, &permit, clock.monotonic() + deadline, record);
        let mut request = Request::new(message);
        request.extensions_mut().insert(context);
        let mut call = process.spawn(method(self.rpc.clone(), request));
        let aborts = call.abort_handle();
        let _guard = Abort(aborts);
        tokio::select! {
            biased;
            () = self.life.ended.cancelled() => Err(retry("UNAVAILABLE", RETRY_DELAY)),
            response = &mut call => match response {
                Ok(Ok(response)) => Ok(response.into_inner()),
                Ok(Err(status)) => Err(classified(&status)),
                Err(error) => Err(unexpected(&format!("the call ended: {error}"))),
            },
            // The edge ends the call then.
            () = sleep(deadline) => Err(retry("DEADLINE_EXCEEDED", RETRY_DELAY)),
        }
    }
}

/// Ends a call when its caller disconnects.
struct Abort(tokio::task::AbortHandle);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn retry(reason: &str, delay: Duration) -> CallError {
    CallError::Retry { reason: reason.to_owned(), delay }
}

fn unexpected(reason: &str) -> CallError {
    CallError::Final { reason: format!("UNEXPECTED: {reason}") }
}

fn classified(status: &Status) -> CallError {
    let details = status.get_error_details();
    let reason = details
        .error_info()
        .map_or_else(|| format!("UNEXPECTED: {status}"), |info| info.reason.clone());
    let delay = details.retry_info().and_then(|it| it.retry_delay);
    match delay {
        Some(delay) => CallError::Retry { reason, delay },
        None if reason == "DEADLINE_EXCEEDED" => CallError::Retry { reason, delay: RETRY_DELAY },
        None => CallError::Final { reason },
    }
}

/// Calls a method of the service by its name.
#[macro_export]
macro_rules! method {
    ($name:ident) => {
        |rpc: ivs_ingest_gateway::rpc::Rpc, request| async move {
            ivs_ingest_gateway::proto::v1::ingest_service_server::IngestService::$name(
                &rpc, request,
            )
            .await
        }
    };
}
