//! The gateway as users start it: the binary with a configuration file and a ledger file.
//! The files survive a kill.

use std::{
    fmt::Write,
    fs::{self, File},
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use ivs_ingest_gateway::{ledger::State, proto::v1::ingest_service_client::IngestServiceClient};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tonic::transport::{Channel, Endpoint};

use crate::{
    aws::{Aws, exchange},
    draws::Draws,
    ledger_file::LedgerFile,
    machine::{Counter, Machine},
    print,
};

/// The states of rows with unfinished work.
const UNRESOLVED: [State; 4] = [State::Reserved, State::Sending, State::InDoubt, State::Deleting];

/// Time limit of every wait. A clock that was ahead delays resolutions by up to 140 s.
pub(crate) const WAIT_TIMEOUT: Duration = Duration::from_mins(5);

/// The files and ports of a gateway.
pub(crate) struct Gateway {
    pub(crate) ledger: LedgerFile,
    folder: TempDir,
    listen: SocketAddr,
    admin: SocketAddr,
    /// The machine whose disk and clock the test controls, if it does.
    machine: Option<Arc<Machine>>,
    running: Option<Child>,
    started: Started,
    /// The number of starts that the disk has failed.
    pub(crate) failed_starts: usize,
}

/// The state at the last start of the process.
#[derive(Debug, Default)]
struct Started {
    log_length: usize,
    /// The number of accesses to the disk that had failed.
    failed: i64,
}

/// The settings of the configuration file other than addresses.
pub(crate) struct GatewaySettings {
    pub(crate) calls_per_second: f64,
    pub(crate) attempt_timeout_ms: u64,
    pub(crate) first_probe_ms: u64,
    pub(crate) retry_after_ms: u64,
    pub(crate) give_up_after_ms: u64,
    pub(crate) scan_interval_ms: u64,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            calls_per_second: 1000.0,
            attempt_timeout_ms: 300,
            first_probe_ms: 50,
            retry_after_ms: 3000,
            give_up_after_ms: 10_000,
            scan_interval_ms: 500,
        }
    }
}

impl Gateway {
    /// Writes the configuration with the tenants and their quotas. Starts nothing.
    pub(crate) fn new(
        aws: &Aws,
        settings: &GatewaySettings,
        tenants: &[(String, usize)],
        draws: &mut Draws,
    ) -> Self {
        let folder = tempfile::Builder::new().prefix("ingest-campaign-").tempdir().unwrap();
        let (listen, admin) = (free_address(draws), free_address(draws));
        let GatewaySettings {
            calls_per_second,
            attempt_timeout_ms,
            first_probe_ms,
            retry_after_ms,
            give_up_after_ms,
            scan_interval_ms,
        } = settings;
        let connect_timeout_ms = attempt_timeout_ms / 2;
        let mut text = format!(
            r#"
            [server]
            listen = "{listen}"
            admin_listen = "{admin}"
            [upstream]
            region = "us-east-1"
            endpoint_url = "{url}"
            calls_per_second = {calls_per_second:?}
            attempt_timeout_ms = {attempt_timeout_ms}
            connect_timeout_ms = {connect_timeout_ms}
            [ledger]
            url = "sqlite:ledger.db"
            [settle]
            first_probe_ms = {first_probe_ms}
            retry_after_ms = {retry_after_ms}
            give_up_after_ms = {give_up_after_ms}
            [sweep]
            interval_ms = {scan_interval_ms}
            [identity.metadata]
            enabled = true
            [tenants.default]
            request_rate = {{ per_second = 100000, burst = 100000 }}
            create_rate = {{ per_second = 100000, burst = 100000 }}
            max_concurrent_calls = 2000
            max_in_flight = 1000
            "#,
            url = aws.url(),
        );
        for (tenant, quota) in tenants {
            writeln!(text, "[tenants.{tenant}]\nmax_ingest_configurations = {quota}").unwrap();
        }
        fs::write(folder.path().join("gateway.toml"), text).unwrap();
        let (ledger, started) = (LedgerFile::create(folder.path()), Started::default());
        let (machine, running) = (None, None);
        Self { ledger, folder, listen, admin, machine, running, started, failed_starts: 0 }
    }

