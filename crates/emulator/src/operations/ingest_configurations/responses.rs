//! The responses of the operations on ingest configurations. [`ConfigurationResponse`]
//! exposes stream keys.

use std::collections::BTreeMap;

use secrecy::ExposeSecret;
use serde::Serialize;

use crate::resources::{Credential, IngestConfiguration};

/// The response of a create, a get and an update, with all members.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConfigurationResponse<'a> {
    ingest_configuration: Whole<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Whole<'a> {
    #[serde(flatten)]
    summary: Summary<'a>,
    stream_key: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    redundant_ingest_credentials: Vec<RedundantCredential<'a>>,
    attributes: &'a BTreeMap<String, String>,
    tags: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RedundantCredential<'a> {
    participant_id: &'a str,
    stream_key: &'a str,
}

/// The response of a list: one page, without tags and stream keys.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListResponse<'a> {
    ingest_configurations: Vec<Summary<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'a> {
    name: &'a str,
    arn: &'a str,
    ingest_protocol: &'a str,
    stage_arn: &'a str,
    participant_id: &'a str,
    state: &'static str,
    user_id: &'a str,
    redundant_ingest: bool,
}

impl<'a> ConfigurationResponse<'a> {
    pub(super) fn of(row: &'a IngestConfiguration, tags: &'a BTreeMap<String, String>) -> Self {
        let redundant = |credential: &'a Credential| RedundantCredential {
            participant_id: &credential.participant_id,
            stream_key: credential.stream_key.expose_secret(),
        };
        let ingest_configuration = Whole {
            summary: Summary::of(row),
            stream_key: row.credential.stream_key.expose_secret(),
            redundant_ingest_credentials: row.redundant_credentials.iter().map(redundant).collect(),
            attributes: &row.attributes,
            tags,
        };
        Self { ingest_configuration }
    }
}

impl<'a> ListResponse<'a> {
    pub(super) fn of(page: &[&'a IngestConfiguration], next_token: Option<String>) -> Self {
        let ingest_configurations = page.iter().map(|row| Summary::of(row)).collect();
        Self { ingest_configurations, next_token }
    }
}

impl<'a> Summary<'a> {
    fn of(row: &'a IngestConfiguration) -> Self {
        Self {
            name: &row.name,
            arn: &row.arn,
            ingest_protocol: row.ingest_protocol,
            stage_arn: &row.stage_arn,
            participant_id: &row.credential.participant_id,
            state: row.state(),
            user_id: &row.user_id,
            redundant_ingest: !row.redundant_credentials.is_empty(),
        }
    }
}
