//! The JSON of the control API, shared by the server and the client.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    fault::{Fault, FaultKind},
    operation::Operation,
};

/// The prefix of every path of the control API.
pub(crate) const PATH: &str = "/_emulator/";

/// The number of calls of one operation since the start, the last reset or the last
/// `DELETE calls`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    /// All calls, including rejected ones.
    pub calls: u64,
    /// Calls that exceeded the rate.
    pub throttled: u64,
    /// Calls that were executed, whether or not the response reached the client.
    pub executed: u64,
}

/// The active faults, and the faults injected since the start or the last reset.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FaultReport {
    /// The active faults, in the order in which they were added.
    pub faults: Vec<Fault>,
    /// The number of affected calls, including those of removed faults.
    pub injected: BTreeMap<Operation, BTreeMap<FaultKind, u64>>,
}

/// The settings to change. An absent setting keeps its value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettingsChange {
    /// The calls per second of each operation; 0 means unlimited. A change fills all buckets.
    pub calls_per_second: Option<f64>,
    /// The time, in milliseconds, that lists omit a configuration created from now on.
    pub visibility_delay_ms: Option<u64>,
    /// The time, in milliseconds, that no other operation finds a configuration created from
    /// now on.
    pub read_delay_ms: Option<u64>,
    /// The time, in milliseconds, that reads omit the tags of a configuration created from now
    /// on.
    pub tag_delay_ms: Option<u64>,
    /// Whether a page token is the number of configurations before the page.
    pub pages_by_offset: Option<bool>,
    /// The seed of the random draws of faults that have a probability.
    pub seed: Option<u64>,
}

/// The state to set on one ingest configuration.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StateChange {
    pub(crate) arn: String,
    pub(crate) state: PublishState,
}

/// The calls per second that other software makes in the same account.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spending {
    pub(crate) operation: Operation,
    pub(crate) calls_per_second: f64,
}

/// The state of an ingest configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum PublishState {
    /// An encoder publishes.
    Active,
    /// No encoder publishes.
    Inactive,
}

/// All resources of the account, in the order of their creation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Every stage.
    pub stages: Vec<StageSnapshot>,
    /// Every ingest configuration, including those that lists do not show yet.
    pub ingest_configurations: Vec<ConfigurationSnapshot>,
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the members of the API")]
pub struct StageSnapshot {
    pub arn: String,
    pub name: String,
    pub tags: BTreeMap<String, String>,
}

/// One ingest configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the members of the API")]
pub struct ConfigurationSnapshot {
    pub arn: String,
    pub name: String,
    pub stage_arn: String,
    pub user_id: String,
    pub ingest_protocol: String,
    pub state: PublishState,
    pub tags: BTreeMap<String, String>,
    /// The creation time in RFC 3339; absent if the format cannot represent it.
    pub created_at: Option<String>,
    /// The stream key, followed by the two redundant ones if ingest is redundant.
    pub stream_keys: Vec<String>,
}

/// The body of an error response.
#[derive(Serialize, Deserialize)]
pub(crate) struct Rejection {
    pub(crate) message: String,
}
