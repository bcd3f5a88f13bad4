//! The gateway as users start it: the binary with a configuration file and a ledger file.
//! The files survive a kill.

use std::{
    fmt::Write,
    fs::{self, File},
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use ivs_ingest_gateway::{
    ledger::{SqliteLedger, State},
    proto::v1::ingest_service_client::IngestServiceClient,
};
use rusqlite::{Connection, OpenFlags};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tonic::transport::{Channel, Endpoint};

use crate::{
    aws::{Aws, exchange},
    draws::Draws,
    print,
};

/// The states of rows with unfinished work.
const UNRESOLVED: [State; 4] = [State::Reserved, State::Sending, State::InDoubt, State::Deleting];

/// Time limit of every wait.
const WAIT_TIMEOUT: Duration = Duration::from_secs(90);

/// The files and ports of a gateway.
pub(crate) struct Gateway {
    folder: TempDir,
    listen: SocketAddr,
    admin: SocketAddr,
    running: Option<Child>,
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
            retry_after_ms: 1500,
            give_up_after_ms: 10_000,
            scan_interval_ms: 500,
        }
    }
}

/// A row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LedgerRow {
    pub(crate) tenant: String,
    pub(crate) request_id: String,
    pub(crate) operation_id: Vec<u8>,
    pub(crate) fingerprint: Vec<u8>,
    /// The number of its [`State`].
    pub(crate) state: u8,
    pub(crate) arn: Option<String>,
    pub(crate) name: String,
    pub(crate) stage_arn: String,
    pub(crate) user_id: String,
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
        SqliteLedger::create(&folder.path().join("ledger.db")).unwrap();
        Self { folder, listen, admin, running: None }
    }

    /// Starts the process. Does not wait until it is ready.
    pub(crate) fn start(&mut self) {
        let log = File::options().create(true).append(true).open(self.log_path()).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_ivs-ingest-gateway"))
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
    pub(crate) async fn ready(&self) {
        let request = "GET /readyz HTTP/1.1\r\nhost: gateway\r\n\r\n";
        until("the gateway is ready", async || {
            let response = exchange(self.admin, request).await;
            response.is_ok_and(|response| response.starts_with("HTTP/1.1 200 "))
        })
        .await;
    }

    /// Kills the process with SIGKILL.
    ///
    /// # Panics
    /// If the process has already ended.
    pub(crate) async fn kill(&mut self) {
        let mut child = self.running.take().unwrap();
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none(), "the gateway ended by itself: {ended:?}\n{}", self.log_end());
        child.kill().await.unwrap();
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

    /// Every row of the ledger, in the order of operation ids. The gateway may be running.
    pub(crate) fn rows(&self) -> Vec<LedgerRow> {
        self.try_rows().unwrap()
    }

    /// Like [`Self::rows`], for a ledger that may not exist yet.
    pub(crate) fn try_rows(&self) -> rusqlite::Result<Vec<LedgerRow>> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(self.ledger_path(), flags)?;
        connection.busy_timeout(WAIT_TIMEOUT)?;
        let mut statement = connection.prepare(
            "SELECT tenant, request_id, operation_id, fingerprint, state, arn, name, stage_arn,
               user_id
             FROM ingest_configurations ORDER BY operation_id",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(LedgerRow {
                tenant: row.get(0)?,
                request_id: row.get(1)?,
                operation_id: row.get(2)?,
                fingerprint: row.get(3)?,
                state: row.get(4)?,
                arn: row.get(5)?,
                name: row.get(6)?,
                stage_arn: row.get(7)?,
                user_id: row.get(8)?,
            })
        })?;
        rows.collect()
    }

    /// The number of rows in any of these states.
    pub(crate) fn count(&self, states: &[State]) -> usize {
        let mut rows = self.rows();
        rows.retain(|row| states.iter().any(|state| row.state == *state as u8));
        rows.len()
    }

    /// Waits until no row has unfinished work.
    pub(crate) async fn resolved(&self) {
        until("every row is resolved", async || self.count(&UNRESOLVED) == 0).await;
    }

    pub(crate) fn ledger_path(&self) -> PathBuf {
        self.folder.path().join("ledger.db")
    }

    /// Deletes the ledger, including the other files of SQLite.
    pub(crate) fn delete_ledger(&self) {
        for suffix in ["", "-wal", "-shm"] {
            let mut path = self.ledger_path().into_os_string();
            path.push(suffix);
            // After a clean stop the other files do not exist.
            let _ = fs::remove_file(path);
        }
    }

    /// The log of all processes of the gateway.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("gateway.log")
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
