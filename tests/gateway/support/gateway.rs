//! A gateway that serves.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use rustix::process::Signal;
use serde_json::Value;

use super::{Caller, Finished, Process, secrets::Secrets};

/// A running `serve`.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    process: Arc<Process>,
    file: PathBuf,
    secrets: Arc<Secrets>,
}

/// A running `dev`, and what it printed for the person who started it.
pub(crate) struct Dev {
    pub(crate) welcome: String,
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

    /// A caller for that tenant, with a connection of its own.
    pub(crate) fn caller(&self, tenant: &str) -> Caller {
        self.caller_at(self.address, tenant)
    }

    /// A caller that reaches the gateway through another address.
    pub(crate) fn caller_at(&self, address: SocketAddr, tenant: &str) -> Caller {
        Caller::new(address, tenant, Arc::clone(&self.secrets))
    }

    /// The first line of the log with that message.
    pub(crate) async fn log(&self, message: &str) -> Value {
        self.process.log(message).await
    }

    /// The line that the call with that `x-request-id` left in the log.
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

    /// Makes the gateway read this text as its configuration, and returns what it says.
    pub(crate) async fn reload(&self, configuration: &str, message: &str) -> Value {
        std::fs::write(&self.file, configuration).unwrap();
        self.process.signal(Signal::HUP);
        self.log(message).await
    }

    /// The id of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits for the end, which something else brings about.
    pub(crate) async fn finished(&self) -> Finished {
        self.process.finished().await
    }

    /// Stops it as an operator does.
    pub(crate) async fn stop(&self) {
        self.process.signal(Signal::TERM);
        let finished = self.process.finished().await;
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    }

    /// Stops it as a crash does (kill -9).
    pub(crate) fn kill(&self) {
        self.process.kill();
    }
}

impl Process {
    /// The first line of the log with that message.
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
    pub(super) async fn serving(process: Arc<Process>, secrets: &Secrets) -> Self {
        let emulator = process.stdout().line("that names the emulator", |line| {
            let (_, url) = line.split_once("emulator of AWS at http://")?;
            url.trim_end_matches('.').parse().ok()
        });
        secrets.watch(emulator.await);
        let last = |line: &str| line.contains("describe ivs.ingest.v1.IngestService").then_some(());
        process.stdout().line("that describes the API", last).await;
        process.log("serving").await;
        Self { welcome: process.stdout().text() }
    }
}
