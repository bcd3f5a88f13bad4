//! The environment of a test: emulator, folder, processes, callers.

mod aws;
mod caller;
mod configuration;
mod emulator;
mod gateway;
mod nginx;
mod port;
mod process;
mod proxy;
mod rejection;
mod replay;
mod secrets;
mod tools;

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use ivs_ingest_gateway::{
    clock::Clock,
    ledger::{Comparison, Leases, Ledger, SqliteLedger},
};
use tempfile::TempDir;
use tokio::sync::OnceCell;

pub(crate) use aws::{Answer, Authority, Aws, RecordingProxy, Seen};
pub(crate) use caller::{Caller, Transport, create, transport};
pub(crate) use emulator::{Emulator, stage_of};
pub(crate) use gateway::{Dev, Gateway};
pub(crate) use nginx::Nginx;
pub(crate) use port::free_address;
pub(crate) use process::{Finished, Process, TIMEOUT};
pub(crate) use proxy::proxy_without_goaway;
pub(crate) use rejection::Rejection;
pub(crate) use replay::Replay;
pub(crate) use tools::{grpcurl, node, node_modules, promtool, python, rust_example};

use configuration::Configuration;
use secrets::Secrets;

/// The value of a variable that a process does not get.
pub(crate) const UNSET: &str = "<unset>";

/// Creates a ledger that a start need not compare with AWS, unless the file exists.
async fn complete_ledger(path: &Path) {
    if !path.exists() {
        let leases = Leases { reserved: Duration::ZERO, sending: Duration::ZERO };
        let (ledger, _) = SqliteLedger::open(path, leases, Clock::system()).unwrap();
        ledger.set_comparison(Comparison::NotNeeded).await.unwrap();
    }
}

