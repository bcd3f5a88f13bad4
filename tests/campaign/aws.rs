//! The emulator in this process, and what it says is true.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use aws_sdk_ivsrealtime::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig, timeout::TimeoutConfig},
};
use ivs_ingest_gateway::emulator::{Emulator, Settings};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How late a list shows what was created.
const VISIBILITY_DELAY: Duration = Duration::from_millis(100);

/// How long a slow fault takes: longer than an attempt may, and shorter than the time
/// after which the gateway sends again.
const SLOW_MS: u64 = 600;

/// The faults of the campaign.
const KINDS: [&str; 10] = [
    "drop_before",
    "drop_after",
    "error_500_before",
    "error_500_after",
    "error_503_before",
    "slow_before",
    "slow_after",
    "truncate",
    "garbage",
    "error",
];

/// What the gateway calls, and of how many calls in a hundred each kind of fault befalls
/// one. A look for what is in doubt takes one list a hundred configurations, and is made
/// again if any of them fails: at 5 in a hundred none would succeed.
const OPERATIONS: [(&str, f64); 6] = [
    ("CreateIngestConfiguration", 5.0),
    ("GetIngestConfiguration", 5.0),
    ("DeleteIngestConfiguration", 5.0),
    ("GetStage", 5.0),
    ("ListTagsForResource", 1.0),
    ("ListIngestConfigurations", 1.0),
];

/// Stops when it goes out of scope.
pub(crate) struct Aws {
    address: SocketAddr,
    _stop: DropGuard,
}

/// An ingest configuration as the emulator holds it.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) arn: String,
    pub(crate) stream_key: String,
    pub(crate) tags: BTreeMap<String, String>,
}

/// What came in for one operation.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Calls {
    #[serde(rename = "calls")]
    pub(crate) all: u64,
    pub(crate) throttled: u64,
    /// Those that took effect.
    pub(crate) executed: u64,
}

impl Held {
    pub(crate) fn tag(&self, name: &str) -> &str {
        self.tags.get(&format!("ingest-gateway:{name}")).map_or("", String::as_str)
    }
}

impl Aws {
    /// `calls_per_second` of 0 is no limit. `stages` are made as (name, tenant) says, and
    /// their ARNs answered in that order.
    pub(crate) async fn start(
        calls_per_second: f64,
        seed: u64,
        stages: impl IntoIterator<Item = (String, String)>,
    ) -> (Self, Vec<String>) {
        let settings = Settings {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            calls_per_second,
            visibility_delay: VISIBILITY_DELAY,
            seed,
            ..Settings::default()
        };
        let emulator = Emulator::bind(settings).await.unwrap();
        let address = emulator.local_addr();
        let made = stages.into_iter().map(|(name, tenant)| {
            emulator.create_stage(&name, BTreeMap::from([("tenant".to_owned(), tenant)]))
        });
        let stages = made.collect();
        let shutdown = CancellationToken::new();
        tokio::spawn(emulator.serve(shutdown.clone()));
        (Self { address, _stop: shutdown.drop_guard() }, stages)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A client of the SDK. `retries` absent is the SDK's default.
    pub(crate) fn client(&self, retries: Option<RetryConfig>, attempt: Duration) -> Client {
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .endpoint_url(self.url())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("emulator", "emulator", None, None, "test"))
            .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(attempt).build());
        if let Some(retries) = retries {
            config = config.retry_config(retries);
        }
        Client::from_conf(config.build())
    }

    /// Lets each kind of fault befall a share of the calls of any operation.
    pub(crate) async fn inject_faults(&self) {
        for (operation, percent) in OPERATIONS {
            let share = percent / 100.0;
            for (index, kind) in (0u32..).zip(KINDS) {
                // The first fault that applies wins: each is drawn from the calls that
                // those before it have left.
                let probability = share / (1.0 - share * f64::from(index));
                let mut fault =
                    json!({ "operation": operation, "kind": kind, "probability": probability });
                if kind.starts_with("slow") {
                    fault["delay_ms"] = json!(SLOW_MS);
                }
                if kind == "error" {
                    fault["code"] = json!("ThrottlingException");
                    fault["status"] = json!(429);
                }
                self.control("POST", "faults", &fault).await;
            }
        }
    }

    /// `calls_per_second` of 0 is no limit.
    pub(crate) async fn set_rate(&self, calls_per_second: f64) {
        let settings = json!({ "calls_per_second": calls_per_second });
        self.control("POST", "settings", &settings).await;
    }

    /// Forgets the calls so far.
    pub(crate) async fn clear_calls(&self) {
        self.control("DELETE", "calls", &json!({})).await;
    }

    pub(crate) async fn clear_faults(&self) {
        self.control("DELETE", "faults", &json!({})).await;
    }

    /// How many faults of each kind there were: of creates, and of all other calls.
    pub(crate) async fn injected(&self) -> Vec<(&'static str, u64, u64)> {
        let answer = self.control("GET", "faults", &json!(null)).await;
        let operations = answer["injected"].as_object().unwrap();
        let count = |kind: &str, of_creates: bool| {
            let counted = operations
                .iter()
                .filter(|(name, _)| (*name == "CreateIngestConfiguration") == of_creates);
            counted.filter_map(|(_, kinds)| kinds[kind].as_u64()).sum()
        };
        KINDS.map(|kind| (kind, count(kind, true), count(kind, false))).to_vec()
    }

    /// The calls of an operation so far.
    pub(crate) async fn calls(&self, operation: &str) -> Calls {
        let calls = self.control("GET", "calls", &json!(null)).await;
        serde_json::from_value(calls[operation].clone()).unwrap()
    }

    /// How many ingest configurations AWS shows in its lists.
    pub(crate) async fn listed(&self) -> usize {
        let client = self.client(None, Duration::from_secs(30));
        let mut pages =
            client.list_ingest_configurations().max_results(100).into_paginator().send();
        let mut listed = 0;
        while let Some(page) = pages.next().await {
            listed += page.unwrap().ingest_configurations.len();
        }
        listed
    }

    /// Every ingest configuration there is, whether lists show it or not.
    pub(crate) async fn held(&self) -> Vec<Held> {
        let state = self.control("GET", "state", &json!(null)).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let held = state["ingestConfigurations"].as_array().unwrap().iter().map(|row| Held {
            arn: text(&row["arn"]),
            stream_key: text(&row["streamKeys"][0]),
            tags: serde_json::from_value(row["tags"].clone()).unwrap(),
        });
        held.collect()
    }

    async fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let length = body.len();
        let request = format!(
            "{method} /_emulator/{path} HTTP/1.1\r\nhost: emulator\r\nconnection: close\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        let answer = exchange(self.address, &request).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{method} {path}: {answer}");
        serde_json::from_str(body).unwrap()
    }
}

/// Sends a request and reads until the end.
pub(crate) async fn exchange(address: SocketAddr, request: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
