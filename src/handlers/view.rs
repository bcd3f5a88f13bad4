//! The caller's view of a configuration. An absent value is `None`.

use std::{collections::BTreeMap, time::SystemTime};

use secrecy::SecretString;

use crate::{
    clock::truncated_to_milliseconds,
    ivs::{Configuration, RedundantIngestCredential},
    ledger::{Fields, Row},
    request::{IngestConfigurationState, IngestProtocol, OperationId},
    tenancy::tags,
};

/// The caller's view of a configuration.
#[derive(Debug, Clone)]
pub struct CallersConfiguration {
    /// The ARN; `None` if the request was only validated.
    pub arn: Option<String>,
    /// The name; may be empty.
    pub name: String,
    /// The protocol that the encoder uses.
    pub ingest_protocol: IngestProtocol,
    /// The stream keys; `None` if the response is from the ledger, or the request was only
    /// validated.
    pub keys: Option<StreamKeys>,
    /// The ARN of the stage; `None` if the configuration has no stage.
    pub stage_arn: Option<String>,
    /// The id of the participant that represents the encoder; `None` if AWS did not return one.
    pub participant_id: Option<String>,
    /// Whether an encoder is publishing.
    pub state: IngestConfigurationState,
    /// The caller's name for the participant; may be empty.
    pub user_id: String,
    /// Whether a second encoder may publish as a hot spare.
    pub redundant_ingest: bool,
    /// The attributes of the participant.
    pub attributes: BTreeMap<String, String>,
    /// The caller's own tags.
    pub tags: BTreeMap<String, String>,
    /// The URL to enter in the encoder; `None` if there is no stage, or the URL is not known.
    pub ingest_endpoint: Option<String>,
    /// The time of the creation, as the gateway recorded it.
    pub create_time: SystemTime,
    /// The time at which AWS reported the state.
    pub state_observe_time: SystemTime,
}

/// The stream keys of a configuration.
#[derive(Debug, Clone)]
pub struct StreamKeys {
    /// The stream key. Its holder can publish.
    pub stream_key: SecretString,
    /// One key for each encoder, if the configuration is redundant.
    pub redundant: Vec<RedundantIngestCredential>,
}

impl CallersConfiguration {
    /// Converts a configuration that AWS returned at `observed_at`, without the tags of the
    /// gateway and of the operator.
    pub(super) fn of_aws(
        configuration: Configuration,
        extra_tags: &BTreeMap<String, String>,
        ingest_endpoint: Option<String>,
        operation_id: OperationId,
        observed_at: SystemTime,
    ) -> Self {
        Self {
            arn: Some(configuration.arn),
            name: configuration.name,
            ingest_protocol: configuration.ingest_protocol,
            keys: Some(StreamKeys {
                stream_key: configuration.stream_key,
                redundant: configuration.redundant_ingest_credentials,
            }),
            stage_arn: configuration.stage_arn,
            participant_id: configuration.participant_id,
            state: configuration.state,
            user_id: configuration.user_id,
            redundant_ingest: configuration.redundant_ingest,
            attributes: configuration.attributes,
            tags: tags::visible(configuration.tags, extra_tags),
            ingest_endpoint,
            create_time: operation_id.generated_at(),
            state_observe_time: truncated_to_milliseconds(observed_at),
        }
    }

    /// Converts a row of the ledger. Hides `extra_tags`: the row of an adopted configuration includes
    /// them.
    pub(super) fn of_row(
        row: Row,
        extra_tags: &BTreeMap<String, String>,
        ingest_endpoint: Option<String>,
    ) -> Self {
        let Row { operation_id, arn, participant_id, mut fields, state, observed_at, .. } = row;
        fields.tags = tags::visible(fields.tags, extra_tags);
        let of_fields = Self::of_fields(fields, ingest_endpoint, operation_id.generated_at());
        Self { arn: Some(arn), participant_id, state, state_observe_time: observed_at, ..of_fields }
    }

    /// Returns the configuration that a create with these fields makes.
    pub(super) fn of_fields(
        fields: Fields,
        ingest_endpoint: Option<String>,
        now: SystemTime,
    ) -> Self {
        Self {
            arn: None,
            name: fields.name,
            ingest_protocol: fields.ingest_protocol,
            keys: None,
            stage_arn: fields.stage_arn,
            participant_id: None,
            state: IngestConfigurationState::Inactive,
            user_id: fields.user_id,
            redundant_ingest: fields.redundant_ingest,
            attributes: fields.attributes,
            tags: fields.tags,
            ingest_endpoint,
            create_time: now,
            state_observe_time: truncated_to_milliseconds(now),
        }
    }
}
