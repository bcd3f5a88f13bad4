//! What a create asks of the ledger, and the tags that it writes at AWS: both name it.

use std::collections::HashMap;

use super::{fields, over_quota, task::Create};
use crate::{
    error::Error,
    handlers::ledger_failed,
    ledger::{Reservation, Reserved, SendPermission},
    tenancy::{Limit, tags::TenancyTags},
};

impl Create {
    /// Takes a place in the quota, or finds what an earlier call made.
    pub(super) async fn reserve(&self) -> Result<Reserved, Error> {
        let ledger = &self.handlers.shared.ledger;
        let mut reservation = self.reservation();
        let failed = |error| ledger_failed(&error, "reserve");
        let reserved = ledger.reserve(reservation.clone()).await.map_err(failed)?;
        let Reserved::OverQuota { used } = reserved else { return Ok(reserved) };
        self.context.enforce(Limit::Count, over_quota(self.context.tenant(), used))?;
        // In shadow it is only counted.
        reservation.limit = u32::MAX;
        ledger.reserve(reservation).await.map_err(failed)
    }

    fn reservation(&self) -> Reservation {
        let Self { request, context, .. } = self;
        Reservation {
            operation_id: self.operation_id,
            tenant: context.tenant().id.clone(),
            request_id: match &request.request_id {
                Some(request_id) => request_id.as_str().to_owned(),
                None => self.operation_id.to_string(),
            },
            fingerprint: self.fingerprint,
            limit: context.tenant().settings.max_ingest_configurations,
            fields: fields(request),
        }
    }

    /// All tags of the configuration. They name the row that may be sent.
    pub(super) fn tags(&self, permission: &SendPermission) -> HashMap<String, String> {
        let tenancy = TenancyTags {
            tenant: self.context.tenant().id.clone(),
            operation_id: permission.operation_id(),
            request_id: self.request.request_id.clone(),
            fingerprint: self.fingerprint,
        };
        tenancy.write(&self.request.tags, &self.context.tenant().settings.extra_tags)
    }
}
