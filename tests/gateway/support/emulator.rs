//! An emulator of AWS on a free port, and its control API.

use std::time::{Duration, Instant};

use aws_sdk_ivsrealtime::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region},
};
use ivs_realtime_emulator::{
    Background, Calls, ConfigurationSnapshot, ControlClient, Fault, FaultKind, Operation,
    PublishState, Settings,
};
use tokio::time;

use super::TIMEOUT;

/// Interval between reads of the emulator's call counts.
const PAUSE: Duration = Duration::from_millis(2);

/// Delay after which lists show a new configuration. It is longer than any test, so that
/// in-doubt creates stay in doubt unless the test calls [`Emulator::list_immediately`].
const NEVER: Duration = Duration::from_hours(1);

/// The tenants that have a stage.
const TENANTS: [&str; 2] = ["acme", "globex"];

/// An emulator without call rates. It stops when it is dropped.
pub(crate) struct Emulator(Background);

/// Returns the ARN of the stage of `acme` or of `globex`.
pub(crate) fn stage_of(tenant: &str) -> String {
    let id = match tenant {
        "acme" => "AcmeStudio0001",
        "globex" => "GlobexStudio0001",
        other => panic!("{other} has no stage"),
    };
    format!("arn:aws:ivs:us-east-1:123456789012:stage/{id}")
}

impl Emulator {
    pub(super) fn start() -> Self {
        let settings = Settings { visibility_delay: NEVER, ..Settings::for_tests() };
        let emulator = Background::start(settings).unwrap();
        for tenant in TENANTS {
            let tags = [("tenant".to_owned(), tenant.to_owned())].into();
            let stage = emulator.create_stage(&format!("{tenant}-studio"), tags);
            assert_eq!(stage, stage_of(tenant));
        }
        Self(emulator)
    }

    pub(crate) fn url(&self) -> String {
        self.0.url()
    }

    pub(crate) fn control(&self) -> ControlClient {
        self.0.control()
    }

    /// Returns an SDK client of the emulator.
    pub(crate) fn sdk(&self) -> Client {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .endpoint_url(self.url())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("emulator", "emulator", None, None, "test"));
        Client::from_conf(config.build())
    }

    /// Creates a stage of the tenant, as its operator would, and returns its ARN.
    pub(crate) async fn create_stage(&self, tenant: &str) -> String {
        let create = self.sdk().create_stage().tags("tenant", tenant);
        create.send().await.unwrap().stage.unwrap().arn
    }

    /// Adds a fault.
    pub(crate) fn fault(&self, fault: &Fault) {
        self.control().add_fault(fault).unwrap();
    }

    /// Adds a fault to the next call of the operation.
    pub(crate) fn next(&self, operation: Operation, kind: FaultKind, delay_ms: u64) {
        let delay = Duration::from_millis(delay_ms);
        self.fault(&Fault::new(kind).on(operation).delayed(delay).times(1));
    }

    /// Adds a fault to the next create.
    pub(crate) fn next_create(&self, kind: FaultKind, delay_ms: u64) {
        self.next(Operation::CreateIngestConfiguration, kind, delay_ms);
    }

    /// Lets the emulator carry out the next create, and delay its response until
    /// [`Emulator::release`].
    pub(crate) fn hold_next_create(&self) {
        self.next_create(FaultKind::Hold, 0);
    }

    /// Lets lists show configurations immediately after their creation, from now on.
    pub(crate) fn list_immediately(&self) {
        self.control().set_visibility_delay(Duration::ZERO).unwrap();
    }

    /// Removes all faults and sends the delayed responses.
    pub(crate) fn release(&self) {
        self.control().clear_faults().unwrap();
    }

    /// Lets the next create fail with an error.
    pub(crate) fn next_create_error(&self, status: u16, code: &str) {
        self.fault(&create_error(status, code).times(1));
    }

    /// Lets all further creates fail with an error.
    pub(crate) fn create_errors(&self, status: u16, code: &str) {
        self.fault(&create_error(status, code));
    }

    /// Sets the configuration to the state in which an encoder publishes through it.
    pub(crate) fn activate(&self, arn: &str) {
        self.control().set_state(arn, PublishState::Active).unwrap();
    }

    /// Returns the counts of the operation's calls.
    pub(crate) fn counts(&self, operation: Operation) -> Calls {
        self.control().calls_of(operation).unwrap()
    }

    /// Returns the number of calls of the operation that the emulator has received.
    pub(crate) fn calls(&self, operation: Operation) -> u64 {
        self.counts(operation).calls
    }

    /// Returns the number of creates that the emulator has received.
    pub(crate) fn creates(&self) -> u64 {
        self.calls(Operation::CreateIngestConfiguration)
    }

    /// Waits until the emulator has received `count` creates.
    pub(crate) async fn wait_for_creates(&self, count: u64) {
        wait_for_creates(&self.control(), count).await;
    }

    /// Returns all configurations, with their tags and stream keys.
    pub(crate) fn configurations(&self) -> Vec<ConfigurationSnapshot> {
        self.control().state().unwrap().ingest_configurations
    }

    /// Removes everything except the initial stages, as if it had been deleted at AWS. Also resets
    /// the counts, the faults and the settings.
    pub(crate) fn delete_all(&self) {
        self.control().reset().unwrap();
    }
}

fn create_error(status: u16, code: &str) -> Fault {
    let error = Fault::error(status, code).on(Operation::CreateIngestConfiguration);
    error.with_message("arn:aws:iam::123456789012:role/gateway")
}

/// Waits until that emulator has received `count` creates.
pub(super) async fn wait_for_creates(emulator: &ControlClient, count: u64) {
    let started = Instant::now();
    let received = || emulator.calls_of(Operation::CreateIngestConfiguration).unwrap().calls;
    while received() < count {
        assert!(started.elapsed() < TIMEOUT, "fewer than {count} creates reached AWS");
        time::sleep(PAUSE).await;
    }
}
