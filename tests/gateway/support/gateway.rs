//! A running gateway.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use ivs_realtime_emulator::ControlClient;
use rustix::process::Signal;
use serde_json::Value;
use tokio::time::sleep;

use super::{Caller, Finished, Process, TIMEOUT, emulator::wait_for_creates, secrets::Secrets};

/// A running `serve`.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    process: Arc<Process>,
    file: PathBuf,
    secrets: Arc<Secrets>,
}

/// A running `dev` command, and its output for the user.
pub(crate) struct Dev {
    pub(crate) welcome: String,
    pub(crate) process: Arc<Process>,
    address: SocketAddr,
    emulator: SocketAddr,
    secrets: Arc<Secrets>,
}

impl Gateway {
    pub(super) async fn serving(
        process: Arc<Process>,
        file: PathBuf,
        secrets: Arc<Secrets>,
    ) -> Self {
        let serving = process.log("serving").await;
        let address = |key: &str| serving[key].as_str().unwrap().parse().unwrap();
        let (address, admin) = (address("listen"), address("admin_listen"));
        Self { address, admin, process, file, secrets }
    }

    /// Returns a caller for that tenant, with its own connection.
    pub(crate) fn caller(&self, tenant: &str) -> Caller {
        self.caller_at(self.address, tenant)
    }

    /// Returns a caller that connects to another address, such as a proxy's.
    pub(crate) fn caller_at(&self, address: SocketAddr, tenant: &str) -> Caller {
        Caller::new(address, tenant, Arc::clone(&self.secrets))
    }

    /// Waits for the first log line with that message.
    pub(crate) async fn log(&self, message: &str) -> Value {
        self.process.log(message).await
    }

    /// Waits for the log line of the call with that `x-request-id`.
    pub(crate) async fn call_log(&self, call_id: &str) -> Value {
        let what = format!("of the call {call_id}");
        let of_call = |line: &str| {
            if !line.contains(call_id) {
                return None;
            }
            let line: Value = serde_json::from_str(line).unwrap();
            (line["message"] == "call" && line["call_id"] == call_id).then_some(line)
        };
        self.process.stderr().line(&what, of_call).await
    }

    /// Returns the response of the admin listener, with its head.
    pub(crate) fn admin_page(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.admin).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n").unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    }

    /// Waits until `/readyz` contains a text.
    pub(crate) async fn wait_for_readiness(&self, text: &str) {
        let started = Instant::now();
        loop {
            let page = self.admin_page("/readyz");
            if page.contains(text) {
                return;
            }
            assert!(started.elapsed() < TIMEOUT, "{page}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Replaces the configuration file, lets the gateway reload it, and returns the log line
    /// with `message`.
    pub(crate) async fn reload(&self, configuration: &str, message: &str) -> Value {
        std::fs::write(&self.file, configuration).unwrap();
        self.process.signal(Signal::HUP);
        self.log(message).await
    }

    /// Returns the process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits for the end of the process.
    pub(crate) async fn finished(&self) -> Finished {
        self.process.finished().await
    }

    /// Stops the process like an operator, with SIGTERM.
    pub(crate) async fn stop(&self) {
        self.process.signal(Signal::TERM);
        let finished = self.process.finished().await;
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    }

    /// Kills the process with SIGKILL.
    pub(crate) fn kill(&self) {
        self.process.kill();
    }
}

impl Process {
    /// Waits for the first log line with that message.
    pub(crate) async fn log(&self, message: &str) -> Value {
        let with_message = |line: &str| {
            if !line.contains(message) {
                return None;
            }
            let line: Value = serde_json::from_str(line).ok()?;
            (line["message"] == message).then_some(line)
        };
        self.stderr().line(&format!("{message:?}"), with_message).await
    }
}

impl Dev {
    pub(super) async fn serving(process: Arc<Process>, secrets: Arc<Secrets>) -> Self {
        let emulator = process.stdout().line("that names the emulator", |line| {
            let (_, url) = line.split_once("emulator of AWS at http://")?;
            url.trim_end_matches('.').parse().ok()
        });
        let emulator = emulator.await;
        secrets.watch(emulator);
        let last = |line: &str| line.contains("describe ivs.ingest.v1.IngestService").then_some(());
        process.stdout().line("that describes the API", last).await;
        let serving = process.log("serving").await;
        let address = serving["listen"].as_str().unwrap().parse().unwrap();
        Self { welcome: process.stdout().text(), process, address, emulator, secrets }
    }

    pub(crate) fn caller(&self, tenant: &str) -> Caller {
        Caller::new(self.address, tenant, Arc::clone(&self.secrets))
    }

    pub(crate) fn emulator(&self) -> ControlClient {
        ControlClient::new(self.emulator)
    }

    /// Waits until a create has reached the emulator.
    pub(crate) async fn wait_for_create(&self) {
        wait_for_creates(&self.emulator(), 1).await;
    }
}
