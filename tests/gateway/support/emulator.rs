//! An emulator of AWS on a free port, and its control API.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use aws_sdk_ivsrealtime::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region},
};
use ivs_ingest_gateway::emulator::{self, Settings};
use serde_json::{Value, json};
use tokio::{runtime, time};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::PATIENCE;

/// Between two looks at the counts, which the emulator tells only when asked.
const PAUSE: Duration = Duration::from_millis(2);

/// Until lists show what was created: what is in doubt stays so, unless the test is about
/// the settling of it.
const NEVER: Duration = Duration::from_hours(1);

/// The tenants that have a stage.
const TENANTS: [&str; 2] = ["acme", "globex"];

/// An emulator without call rates. It stops when it goes out of scope.
pub(crate) struct Emulator {
    pub(crate) address: SocketAddr,
    _stop: DropGuard,
}

/// The stage of `acme` or of `globex`.
pub(crate) fn stage_of(tenant: &str) -> String {
    let id = match tenant {
        "acme" => "AcmeStudio0001",
        "globex" => "GlobexStudio0001",
        other => panic!("{other} has no stage"),
    };
    format!("arn:aws:ivs:us-east-1:123456789012:stage/{id}")
}

impl Emulator {
    /// A thread of its own: tests block theirs, and ask for the keys while it ends.
    pub(super) fn start() -> Self {
        let stop = CancellationToken::new();
        let shutdown = stop.clone();
        let (started, address) = mpsc::channel();
        thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listen = SocketAddr::from(([127, 0, 0, 1], 0));
                let settings = Settings {
                    listen,
                    calls_per_second: 0.0,
                    visibility_delay: NEVER,
                    ..Settings::default()
                };
                let emulator = emulator::Emulator::bind(settings).await.unwrap();
                for tenant in TENANTS {
                    let tags = BTreeMap::from([("tenant".to_owned(), tenant.to_owned())]);
                    let stage = emulator.create_stage(&format!("{tenant}-studio"), tags);
                    assert_eq!(stage, stage_of(tenant));
                }
                started.send(emulator.local_addr()).unwrap();
                emulator.serve(shutdown).await.unwrap();
            });
        });
        Self { address: address.recv().unwrap(), _stop: stop.drop_guard() }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Creates a stage of the tenant, as its operator would, and returns its ARN.
    pub(crate) async fn create_stage(&self, tenant: &str) -> String {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .endpoint_url(self.url())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("emulator", "emulator", None, None, "test"))
            .build();
        let create = Client::from_conf(config).create_stage().tags("tenant", tenant);
        create.send().await.unwrap().stage.unwrap().arn
    }

    pub(crate) fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        control(self.address, method, path, body).unwrap()
    }

    /// Makes calls go wrong.
    pub(crate) fn fault(&self, fault: &Value) {
        let added = self.control("POST", "faults", fault);
        assert!(added["faults"].is_array(), "{added}");
    }

    /// The next call of the operation goes wrong.
    pub(crate) fn next(&self, operation: &str, kind: &str, delay_ms: u64) {
        self.fault(&json!({
            "operation": operation, "kind": kind, "count": 1, "delay_ms": delay_ms,
        }));
    }

    /// The next create goes wrong.
    pub(crate) fn next_create(&self, kind: &str, delay_ms: u64) {
        self.next("CreateIngestConfiguration", kind, delay_ms);
    }

    /// The next create is carried out, and its answer held back until
    /// [`Emulator::release`].
    pub(crate) fn hold_next_create(&self) {
        self.next_create("hold", 0);
    }

    /// Lists show at once what is created from now on.
    pub(crate) fn show_at_once(&self) {
        self.control("POST", "settings", &json!({"visibility_delay_ms": 0}));
    }

    /// Lets go what is held back.
    pub(crate) fn release(&self) {
        self.control("DELETE", "faults", &Value::Null);
    }

    /// The next create is answered with an error.
    pub(crate) fn next_create_error(&self, status: u16, code: &str) {
        self.fault(&json!({
            "operation": "CreateIngestConfiguration", "kind": "error", "count": 1,
            "status": status, "code": code, "message": "arn:aws:iam::123456789012:role/gateway",
        }));
    }

    /// How many calls of the operation came in.
    pub(crate) fn calls(&self, operation: &str) -> u64 {
        self.control("GET", "calls", &Value::Null)[operation]["calls"].as_u64().unwrap()
    }

    /// How many creates came in.
    pub(crate) fn creates(&self) -> u64 {
        self.calls("CreateIngestConfiguration")
    }

    /// Waits until so many creates have come in.
    pub(crate) async fn reached_by_creates(&self, count: u64) {
        let started = Instant::now();
        while self.creates() < count {
            assert!(started.elapsed() < PATIENCE, "no create reaches AWS");
            time::sleep(PAUSE).await;
        }
    }

    /// What exists, with all tags and keys.
    pub(crate) fn configurations(&self) -> Vec<Value> {
        let state = self.control("GET", "state", &Value::Null);
        state["ingestConfigurations"].as_array().unwrap().clone()
    }

    /// Removes everything but the stages, as if it had been deleted at AWS.
    pub(crate) fn delete_all(&self) {
        self.control("POST", "reset", &Value::Null);
    }
}

/// Calls a control API and returns what it answers, whatever the status.
pub(super) fn control(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &Value,
) -> io::Result<Value> {
    let body = body.to_string();
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "{method} /_emulator/{path} HTTP/1.1\r\nhost: emulator\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    Ok(serde_json::from_str(body).unwrap())
}