/// The emulator, folder and processes of one test, and their recorded output.
pub(crate) struct World {
    pub(crate) emulator: Emulator,
    folder: TempDir,
    secrets: Arc<Secrets>,
    processes: Mutex<Vec<Arc<Process>>>,
    /// Creates the ledger before the first gateway starts.
    has_ledger: OnceCell<()>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            emulator: Emulator::start(),
            folder: tempfile::tempdir().unwrap(),
            secrets: Arc::default(),
            processes: Mutex::default(),
            has_ledger: OnceCell::new(),
        }
    }

    /// Starts `serve` and waits until it serves. The lines override the default configuration
    /// of the tests. All gateways of a world share one ledger file.
    pub(crate) async fn gateway(&self, lines: &[&str]) -> Gateway {
        self.gateway_in(lines, &[]).await
    }

    /// Starts `serve` like [`Self::gateway`], with additional environment variables.
    pub(crate) async fn gateway_in(&self, lines: &[&str], variables: &[(&str, &str)]) -> Gateway {
        let file = self.configure(lines);
        let ledger = self.ledger();
        self.has_ledger.get_or_init(|| complete_ledger(&ledger)).await;
        let arguments = ["serve", "--config", file.to_str().unwrap()];
        let process = self.start("serve", &arguments, variables);
        Gateway::serving(process, file, Arc::clone(&self.secrets)).await
    }

    /// Starts `dev` on free ports.
    pub(crate) async fn dev(&self) -> Dev {
        self.dev_in(&[]).await
    }

    /// Starts `dev` on free ports, with these variables of the environment.
    pub(crate) async fn dev_in(&self, variables: &[(&str, &str)]) -> Dev {
        let listen = "--listen=127.0.0.1:0";
        let others = ["--admin-listen=127.0.0.1:0", "--emulator-listen=127.0.0.1:0"];
        let process = self.start("dev", &["dev", listen, others[0], others[1]], variables);
        Dev::serving(process, Arc::clone(&self.secrets)).await
    }

    /// Writes the configuration file and returns its path.
    pub(crate) fn configure(&self, lines: &[&str]) -> PathBuf {
        let file = self.path("gateway.toml");
        let configuration = Configuration::new(&self.emulator.url()).with(lines);
        std::fs::write(&file, configuration.to_string()).unwrap();
        file
    }

    /// Starts the binary without waiting. The variables override the usual environment; the
    /// value [`UNSET`] removes a variable.
    pub(crate) fn start(
        &self,
        name: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Arc<Process> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ivs-ingest-gateway"));
        command.args(arguments).env_clear();
        for (variable, value) in self.environment() {
            command.env(variable, value);
        }
        for (variable, value) in variables {
            if *value == UNSET {
                command.env_remove(variable);
            } else {
                command.env(variable, value);
            }
        }
        let process = Arc::new(Process::start(name, &mut command));
        self.processes.lock().unwrap().push(Arc::clone(&process));
        process
    }

    /// Runs the binary until it ends.
    pub(crate) async fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Finished {
        self.start(arguments[0], arguments, variables).finished().await
    }

    /// Runs a client until it ends. Its output is not searched for stream keys, because
    /// clients may receive them.
    pub(crate) async fn run_client(&self, command: &mut Command) -> Finished {
        Process::start("client", command).finished().await
    }

    /// Starts a client. It is killed when the world is dropped.
    pub(crate) fn start_client(&self, command: &mut Command) -> Arc<Process> {
        let process = Arc::new(Process::start("client", command));
        self.processes.lock().unwrap().push(Arc::clone(&process));
        process
    }

    /// Returns the number of calls with that `x-request-id` in the logs of the gateways.
    pub(crate) fn calls_logged(&self, call_id: &str) -> usize {
        let of_call = format!("\"call_id\":\"{call_id}\"");
        let processes = self.processes.lock().unwrap();
        let logs = processes.iter().map(|process| process.stderr().text());
        logs.map(|log| log.lines().filter(|line| line.contains(&of_call)).count()).sum()
    }

    /// Waits until the logs of the gateways have a call with that `x-request-id`.
    pub(crate) async fn wait_for_call_log(&self, call_id: &str) {
        let started = Instant::now();
        while self.calls_logged(call_id) == 0 {
            assert!(started.elapsed() < TIMEOUT, "the call {call_id} is not logged");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Returns a path in the folder of the configuration, the ledger and temporary files.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.path("ledger.db")
    }

    pub(crate) fn secrets(&self) -> &Arc<Secrets> {
        &self.secrets
    }

    /// Returns the environment of a process. It excludes the AWS settings of the machine.
    fn environment(&self) -> [(&'static str, String); 8] {
        let folder = self.folder.path().display().to_string();
        let no_file = self.path("no-such-file").display().to_string();
        [
            ("HOME", folder.clone()),
            ("TMPDIR", folder),
            ("RUST_LOG", "trace".into()),
            ("AWS_ACCESS_KEY_ID", "emulator".into()),
            ("AWS_SECRET_ACCESS_KEY", "emulator".into()),
            ("AWS_EC2_METADATA_DISABLED", "true".into()),
            ("AWS_CONFIG_FILE", no_file.clone()),
            ("AWS_SHARED_CREDENTIALS_FILE", no_file),
        ]
    }
}

/// Kills the processes and searches their output and files for stream keys.
impl Drop for World {
    fn drop(&mut self) {
        // Before the kill, because the emulator of `dev` ends with its process.
        self.secrets.add_keys_of_emulators(self.emulator.control());
        let processes = std::mem::take(&mut *self.processes.lock().unwrap());
        for process in &processes {
            process.kill();
        }
        if std::thread::panicking() {
            for process in &processes {
                process.print_tail();
            }
            return;
        }
        for process in &processes {
            let name = process.name();
            self.secrets.record(&format!("{name}, standard error"), process.stderr().text());
            self.secrets.record(&format!("{name}, standard output"), process.stdout().text());
        }
        record_files(self.folder.path(), &self.secrets);
        let leaks = self.secrets.leaks();
        assert!(leaks.is_empty(), "stream keys where none belong:\n{}", leaks.join("\n"));
    }
}

fn record_files(folder: &Path, secrets: &Secrets) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            record_files(&path, secrets);
        } else {
            secrets.record(&path.display().to_string(), std::fs::read(&path).unwrap());
        }
    }
}
