//! A core with a ledger and an emulated AWS, all on the runtime of the test.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use http::HeaderMap;
use ivs_ingest_gateway::{
    clock::Clock,
    config::Config,
    core::{Core, Determinism},
    handlers::{CallContext, Created, Handlers, permitted},
    ids::Ids,
    ivs::{Sdk, Seams},
    ledger::{Leases, Queues, SqliteLedger, Store},
    proto::v1::{
        CreateIngestConfigurationRequest, DeleteIngestConfigurationRequest, IngestProtocol,
    },
    request::{CreateIngestConfiguration, DeleteIngestConfiguration},
    telemetry::{CallRecord, Metrics},
    tenancy::{CallKind, ConcurrencyPermit, TenantId},
};
use ivs_realtime_emulator::Clock as AwsClock;
use tempfile::TempDir;
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::task::TaskTracker;

use crate::aws::{Aws, Trace};

/// The virtual start time, 2001-09-09T01:46:40Z. It differs from any real clock.
const START: Duration = Duration::from_secs(1_000_000_000);

/// The deadline of every call, and the length of every lease of the ledger.
const CALL_TIMEOUT: Duration = Duration::from_mins(1);

const CONFIG: &str = r#"
    [upstream]
    region = "us-east-1"
    endpoint_url = "http://emulator"
    [ledger]
    url = "sqlite:unused.db"
    [identity.metadata]
    enabled = true
    [tenants.acme]
"#;

/// A running core and the system around it.
pub(crate) struct System {
    pub(crate) aws: Aws,
    trace: Trace,
    core: Core,
    handlers: Handlers,
    determinism: Determinism,
    /// Runs the jobs of the ledger.
    driver: JoinHandle<()>,
    _folder: TempDir,
}

impl System {
    /// Starts the core, and returns once its ledger is rebuilt.
    pub(crate) async fn start(seed: u64) -> Self {
        let began = Instant::now();
        let wall = move || SystemTime::UNIX_EPOCH + START + began.elapsed();
        let clock = Clock::with_wall(wall);
        let determinism = Determinism { clock: clock.clone(), ids: Ids::seeded(seed) };
        let trace = Trace::begin();
        let aws = Aws::new(AwsClock::new(wall), seed, trace.clone());

        let folder = tempfile::tempdir().unwrap();
        let leases = Leases { reserved: CALL_TIMEOUT, sending: CALL_TIMEOUT };
        let (store, _) = Store::open(&folder.path().join("ledger.db"), &clock).unwrap();
        let (ledger, queues) = SqliteLedger::new(leases, clock.clone());
        let driver = tokio::spawn(drive(store, queues));

        let config = Config::parse(CONFIG, "gateway.toml", []).unwrap();
        let credentials = Credentials::new("emulator", "emulator", None, None, "test");
        let seams = Seams {
            credentials: Some(SharedCredentialsProvider::new(credentials)),
            http_client: Some(aws_sdk_ivsrealtime::config::SharedHttpClient::new(aws.clone())),
            clock,
        };
        let sdk = Sdk::load(&config.upstream, seams).await.unwrap();
        let metrics = Metrics::default();
        let core = Core::start(&determinism, sdk, Arc::new(ledger), &config, &metrics);
        let core = core.await.unwrap();
        core.is_rebuilt().wait_for(|is_rebuilt| *is_rebuilt).await.unwrap();
        let handlers = core.handlers()(TaskTracker::new());
        Self { aws, trace, core, handlers, determinism, driver, _folder: folder }
    }

    /// Creates a configuration with this `request_id`.
    pub(crate) async fn create(&self, request_id: &str) -> Created {
        let message = CreateIngestConfigurationRequest {
            name: format!("studio-{request_id}"),
            ingest_protocol: IngestProtocol::Rtmps.into(),
            request_id: request_id.to_owned(),
            ..Default::default()
        };
        let request = CreateIngestConfiguration::parse(message, &BTreeMap::new()).unwrap();
        let (context, _permit) = self.context();
        let created = self.handlers.create_ingest_configuration(&context, request).await.unwrap();
        self.trace.add(format_args!("{:?}: {created:?}", context.record().call_id()));
        created
    }

    /// Deletes a configuration.
    pub(crate) async fn delete(&self, arn: &str) {
        let message = DeleteIngestConfigurationRequest { arn: arn.to_owned(), force: false };
        let request = DeleteIngestConfiguration::parse(message).unwrap();
        let (context, _permit) = self.context();
        let deleted = self.handlers.delete_ingest_configuration(&context, request).await;
        self.trace.add(format_args!("{:?}: {deleted:?}", context.record().call_id()));
        deleted.unwrap();
    }

    /// Stops the core and returns the trace.
    pub(crate) async fn stop(self) -> Vec<String> {
        drop(self.handlers);
        self.core.stop().await;
        self.driver.await.unwrap();
        self.trace.take()
    }

    fn context(&self) -> (CallContext, ConcurrencyPermit) {
        let Determinism { clock, ids } = &self.determinism;
        let id = || ids.next_call_id(clock.wall());
        let record = CallRecord::begin(&HeaderMap::new(), clock.monotonic(), id);
        let tenant = self.core.tenants().get(&TenantId::parse("acme").unwrap()).unwrap();
        let permit = permitted(tenant.acquire_concurrency(CallKind::Other), &record).unwrap();
        (CallContext::new(tenant, &permit, clock.monotonic() + CALL_TIMEOUT, record), permit)
    }
}

/// Runs the jobs of the ledger until the ledger is dropped.
async fn drive(mut store: Store, mut queues: Queues) {
    while let Some(group) = queues.next_group().await {
        store.run(group);
    }
}
