//! The JSON of the control API, shared by the server and the client.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    fault::{Fault, FaultKind},
    operation::Operation,
};

/// The prefix of every path of the control API.
pub(crate) const PATH: &str = "/_emulator/";

/// The calls of one operation since the start, the last reset or the last clearing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    /// All calls, including the rejected ones.
    pub calls: u64,
    /// Calls that exceeded the rate.
    pub throttled: u64,
    /// Calls that took effect, whether or not the response reached the client.
    pub executed: u64,
}

/// The active faults, and the faults injected since the start or the last reset.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FaultReport {
    /// In the order in which they were added.
    pub faults: Vec<Fault>,
    /// The number of affected calls, including those of removed faults.
    pub injected: BTreeMap<Operation, BTreeMap<FaultKind, u64>>,
}

/// The settings to change; an absent one keeps its value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettingsChange {
    /// The calls per second of each operation; 0 is unlimited. Fills the buckets.
    pub calls_per_second: Option<f64>,
    /// The time that lists omit a configuration created from now on.
    pub visibility_delay_ms: Option<u64>,
    /// The seed of the draws for faults with a probability.
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

/// Whether an encoder publishes.
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
    /// RFC 3339; absent for a time that it cannot hold.
    pub created_at: Option<String>,
    /// The key of the configuration, then two more if its ingest is redundant.
    pub stream_keys: Vec<String>,
}

/// The body of an error response.
#[derive(Serialize, Deserialize)]
pub(crate) struct Refused {
    pub(crate) message: String,
}
