//! The three client programs, each with its own stage and `request_id`.

use std::{env, fs, net::SocketAddr, os::unix::fs::symlink, path::Path, process::Command};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Process, World, node, node_modules, python, rust_example};

/// The number of clients.
pub(super) const COUNT: u64 = 3;

const BUDGET_MS: u64 = 25_000;

/// The root of the repository, in which the examples run.
const TOP: &str = env!("CARGO_MANIFEST_DIR");

pub(super) struct Clients {
    clients: Vec<Client>,
    /// The folder of the generated Python code and of the Node program with its packages.
    _folder: TempDir,
}

struct Client {
    process: Process,
    stage_arn: String,
}

impl Clients {
    /// Starts each program with a stage of its own, without waiting.
    pub(super) async fn start(world: &World, address: SocketAddr, attempt_ms: u64) -> Self {
        Self::start_with(world, address, attempt_ms, None).await
    }

    /// Starts each program with this value of `--stage`.
    pub(super) async fn start_on(world: &World, address: SocketAddr, stage: &str) -> Self {
        Self::start_with(world, address, BUDGET_MS, Some(stage)).await
    }

    async fn start_with(
        world: &World,
        address: SocketAddr,
        attempt_ms: u64,
        stage: Option<&str>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let programs = [
            ("python", python_example(folder.path())),
            ("node", node_example(folder.path())),
            ("rust", rust_example()),
        ];
        let mut clients = Vec::new();
        for (language, mut command) in programs {
            let stage_arn = match stage {
                Some(stage) => stage.to_owned(),
                None => world.emulator.create_stage("acme").await,
            };
            command
                .current_dir(TOP)
                // gRPC clients would send even loopback calls to a proxy of this machine.
                .env_remove("http_proxy")
                .env_remove("https_proxy")
                .env_remove("grpc_proxy")
                .args(["--address", &address.to_string(), "--tenant", "acme"])
                .args(["--stage", &stage_arn, "--request-id", &format!("{language}-example")])
                .args(["--attempt-timeout-ms", &attempt_ms.to_string()])
                .args(["--budget-ms", &BUDGET_MS.to_string()]);
            clients.push(Client { process: Process::start(language, &mut command), stage_arn });
        }
        Self { clients, _folder: folder }
    }

    /// Waits until the first attempt of each client has failed with a line that contains one
    /// of these words.
    pub(super) async fn failed_once(&self, with: &[&str]) {
        for Client { process, .. } in &self.clients {
            let of_attempt = |line: &str| line.starts_with("attempt 1:").then(|| line.to_owned());
            let line = process.stderr().line("of a failed attempt", of_attempt).await;
            assert!(with.iter().any(|word| line.contains(word)), "{}: {line}", process.name());
        }
    }

    /// Waits for the end of each client, and asserts that it failed and printed this line.
    pub(super) async fn have_failed_with(&self, line: &str) {
        for Client { process, .. } in &self.clients {
            let finished = process.finished().await;
            assert_eq!(finished.code, Some(1), "{}: {finished:?}", process.name());
            let has_line = finished.stderr.lines().any(|printed| printed == line);
            assert!(has_line, "{}:\n{}", process.name(), finished.stderr);
        }
    }

    /// Waits for the end of each client, and asserts that each has exactly one configuration.
    pub(super) async fn have_one_configuration_each(&self, world: &World) {
        for client in &self.clients {
            client.has_one_configuration(world).await;
        }
        assert_eq!(world.emulator.configurations().len(), self.clients.len());
        assert_eq!(world.emulator.creates(), COUNT);
    }
}

impl Client {
    async fn has_one_configuration(&self, world: &World) {
        let finished = self.process.finished().await;
        let context = format!("{}:\n{}", self.process.name(), finished.stderr);
        assert_eq!(finished.code, Some(0), "{context}");
        let printed: Value = serde_json::from_str(&finished.stdout).unwrap();

        let mut all = world.emulator.configurations();
        all.retain(|configuration| configuration.stage_arn == self.stage_arn);
        assert_eq!(all.len(), 1, "{context}");
        assert_eq!(printed["arn"], all[0].arn.as_str(), "{context}");
        assert!(printed["stream_key"] == all[0].stream_keys[0].as_str(), "{context}");
        assert!(printed["ingest_endpoint"].as_str().unwrap().starts_with("rtmps://"));

        let failed = finished.stderr.lines().filter(|line| line.starts_with("attempt ")).count();
        assert!(failed > 0, "{context}");
        assert_eq!(printed["attempts"], failed + 1, "{context}");
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.process.kill();
    }
}

/// Generates the code with the command from the comment at the top of the program.
fn python_example(folder: &Path) -> Command {
    let program = Path::new(TOP).join("docs/examples/python/create.py");
    let text = fs::read_to_string(&program).unwrap();
    let (_, command) = text.split_once("python -m grpc_tools.protoc ").unwrap();
    let (arguments, _) = command.split_once("PYTHONPATH=").unwrap();
    let folder = folder.to_str().unwrap();
    let arguments = arguments.replace("target/python", folder);
    let arguments = arguments.split_whitespace().filter(|argument| *argument != "\\");
    let mut protoc = python();
    protoc.args(["-m", "grpc_tools.protoc"]).args(arguments).current_dir(TOP);
    let status = protoc.status().unwrap();
    assert!(status.success(), "{protoc:?}: {status}; run `tests/run test`");

    let mut command = python();
    command.arg(program).env("PYTHONPATH", folder);
    command
}

/// Copies the program beside its packages, because Node searches for packages in the folder
/// of the program and above it.
fn node_example(folder: &Path) -> Command {
    let program = folder.join("create.mjs");
    fs::copy(Path::new(TOP).join("docs/examples/node/create.mjs"), &program).unwrap();
    symlink(node_modules(), folder.join("node_modules")).unwrap();
    let mut command = node();
    command.arg(program);
    command
}