    /// Replaces a part of the configuration file.
    pub(crate) fn edit(&self, old: &str, new: &str) {
        let path = self.folder.path().join("gateway.toml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(old), "{text}");
        fs::write(path, text.replace(old, new)).unwrap();
    }

    /// Returns the machine of all further processes, whose disk and clock the test controls.
    pub(crate) fn control_machine(&mut self) -> Arc<Machine> {
        Arc::clone(self.machine.insert(Arc::new(Machine::new(self.folder.path()))))
    }

    /// Starts the process. Does not wait until it is ready.
    pub(crate) fn start(&mut self) {
        let log = File::options().create(true).append(true).open(self.log_path()).unwrap();
        let failed = self.machine.as_ref().map_or(0, |machine| machine.failed());
        self.started = Started { log_length: self.log().len(), failed };
        let child = Command::new(env!("CARGO_BIN_EXE_ivs-ingest-gateway"))
            .envs(self.machine.iter().flat_map(|machine| machine.environment()))
            .args(["serve", "--config", "gateway.toml"])
            .current_dir(self.folder.path())
            .env("AWS_ACCESS_KEY_ID", "emulator")
            .env("AWS_SECRET_ACCESS_KEY", "emulator")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("RUST_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        self.running = Some(child);
    }

    /// Waits until the gateway is ready.
    pub(crate) async fn ready(&mut self) {
        let request = "GET /readyz HTTP/1.1\r\nhost: gateway\r\n\r\n";
        until("the gateway is ready", async || {
            self.supervise();
            let response = exchange(self.admin, request).await;
            response.is_ok_and(|response| response.starts_with("HTTP/1.1 200 "))
        })
        .await;
    }

    /// Checks that the process has loaded the library with the faults.
    pub(crate) fn assert_controlled(&self) {
        let loaded = self.machine.as_ref().map_or(0, |machine| machine.count(Counter::Loaded));
        assert!(
            loaded > 0,
            "the gateway has not loaded the library with the faults, for example because it is \
             linked statically; run the campaign with a target of Linux and glibc"
        );
    }

    /// Starts the process again if it has ended, as a service manager does. Only a failure of the
    /// disk may end it, and only before it serves.
    pub(crate) fn supervise(&mut self) {
        let Some(status) = self.running.as_mut().unwrap().try_wait().unwrap() else { return };
        let failed = self.machine.as_ref().map_or(0, |machine| machine.failed());
        assert!(
            failed > self.started.failed && !self.log_since_start().contains(r#""serving""#),
            "the gateway ended by itself: {status}\n{}",
            self.log_end()
        );
        self.failed_starts += 1;
        self.start();
    }

    /// Kills the process with SIGKILL.
    ///
    /// # Panics
    /// If the process has already ended without a failure of the disk.
    pub(crate) async fn kill(&mut self) {
        self.supervise();
        self.running.take().unwrap().kill().await.unwrap();
    }

    /// Stops the process with SIGTERM.
    pub(crate) async fn stop(&mut self) {
        let mut child = self.running.take().unwrap();
        let id = child.id().expect("the gateway ended by itself");
        let id = Pid::from_raw(id.try_into().unwrap()).unwrap();
        kill_process(id, Signal::TERM).unwrap();
        let ended = tokio::time::timeout(WAIT_TIMEOUT, child.wait()).await;
        let status = ended.expect("the gateway does not stop").unwrap();
        assert!(status.success(), "{status}\n{}", self.log_end());
    }

    /// A client that connects at its first call, and again after a lost connection.
    pub(crate) fn client(&self) -> IngestServiceClient<Channel> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.listen)).unwrap();
        IngestServiceClient::new(endpoint.connect_timeout(Duration::from_secs(1)).connect_lazy())
    }

    /// Waits until no row has unfinished work.
    pub(crate) async fn resolved(&self) {
        until("every row is resolved", async || self.ledger.count(&UNRESOLVED) == 0).await;
    }

    /// The log of all processes of the gateway.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("gateway.log")
    }

    fn log_since_start(&self) -> String {
        self.log().split_off(self.started.log_length)
    }

    fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Gateway {
    /// A failed test keeps the ledger and the log for inspection.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.folder.disable_cleanup(true);
            print(&format!("ledger and log of the gateway: {}", self.folder.path().display()));
        }
    }
}

/// Waits until `happened` returns true.
///
/// # Panics
/// After [`WAIT_TIMEOUT`].
pub(crate) async fn until(what: &str, mut happened: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !happened().await {
        assert!(began.elapsed() < WAIT_TIMEOUT, "waited {WAIT_TIMEOUT:?} until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A free port below 32768. Linux assigns ports from 32768 up to outgoing connections, so
/// the port stays free while the gateway is down.
fn free_address(draws: &mut Draws) -> SocketAddr {
    loop {
        let port = u16::try_from(10_000 + draws.below(20_000)).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
