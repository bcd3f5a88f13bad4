//! `GetQuota`: the tenant's limits, and what is used of them.

use super::{CallContext, Handlers, ledger_failed, paced};
use crate::{error::Error, ledger::Usage, pacer::Outlook, tenancy::RateUsage};

/// The tenant's limits and what is used of them.
#[derive(Debug)]
pub struct Quota {
    /// The most configurations there may be.
    pub max_ingest_configurations: u32,
    /// How many count against that, by state.
    pub usage: Usage,
    /// The use of the rates and of the concurrency.
    pub rates: RateUsage,
    /// The tenant's share against the others'.
    pub weight: u32,
    /// What a create would meet on its way to AWS.
    pub creates: Outlook,
    /// How many creates may wait.
    pub max_queued: u32,
    /// How many creates may be at AWS.
    pub max_in_flight: u32,
}

impl Handlers {
    /// Tells the tenant's quota.
    ///
    /// # Errors
    /// `LEDGER_UNAVAILABLE`.
    pub async fn get_quota(&self, context: &CallContext) -> Result<Quota, Error> {
        let tenant = context.tenant();
        let usage = self.shared.ledger.usage(tenant.id.clone()).await;
        Ok(Quota {
            max_ingest_configurations: tenant.settings.max_ingest_configurations,
            usage: usage.map_err(|error| ledger_failed(&error, "usage"))?,
            rates: tenant.rate_usage(),
            weight: tenant.settings.weight,
            creates: self.shared.pacers.create.outlook(&paced::flow(tenant)),
            max_queued: tenant.settings.max_queued,
            max_in_flight: tenant.settings.max_in_flight,
        })
    }
}
