//! From the gateway's types to the messages of the API.

use secrecy::{ExposeSecret, SecretString};

use crate::{
    handlers::{CallersConfiguration, Created, Listed, Quota, StreamKeys},
    proto::v1,
    tenancy::Rate,
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
        // The one place where keys leave: into the response to a caller that may have them.
        let (stream_key, redundant_ingest_credentials) = callers.keys.map(keys).unwrap_or_default();
        Self {
            name: callers.name,
            arn: callers.arn.unwrap_or_default(),
            ingest_protocol: v1::IngestProtocol::from(callers.ingest_protocol).into(),
            stream_key,
            stage_arn: callers.stage_arn.unwrap_or_default(),
            participant_id: callers.participant_id.unwrap_or_default(),
            state: v1::IngestConfigurationState::from(callers.state).into(),
            user_id: callers.user_id,
            redundant_ingest: callers.redundant_ingest,
            redundant_ingest_credentials,
            attributes: callers.attributes,
            tags: callers.tags,
            ingest_endpoint: callers.ingest_endpoint.unwrap_or_default(),
            create_time: Some(callers.create_time.into()),
            state_observed_at: Some(callers.state_observed_at.into()),
        }
    }
}

fn keys(keys: StreamKeys) -> (String, Vec<v1::RedundantIngestCredential>) {
    let redundant = keys.redundant.into_iter().map(|credential| v1::RedundantIngestCredential {
        participant_id: credential.participant_id.unwrap_or_default(),
        stream_key: exposed(credential.stream_key.as_ref()),
    });
    (keys.stream_key.expose_secret().to_owned(), redundant.collect())
}

fn exposed(key: Option<&SecretString>) -> String {
    key.map_or_else(String::new, |key| key.expose_secret().to_owned())
}

impl From<CallersConfiguration> for v1::GetIngestConfigurationResponse {
    fn from(callers: CallersConfiguration) -> Self {
        Self { ingest_configuration: Some(callers.into()) }
    }
}

impl From<CallersConfiguration> for v1::UpdateIngestConfigurationResponse {
    fn from(callers: CallersConfiguration) -> Self {
        Self { ingest_configuration: Some(callers.into()) }
    }
}

impl From<()> for v1::DeleteIngestConfigurationResponse {
    fn from((): ()) -> Self {
        Self {}
    }
}

impl From<Listed> for v1::ListIngestConfigurationsResponse {
    fn from(listed: Listed) -> Self {
        Self {
            ingest_configurations: listed.configurations.into_iter().map(Into::into).collect(),
            next_page_token: listed.next_page_token.unwrap_or_default(),
        }
    }
}

impl From<Quota> for v1::GetQuotaResponse {
    fn from(quota: Quota) -> Self {
        let used = quota.usage.total();
        let by_state = quota.usage.0.into_iter().map(|(state, count)| v1::StateCount {
            state: state.as_str().to_owned(),
            count: count.into(),
        });
        let count = |limit: u32, used: u32| v1::CountQuota {
            limit: limit.into(),
            used: used.into(),
            used_by_state: Vec::new(),
        };
        let rate = |(rate, available): (Rate, u32)| v1::RateQuota {
            per_second: rate.per_second,
            burst: rate.burst.get(),
            available,
        };
        Self {
            ingest_configurations: Some(v1::CountQuota {
                used_by_state: by_state.collect(),
                ..count(quota.max_ingest_configurations, used)
            }),
            requests: Some(rate(quota.rates.requests)),
            creates: Some(rate(quota.rates.creates)),
            queued_creates: Some(count(
                quota.max_queued,
                u32::try_from(quota.creates.queued).unwrap_or(u32::MAX),
            )),
            in_flight: Some(count(quota.rates.max_concurrent_calls, quota.rates.concurrent_calls)),
            predicted_create_wait: quota.creates.predicted_wait.try_into().ok(),
            account_creates_per_second: quota.creates.calls_per_second,
            weight: quota.weight,
        }
    }
}
