//! `GetQuota`: returns the tenant's limits and their use.

use super::{CallContext, Handlers, ledger_failed, paced};
use crate::{error::Error, ledger::Usage, pacer::Outlook, tenancy::RateUsage};

/// The tenant's limits and their use.
#[derive(Debug)]
pub struct Quota {
    /// The maximum number of configurations.
    pub max_ingest_configurations: u32,
    /// The number of configurations that count against the maximum, by state of their rows.
    pub usage: Usage,
    /// The use of the rates and of the concurrency.
    pub rates: RateUsage,
    /// The weight of the tenant when waiting tenants share AWS's call rate.
    pub weight: u32,
    /// The tenant's queue of creates, and the predicted wait of the next create.
    pub creates: Outlook,
    /// The maximum number of creates that wait.
    pub max_queued: u32,
    /// The maximum number of concurrent creates at AWS.
    pub max_in_flight: u32,
}

impl Handlers {
    /// Returns the tenant's quota.
    ///
    /// # Errors
    /// `LEDGER_UNAVAILABLE`.
    pub async fn get_quota(&self, context: &CallContext) -> Result<Quota, Error> {
        self.shared.require_complete()?;
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
