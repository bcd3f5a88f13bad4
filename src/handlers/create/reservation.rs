//! The reservation of a create in the ledger, and the tags of its configuration at AWS. Both
//! contain the id of the create.

use std::collections::HashMap;

use super::{fields, over_quota, task::Create};
use crate::{
    error::Error,
    handlers::ledger_failed,
    ledger::{Event, Reservation, Reserved, SendPermission},
    tenancy::{Limit, tags::TenancyTags},
};

impl Create {
    /// Reserves quota, or returns the outcome of an earlier create with the same `request_id`.
    pub(super) async fn reserve(&self) -> Result<Reserved, Error> {
        let ledger = &self.handlers.shared.ledger;
        let mut reservation = self.reservation();
        let failed = |error| self.ledger_failed(&error, "reserve", Event::Cancel);
        let reserved = ledger.reserve(reservation.clone()).await.map_err(failed)?;
        let Reserved::OverQuota { used } = reserved else { return Ok(reserved) };
        self.context.enforce(Limit::Count, over_quota(self.context.tenant(), used))?;
        // The tenant is in shadow: the excess is counted, and the quota is not enforced.
        reservation.limit = u32::MAX;
        ledger.reserve(reservation).await.map_err(failed)
    }

    /// Returns the ledger's record of an earlier create with the same `request_id`. The limit
    /// of 0 prevents a new row.
    pub(super) async fn find_earlier(&self) -> Result<Reserved, Error> {
        let reservation = Reservation { limit: 0, ..self.reservation() };
        let found = self.handlers.shared.ledger.reserve(reservation).await;
        found.map_err(|error| ledger_failed(&error, "reserve"))
    }

    /// Returns the `request_id` of the row: that of the caller, or the id of the create.
    pub(super) fn request_id(&self) -> String {
        match &self.request.request_id {
            Some(request_id) => request_id.as_str().to_owned(),
            None => self.operation_id.to_string(),
        }
    }

    fn reservation(&self) -> Reservation {
        let Self { request, context, .. } = self;
        Reservation {
            operation_id: self.operation_id,
            tenant: context.tenant().id.clone(),
            request_id: self.request_id(),
            fingerprint: self.fingerprint,
            limit: context.tenant().settings.max_ingest_configurations,
            fields: fields(request),
        }
    }

    /// Returns all tags of the configuration. The operation id is that of `permission`.
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
