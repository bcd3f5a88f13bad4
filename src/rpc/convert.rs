//! Conversions from the types of the gateway to the messages of the API.

use secrecy::{ExposeSecret, SecretString};

use crate::{
    handlers::{CallersConfiguration, Created, Listed, Quota, StreamKeys},
    ledger::State,
    pacer::Outlook,
    proto::v1,
    tenancy::{Rate, RateUsage},
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
        // The only place that exposes stream keys.
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
            state_observe_time: Some(callers.state_observe_time.into()),
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
        let by_state = quota.usage.0.into_iter().filter_map(|(state, rows)| {
            let state = v1::LedgerState::from(state);
            let is_counted = state != v1::LedgerState::Unspecified;
            is_counted.then(|| v1::LedgerStateCount { state: state.into(), count: count(rows) })
        });
        let limited = |limit: u32, used: u32| v1::CountQuota {
            limit: count(limit),
            used: count(used),
            used_by_state: Vec::new(),
        };
        let rate = |(rate, available): (Rate, u32)| v1::RateQuota {
            per_second: rate.per_second,
            burst: count(rate.burst.get()),
            available: count(available),
        };
        let RateUsage {
            requests,
            creates,
            concurrent_calls,
            max_concurrent_calls,
            concurrent_reads,
            max_concurrent_reads,
        } = quota.rates;
        let Outlook { queued, in_flight, predicted_wait } = quota.creates;
        Self {
            ingest_configurations: Some(v1::CountQuota {
                used_by_state: by_state.collect(),
                ..limited(quota.max_ingest_configurations, used)
            }),
            request_rate: Some(rate(requests)),
            create_rate: creates.map(rate),
            concurrent_calls: Some(limited(max_concurrent_calls, concurrent_calls)),
            concurrent_reads: Some(limited(max_concurrent_reads, concurrent_reads)),
            queued_creates: Some(v1::CountQuota {
                used: count(queued),
                ..limited(quota.max_queued, 0)
            }),
            in_flight_creates: Some(limited(quota.max_in_flight, in_flight)),
            predicted_create_wait: predicted_wait.try_into().ok(),
            weight: count(quota.weight),
        }
    }
}

impl From<State> for v1::LedgerState {
    fn from(state: State) -> Self {
        match state {
            State::Reserved => Self::Reserved,
            State::Sending => Self::Sending,
            State::InDoubt => Self::InDoubt,
            State::Live => Self::Live,
            State::Deleting => Self::Deleting,
            // Not counted against the quota.
            State::Rejected | State::Deleted => Self::Unspecified,
        }
    }
}

/// A count of the API: `int32`, so that JSON shows a number.
fn count(count: impl TryInto<i32>) -> i32 {
    count.try_into().unwrap_or(i32::MAX)
}
