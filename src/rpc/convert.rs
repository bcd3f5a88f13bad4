//! From the gateway's types to the messages of the API.

use secrecy::ExposeSecret;

use crate::{
    operations::{CallersConfiguration, Created},
    proto::v1,
};

impl From<Created> for v1::CreateIngestConfigurationResponse {
    fn from(created: Created) -> Self {
        Self {
            ingest_configuration: Some(created.configuration.into()),
            replayed: created.replayed,
        }
    }
}

impl From<CallersConfiguration> for v1::IngestConfiguration {
    fn from(callers: CallersConfiguration) -> Self {
        let CallersConfiguration { configuration, ingest_endpoint, create_time, state_observed_at } =
            callers;
        // The one place where keys leave: into the answer to who may have them.
        Self {
            name: configuration.name,
            arn: configuration.arn,
            ingest_protocol: v1::IngestProtocol::from(configuration.ingest_protocol).into(),
            stream_key: configuration.stream_key.expose_secret().to_owned(),
            stage_arn: configuration.stage_arn,
            participant_id: configuration.participant_id,
            state: v1::IngestConfigurationState::from(configuration.state).into(),
            user_id: configuration.user_id,
            redundant_ingest: configuration.redundant_ingest,
            redundant_ingest_credentials: configuration
                .redundant_ingest_credentials
                .into_iter()
                .map(|credential| v1::RedundantIngestCredential {
                    participant_id: credential.participant_id,
                    stream_key: credential.stream_key.expose_secret().to_owned(),
                })
                .collect(),
            attributes: configuration.attributes,
            tags: configuration.tags.into_iter().collect(),
            ingest_endpoint,
            create_time: Some(create_time.into()),
            state_observed_at: Some(state_observed_at.into()),
        }
    }
}
