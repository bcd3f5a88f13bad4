//! The request that every subject receives.

use std::collections::BTreeMap;

use ivs_ingest_gateway::proto::v1::{CreateIngestConfigurationRequest, IngestProtocol};

use crate::gateway::stage_arn;

/// Returns a typical create on the tenant's own stage: all strings set, two tags, and a
/// `request_id`.
pub(crate) fn create(tenant: &str, request_id: usize) -> CreateIngestConfigurationRequest {
    let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
    };
    CreateIngestConfigurationRequest {
        name: "studio-a".to_owned(),
        stage_arn: stage_arn(tenant),
        user_id: "camera-1".to_owned(),
        attributes: map(&[("room", "studio-a")]),
        ingest_protocol: IngestProtocol::Rtmps.into(),
        insecure_ingest: false,
        redundant_ingest: false,
        tags: map(&[("show", "morning"), ("team", "live")]),
        request_id: format!("request-{request_id}"),
        validate_only: false,
    }
}
