//! The emulator of the campaign, and the state of AWS that it reports.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use aws_sdk_ivsrealtime::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig, timeout::TimeoutConfig},
};
use ivs_realtime_emulator::{
    Background, Calls, ControlClient, Fault, FaultKind, Operation, Settings,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Delay after which lists show a new configuration.
const VISIBILITY_DELAY: Duration = Duration::from_millis(100);

/// Delay of a slow fault: longer than the attempt time-out, and shorter than the time
/// after which the gateway may send a create again.
const SLOW: Duration = Duration::from_millis(600);

/// The faults of the campaign, with their names in the report.
const KINDS: [(FaultKind, &str); 10] = [
    (FaultKind::DropBefore, "drop_before"),
    (FaultKind::DropAfter, "drop_after"),
    (FaultKind::Error500Before, "error_500_before"),
    (FaultKind::Error500After, "error_500_after"),
    (FaultKind::Error503Before, "error_503_before"),
    (FaultKind::SlowBefore, "slow_before"),
    (FaultKind::SlowAfter, "slow_after"),
    (FaultKind::Truncate, "truncate"),
    (FaultKind::Garbage, "garbage"),
    (FaultKind::Error, "error"),
];

/// The operations that the gateway calls, with the percentage of calls that get each kind
/// of fault. A probe makes one list call for each hundred configurations, and starts again
/// if one of these calls fails. At 5 % for each kind, no probe would succeed. The comparison of a
/// restored ledger reads each configuration that has no row, and must not fail to read any.
const OPERATIONS: [(Operation, f64); 6] = [
    (Operation::CreateIngestConfiguration, 5.0),
    (Operation::GetIngestConfiguration, 0.5),
    (Operation::DeleteIngestConfiguration, 5.0),
    (Operation::GetStage, 5.0),
    (Operation::ListTagsForResource, 0.5),
    (Operation::ListIngestConfigurations, 1.0),
];

/// A running emulator. It stops when this value is dropped.
pub(crate) struct Aws(Background);

/// An ingest configuration of the emulator.
#[derive(Debug, Clone)]
pub(crate) struct Configuration {
    pub(crate) arn: String,
    pub(crate) stream_key: String,
    pub(crate) tags: BTreeMap<String, String>,
}

impl Configuration {
    pub(crate) fn tag(&self, name: &str) -> &str {
        self.tags.get(&format!("ivs-ingest-gateway:{name}")).map_or("", String::as_str)
    }
}

impl Aws {
    /// Starts the emulator. A `calls_per_second` of 0 disables the limit. Creates `stages`,
    /// pairs of a name and a tenant, and returns their ARNs in that order.
    pub(crate) fn start(
        calls_per_second: f64,
        seed: u64,
        stages: impl IntoIterator<Item = (String, String)>,
    ) -> (Self, Vec<String>) {
        let settings = Settings {
            calls_per_second,
            visibility_delay: VISIBILITY_DELAY,
            seed,
            ..Settings::for_tests()
        };
        let emulator = Background::start(settings).unwrap();
        let arns = stages.into_iter().map(|(name, tenant)| {
            emulator.create_stage(&name, BTreeMap::from([("tenant".to_owned(), tenant)]))
        });
        let stages = arns.collect();
        (Self(emulator), stages)
    }

    pub(crate) fn url(&self) -> String {
        self.0.url()
    }

    /// An SDK client. Without `retries` it has the SDK's default retries.
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

    /// Injects each kind of fault into a share of the calls of each operation.
    pub(crate) fn inject_faults(&self) {
        for (operation, percent) in OPERATIONS {
            let share = percent / 100.0;
            for (index, (kind, _)) in (0u32..).zip(KINDS) {
                let fault = match kind {
                    FaultKind::Error => Fault::error(429, "ThrottlingException"),
                    FaultKind::SlowBefore | FaultKind::SlowAfter => Fault::new(kind).delayed(SLOW),
                    _ => Fault::new(kind),
                };
                // The emulator applies the first fault that matches. So each probability is
                // relative to the calls that the faults before it did not affect.
                let probability = share / (1.0 - share * f64::from(index));
                let fault = fault.on(operation).with_probability(probability);
                self.control().add_fault(&fault).unwrap();
            }
        }
    }

    pub(crate) fn control(&self) -> ControlClient {
        self.0.control()
    }

    /// The number of injected faults of each kind: in creates, and in all other calls.
    pub(crate) fn injected(&self) -> Vec<(&'static str, u64, u64)> {
        let injected = self.control().faults().unwrap().injected;
        let count = |kind: FaultKind, of_creates: bool| {
            let counted = injected
                .iter()
                .filter(|(name, _)| (**name == Operation::CreateIngestConfiguration) == of_creates);
            counted.filter_map(|(_, kinds)| kinds.get(&kind)).sum()
        };
        KINDS.map(|(kind, name)| (name, count(kind, true), count(kind, false))).to_vec()
    }

    /// The counts of an operation's calls so far.
    pub(crate) fn calls(&self, operation: Operation) -> Calls {
        self.control().calls_of(operation).unwrap()
    }

    /// The number of ingest configurations that lists show.
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

    /// Every ingest configuration, including those that lists do not show yet.
    pub(crate) fn configurations(&self) -> Vec<Configuration> {
        let all = self.control().state().unwrap().ingest_configurations.into_iter();
        let all = all.map(|mut row| Configuration {
            arn: row.arn,
            stream_key: row.stream_keys.swap_remove(0),
            tags: row.tags,
        });
        all.collect()
    }
}

/// Sends a request, and reads the response until the peer closes the connection.
pub(crate) async fn exchange(address: SocketAddr, request: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut response = String::new();
    stream.read_to_string(&mut response).await?;
    Ok(response)
}
