//! `validate_only`: a create that only checks.

use std::collections::BTreeMap;

use super::{Created, endpoint, fields, over_quota};
use crate::{
    error::Error,
    handlers::{CallersConfiguration, Handlers, ledger_failed},
    ivs::Configuration,
    ledger::Fields,
    request::{CreateIngestConfiguration, IngestConfigurationState},
    tenancy::{Stage, Tenant},
};

impl Handlers {
    /// Checks the quota and answers the configuration as it would be.
    pub(super) async fn preview(
        &self,
        tenant: &Tenant,
        request: &CreateIngestConfiguration,
        stage: Option<&Stage>,
    ) -> Result<Created, Error> {
        let usage = self.shared.ledger.usage(tenant.id.clone()).await;
        let used = usage.map_err(|error| ledger_failed(&error, "usage"))?.total();
        if used >= tenant.settings.max_ingest_configurations && !tenant.settings.shadow {
            return Err(over_quota(tenant, used));
        }
        let now = self.shared.clock.wall();
        let protocol = request.ingest_protocol;
        Ok(Created {
            configuration: CallersConfiguration {
                configuration: unmade(request),
                ingest_endpoint: endpoint(stage, protocol),
                create_time: now,
                state_observed_at: now,
            },
            replayed: false,
            operation_id: None,
            aws_request_id: None,
        })
    }
}

/// The configuration as it would be: without what only AWS can give.
fn unmade(request: &CreateIngestConfiguration) -> Configuration {
    let Fields { name, stage_arn, user_id, attributes, ingest_protocol, redundant_ingest, tags } =
        fields(request);
    Configuration {
        arn: String::new(),
        name,
        ingest_protocol,
        stream_key: String::new().into(),
        stage_arn: stage_arn.unwrap_or_default(),
        participant_id: String::new(),
        state: IngestConfigurationState::Inactive,
        user_id,
        redundant_ingest,
        redundant_ingest_credentials: Vec::new(),
        attributes,
        tags: BTreeMap::into_iter(tags).collect(),
    }
}
