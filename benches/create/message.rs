//! The one request that every subject is sent, and its tenants.

use std::collections::BTreeMap;

use ivs_ingest_gateway::proto::v1::{CreateIngestConfigurationRequest, IngestProtocol};

pub(crate) const REGION: &str = "us-east-1";

/// The creates that each tenant makes, warm-up included: the gateway counts a
/// tenant's rows to decide, and 20 is its default quota.
pub(crate) const CREATES_A_TENANT: usize = 20;

/// The tenant that the gateway's configuration leaves no request rate.
pub(crate) const LIMITED_TENANT: &str = "limited";

/// The tenant of that number.
pub(crate) fn tenant(number: usize) -> String {
    format!("tenant-{number}")
}

/// A create as a studio would send it, on the tenant's own stage: all strings set,
/// two tags, and a `request_id`.
pub(crate) fn create(tenant: &str, request_id: usize) -> CreateIngestConfigurationRequest {
    let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
    };
    CreateIngestConfigurationRequest {
        name: "studio-a".to_owned(),
        // The upstream tells the owner of a stage from its ARN.
        stage_arn: format!("arn:aws:ivs:{REGION}:123456789012:stage/{tenant}"),
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
