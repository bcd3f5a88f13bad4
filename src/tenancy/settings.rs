//! The settings of tenants, from the configuration file.

use std::{
    collections::{BTreeMap, HashMap},
    num::NonZeroU32,
    sync::Arc,
};

use super::TenantId;
use crate::request::{IngestProtocol, StageArn};

/// The settings of all tenants.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TenancySettings {
    /// The settings of tenants that are not listed; `None` if those tenants are unknown.
    pub default: Option<Arc<TenantSettings>>,
    /// The listed tenants.
    pub named: HashMap<TenantId, Arc<TenantSettings>>,
    /// The owners of listed stages. A listed owner overrides the tags of the stage.
    pub stage_owners: HashMap<StageArn, TenantId>,
}

impl TenancySettings {
    /// Returns the settings of a tenant, listed or not; `None` if the tenant is unknown.
    #[must_use]
    pub fn of(&self, tenant: &TenantId) -> Option<&Arc<TenantSettings>> {
        self.named.get(tenant).or(self.default.as_ref())
    }
}

/// The limits of one tenant, and the rules for its stages and tags.
#[derive(Debug, Clone, PartialEq)]
pub struct TenantSettings {
    /// Maximum number of ingest configurations at AWS. Default 20.
    pub max_ingest_configurations: u32,
    /// Rate of calls of all methods. Default 100 a second, bursts of 200.
    pub request_rate: Rate,
    /// Rate of creates. Default: only `request_rate` applies.
    pub create_rate: Option<Rate>,
    /// Maximum number of concurrent calls other than ledger reads, at least 1. Default 50.
    pub max_concurrent_calls: u32,
    /// Maximum number of concurrent ledger reads (List and `GetQuota`), at least 1. Default 500.
    pub max_concurrent_reads: u32,
    /// Maximum number of calls that wait for one AWS operation. Default 10.
    pub max_queued: u32,
    /// Maximum number of concurrent calls of one AWS operation, at least 1. Default 2.
    pub max_in_flight: u32,
    /// Weight of the tenant when waiting tenants share AWS's call rate, 1 to 1000. Default 1.
    pub weight: u32,
    /// Whether exceeded limits of the tenant are counted but not enforced. AWS's call rate is
    /// enforced in any case. Default false.
    pub shadow: bool,
    /// The protocols that the tenant may use, at least one. Default RTMPS and RTMP.
    pub allowed_protocols: Vec<IngestProtocol>,
    /// Tags that the gateway adds to every configuration of the tenant, at most 16. Default
    /// none.
    pub extra_tags: BTreeMap<String, String>,
    /// Key of the stage tag whose value is the id of the tenant that owns the stage. Default
    /// `tenant`.
    pub stage_owner_tag: String,
}

/// A rate limit with bursts, enforced by [`Gcra`](super::Gcra).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// The sustained rate in calls a second; greater than 0, at most 1,000,000.
    pub per_second: f64,
    /// The maximum number of calls that are admitted together after a pause.
    pub burst: NonZeroU32,
}

impl Default for TenantSettings {
    fn default() -> Self {
        let burst = |burst: u32| NonZeroU32::MIN.saturating_add(burst - 1);
        Self {
            max_ingest_configurations: 20,
            request_rate: Rate { per_second: 100.0, burst: burst(200) },
            create_rate: None,
            max_concurrent_calls: 50,
            max_concurrent_reads: 500,
            max_queued: 10,
            max_in_flight: 2,
            weight: 1,
            shadow: false,
            allowed_protocols: vec![IngestProtocol::Rtmps, IngestProtocol::Rtmp],
            extra_tags: BTreeMap::new(),
            stage_owner_tag: "tenant".to_owned(),
        }
    }
}
