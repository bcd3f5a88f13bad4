//! Amazon IVS Real-Time, through the AWS SDK. No other module knows the SDK.
//!
//! The retries of the SDK are disabled: a repeated create would leave a second
//! configuration that no caller knows. Stream keys are `SecretString` from the moment they
//! are read.

mod access;
mod calls;
mod changes;
mod client;
mod codes;
mod connect;
mod connections;
mod credentials;
mod environment;
mod http;
mod lists;
mod metrics;
mod operations;
mod outcome;
mod pacers;
mod profiles;
mod settings;
mod signing_clock;

use std::{
    collections::{BTreeMap, HashMap},
    time::SystemTime,
};

use secrecy::SecretString;

pub use access::Access;
pub use calls::NewConfiguration;
pub use changes::Change;
pub use client::Ivs;
pub use connect::{ConnectError, Sdk, Seams, check_settings};
pub use metrics::AwsMetrics;
pub use operations::{AwsOperation, Create, Delete, Get, GetStage, List, ListTags, Tag, Update};
pub use outcome::{AwsFailure, CallError, FailureKind};
pub use pacers::Pacers;

use crate::{
    ledger::Observation,
    request::{IngestConfigurationState, IngestProtocol},
};

/// A response of AWS.
#[derive(Debug)]
pub struct AwsResponse<T> {
    /// The content of the response.
    pub value: T,
    /// AWS's id of the call, for a support case.
    pub aws_request_id: Option<String>,
}

/// An ingest configuration at AWS.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// Its ARN.
    pub arn: String,
    /// Its name; may be empty.
    pub name: String,
    /// The protocol of the encoder.
    pub ingest_protocol: IngestProtocol,
    /// The stream key, with which an encoder publishes.
    pub stream_key: SecretString,
    /// Its stage, if it has one.
    pub stage_arn: Option<String>,
    /// The participant that represents the encoder.
    pub participant_id: Option<String>,
    /// Active while an encoder publishes.
    pub state: IngestConfigurationState,
    /// The participant's name; may be empty.
    pub user_id: String,
    /// Whether a second encoder may publish.
    pub redundant_ingest: bool,
    /// One credential for each encoder, if redundant.
    pub redundant_ingest_credentials: Vec<RedundantIngestCredential>,
    /// Attributes of the participant.
    pub attributes: BTreeMap<String, String>,
    /// All tags, the gateway's included.
    pub tags: HashMap<String, String>,
}

impl Configuration {
    /// Returns the configuration as a list shows it.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary {
            arn: self.arn.clone(),
            name: self.name.clone(),
            ingest_protocol: Some(self.ingest_protocol),
            stage_arn: self.stage_arn.clone(),
            participant_id: self.participant_id.clone(),
            state: self.state,
            user_id: self.user_id.clone(),
            redundant_ingest: self.redundant_ingest,
        }
    }
}

/// The credential of one of two redundant encoders.
#[derive(Debug, Clone)]
pub struct RedundantIngestCredential {
    /// The participant that represents this encoder.
    pub participant_id: Option<String>,
    /// The stream key of this encoder. Optional in the model of the SDK.
    pub stream_key: Option<SecretString>,
}

/// One configuration of a list at AWS: no tags and no keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Its ARN.
    pub arn: String,
    /// Its name; may be empty.
    pub name: String,
    /// The protocol of the encoder; `None` for a protocol that this gateway does not know.
    pub ingest_protocol: Option<IngestProtocol>,
    /// Its stage, if it has one.
    pub stage_arn: Option<String>,
    /// The participant that represents the encoder.
    pub participant_id: Option<String>,
    /// Active while an encoder publishes.
    pub state: IngestConfigurationState,
    /// The participant's name; may be empty.
    pub user_id: String,
    /// Whether a second encoder may publish.
    pub redundant_ingest: bool,
}

impl Summary {
    /// Returns the observation of this configuration, for which AWS was asked at `at`.
    #[must_use]
    pub fn observation(&self, at: SystemTime) -> Observation {
        Observation {
            arn: self.arn.clone(),
            state: self.state,
            stage_arn: self.stage_arn.clone(),
            redundant_ingest: self.redundant_ingest,
            at,
        }
    }
}

/// One page of a list at AWS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The entries. A configuration that was just created may be missing.
    pub summaries: Vec<Summary>,
    /// The token of the next page; `None` on the last page.
    pub next_token: Option<String>,
}

/// The fields of a stage that the gateway uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Its tags, one of which names its owner.
    pub tags: HashMap<String, String>,
    /// The URL for RTMP.
    pub rtmp_endpoint: Option<String>,
    /// The URL for RTMPS.
    pub rtmps_endpoint: Option<String>,
}
