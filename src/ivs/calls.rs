//! The calls of a create and of reads, with conversions to and from the types of the SDK.

use std::collections::HashMap;

use aws_sdk_ivsrealtime::{Client, operation::RequestId, types};
use secrecy::SecretString;

use super::{
    AwsResponse, CallError, Configuration, Create, Get, GetStage, Ivs, RedundantIngestCredential,
    Stage, outcome::classify,
};
use crate::{
    ledger::SendPermission,
    pacer::Permit,
    request::{CreateIngestConfiguration, IngestConfigurationState, IngestProtocol, StageArn},
};

/// The content of [`Ivs::create_ingest_configuration`].
#[derive(Debug)]
pub struct NewConfiguration<'a> {
    /// The request of the caller.
    pub request: &'a CreateIngestConfiguration,
    /// All tags: the caller's, the tenant's and the gateway's.
    pub tags: HashMap<String, String>,
}

impl Ivs {
    /// Creates an ingest configuration. `permission` proves that the ledger has recorded the
    /// sending, and allows one.
    ///
    /// # Errors
    /// [`CallError`], which says whether AWS may have created it.
    pub async fn create_ingest_configuration(
        &self,
        permit: Permit<Create>,
        permission: SendPermission,
        new: NewConfiguration<'_>,
    ) -> Result<AwsResponse<Configuration>, CallError> {
        // Consumed, so that the create is sent once.
        let SendPermission { .. } = permission;
        // The row is `SENDING`, so that the create must be sent immediately.
        self.spend_now(permit, |client| create(client, new)).await
    }

    /// Reads an ingest configuration, its stream keys and its tags.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn get_ingest_configuration(
        &self,
        permit: Permit<Get>,
        arn: &str,
    ) -> Result<AwsResponse<Configuration>, CallError> {
        self.spend(permit, |client| get(client, arn)).await
    }

    /// Reads the tags and endpoints of a stage.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn get_stage(
        &self,
        permit: Permit<GetStage>,
        arn: &StageArn,
    ) -> Result<Stage, CallError> {
        self.spend(permit, |client| stage(client, arn)).await
    }
}

async fn create(
    client: &Client,
    new: NewConfiguration<'_>,
) -> Result<AwsResponse<Configuration>, CallError> {
    let NewConfiguration { request, tags } = new;
    let attributes = request.attributes.as_map();
    let output =
        client
            .create_ingest_configuration()
            .set_name(non_empty(request.name.as_str()))
            .set_stage_arn(request.stage_arn.as_ref().map(|arn| arn.as_str().to_owned()))
            .set_user_id(non_empty(request.user_id.as_str()))
            .set_attributes((!attributes.is_empty()).then(|| {
                attributes.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
            }))
            .ingest_protocol(match request.ingest_protocol {
                IngestProtocol::Rtmp => types::IngestProtocol::Rtmp,
                IngestProtocol::Rtmps => types::IngestProtocol::Rtmps,
            })
            .set_insecure_ingest(request.insecure_ingest.then_some(true))
            .set_redundant_ingest(request.redundant_ingest.then_some(true))
            .set_tags(Some(tags))
            .send()
            .await
            .map_err(classify)?;
    let aws_request_id = output.request_id().map(str::to_owned);
    configuration(output.ingest_configuration, aws_request_id)
}

async fn get(client: &Client, arn: &str) -> Result<AwsResponse<Configuration>, CallError> {
    let output = client.get_ingest_configuration().arn(arn).send().await.map_err(classify)?;
    let aws_request_id = output.request_id().map(str::to_owned);
    configuration(output.ingest_configuration, aws_request_id)
}

async fn stage(client: &Client, arn: &StageArn) -> Result<Stage, CallError> {
    let output = client.get_stage().arn(arn.as_str()).send().await.map_err(classify)?;
    let aws_request_id = output.request_id().map(str::to_owned);
    let Some(stage) = output.stage else {
        return Err(CallError::unreadable("GetStage returned no stage", aws_request_id));
    };
    let endpoints = stage.endpoints;
    let (rtmp, rtmps) = endpoints.map(|e| (e.rtmp, e.rtmps)).unwrap_or_default();
    Ok(Stage {
        tags: stage.tags.unwrap_or_default(),
        rtmp_endpoint: present(rtmp),
        rtmps_endpoint: present(rtmps),
    })
}

pub(super) fn protocol(protocol: &types::IngestProtocol) -> Option<IngestProtocol> {
    IngestProtocol::from_name(protocol.as_str())
}

/// A state that a later model adds counts as inactive.
pub(super) fn state(state: &types::IngestConfigurationState) -> IngestConfigurationState {
    IngestConfigurationState::from_name(state.as_str())
        .unwrap_or(IngestConfigurationState::Inactive)
}

fn credential(credential: types::RedundantIngestCredential) -> RedundantIngestCredential {
    RedundantIngestCredential {
        participant_id: present(credential.participant_id),
        stream_key: present(credential.stream_key).map(SecretString::from),
    }
}

/// AWS uses an empty text for an absent value.
pub(super) fn present(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// Converts a response. Without its required members the outcome of the call is unknown.
pub(super) fn configuration(
    returned: Option<types::IngestConfiguration>,
    aws_request_id: Option<String>,
) -> Result<AwsResponse<Configuration>, CallError> {
    let unreadable = |what| CallError::unreadable(what, aws_request_id.clone());
    let returned = returned.ok_or_else(|| unreadable("AWS returned no ingest configuration"))?;
    if returned.arn.is_empty() || returned.stream_key.is_empty() {
        return Err(unreadable("AWS returned a configuration without an ARN or a stream key"));
    }
    let ingest_protocol = protocol(&returned.ingest_protocol)
        .ok_or_else(|| unreadable("AWS returned a protocol that this gateway does not know"))?;
    let redundant = returned.redundant_ingest_credentials.unwrap_or_default();
    let value = Configuration {
        arn: returned.arn,
        name: returned.name.unwrap_or_default(),
        ingest_protocol,
        stream_key: SecretString::from(returned.stream_key),
        stage_arn: present(Some(returned.stage_arn)),
        participant_id: present(Some(returned.participant_id)),
        state: state(&returned.state),
        user_id: returned.user_id.unwrap_or_default(),
        redundant_ingest: returned.redundant_ingest,
        redundant_ingest_credentials: redundant.into_iter().map(credential).collect(),
        attributes: returned.attributes.unwrap_or_default().into_iter().collect(),
        tags: returned.tags.unwrap_or_default(),
    };
    Ok(AwsResponse { value, aws_request_id })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both members of a credential are optional in the model of the SDK. The key of the
    /// configuration must reach its caller nevertheless.
    #[test]
    fn a_redundant_credential_without_a_key_is_readable() {
        let credential = types::RedundantIngestCredential::builder().participant_id("p").build();
        let returned = types::IngestConfiguration::builder()
            .arn("arn:aws:ivs:us-east-1:1:ingest-configuration/a")
            .ingest_protocol(types::IngestProtocol::Rtmps)
            .stream_key("key")
            .stage_arn("")
            .participant_id("p")
            .state(types::IngestConfigurationState::Inactive)
            .redundant_ingest_credentials(credential)
            .build();
        let read = configuration(Some(returned.unwrap()), None).unwrap().value;
        assert_eq!(read.redundant_ingest_credentials[0].participant_id.as_deref(), Some("p"));
        assert!(read.redundant_ingest_credentials[0].stream_key.is_none());
    }
}
