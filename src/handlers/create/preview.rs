//! `validate_only`: checks a create without executing it.

use super::{Created, endpoint, fields, over_quota};
use crate::{
    error::Error,
    handlers::{CallersConfiguration, Handlers, ledger_failed},
    request::CreateIngestConfiguration,
    tenancy::{Stage, Tenant},
};

impl Handlers {
    /// Checks the quota and returns the configuration that the create would return.
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
        Ok(Created {
            configuration: CallersConfiguration::of_fields(
                fields(request),
                endpoint(stage, request.ingest_protocol),
                self.shared.clock.wall(),
            ),
            replayed: false,
            operation_id: None,
            aws_request_id: None,
        })
    }
}
