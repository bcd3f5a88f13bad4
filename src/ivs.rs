//! Amazon IVS Real-Time, through the AWS SDK. The SDK is known here and nowhere
//! else.
//!
//! Called by `handlers`. Retries are off on every call: a create that the SDK
//! repeated would leave a second configuration that nobody knows. Stream keys are
//! `SecretString` from the moment they are read.

mod calls;
mod changes;
mod client;
mod connect;
mod lists;
mod metrics;
mod operations;
mod outcome;
mod pacers;

use std::collections::{BTreeMap, HashMap};

use secrecy::SecretString;

pub use calls::NewConfiguration;
pub use changes::Change;
pub use client::Ivs;
pub use connect::{ConnectError, Sdk, Seams};
pub use metrics::AwsMetrics;
pub use operations::{AwsOperation, Create, Delete, Get, GetStage, List, ListTags, Tag, Update};
pub use outcome::{AwsFailure, CallError, FailureKind};
pub use pacers::Pacers;

use crate::request::{IngestConfigurationState, IngestProtocol};

/// An answer, and the id that AWS gave the call.
#[derive(Debug)]
pub struct Answer<T> {
    /// What AWS answered.
    pub value: T,
    /// AWS's id of the call, for a support case.
    pub aws_request_id: Option<String>,
}

/// An ingest configuration as AWS holds it.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// Its ARN.
    pub arn: String,
    /// Its name; may be empty.
    pub name: String,
    /// The protocol that the encoder speaks.
    pub ingest_protocol: IngestProtocol,
    /// Lets its holder publish.
    pub stream_key: SecretString,
    /// Its stage, if it has one.
    pub stage_arn: Option<String>,
    /// The participant that represents the encoder.
    pub participant_id: Option<String>,
    /// Whether an encoder is publishing.
    pub state: IngestConfigurationState,
    /// The participant's name; may be empty.
    pub user_id: String,
    /// Whether a second encoder may publish.
    pub redundant_ingest: bool,
    /// One an encoder, if redundant.
    pub redundant_ingest_credentials: Vec<RedundantIngestCredential>,
    /// What is attached to the participant.
    pub attributes: BTreeMap<String, String>,
    /// All tags, the gateway's included.
    pub tags: HashMap<String, String>,
}

/// What one of two redundant encoders needs.
#[derive(Debug, Clone)]
pub struct RedundantIngestCredential {
    /// The participant that stands for this encoder.
    pub participant_id: Option<String>,
    /// Lets its holder publish. The SDK's model does not promise it.
    pub stream_key: Option<SecretString>,
}

/// One configuration of a list at AWS: no tags and no keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Its ARN.
    pub arn: String,
    /// Its name; may be empty.
    pub name: String,
    /// The protocol that the encoder speaks; none if this gateway does not know it.
    pub ingest_protocol: Option<IngestProtocol>,
    /// Its stage, if it has one.
    pub stage_arn: Option<String>,
    /// The participant that represents the encoder.
    pub participant_id: Option<String>,
    /// Whether an encoder is publishing.
    pub state: IngestConfigurationState,
    /// The participant's name; may be empty.
    pub user_id: String,
    /// Whether a second encoder may publish.
    pub redundant_ingest: bool,
}

/// One page of a list at AWS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// What it shows. A configuration that was just created may be missing.
    pub summaries: Vec<Summary>,
    /// What asks for the next page; none on the last.
    pub next_token: Option<String>,
}

/// What the gateway needs to know of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Its tags: one of them says whose it is.
    pub tags: HashMap<String, String>,
    /// The URL for RTMP.
    pub rtmp_endpoint: Option<String>,
    /// The URL for RTMPS.
    pub rtmps_endpoint: Option<String>,
}
