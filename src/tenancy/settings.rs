//! The settings of each tenant, as the configuration gives them.

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
    /// The settings of tenants that are not listed. None: those tenants are unknown.
    pub default: Option<Arc<TenantSettings>>,
    /// The listed tenants.
    pub named: HashMap<TenantId, Arc<TenantSettings>>,
    /// The owners of listed stages. A listed owner overrides the tags of the stage.
    pub stage_owners: HashMap<StageArn, TenantId>,
}

impl TenancySettings {
    /// The settings of a tenant, listed or not. None: the tenant is unknown.
    #[must_use]
    pub fn of(&self, tenant: &TenantId) -> Option<&Arc<TenantSettings>> {
        self.named.get(tenant).or(self.default.as_ref())
    }
}

/// The limits of one tenant, and the rules for its stages and tags.
#[derive(Debug, Clone, PartialEq)]
pub struct TenantSettings {
    /// Ingest configurations that may exist at AWS. Default 20.
    pub max_ingest_configurations: u32,
    /// Calls of all methods. Default 100 a second, bursts of 200.
    pub request_rate: Rate,
    /// Creates. Default: no limit of their own.
    pub create_rate: Option<Rate>,
    /// Calls of all methods that run concurrently, at least 1. Default 50.
    pub max_concurrent_calls: u32,
    /// Calls of one AWS operation that wait for their turn. Default 10.
    pub max_queued: u32,
    /// Concurrent calls of one AWS operation at AWS, at least 1. Default 2.
    pub max_in_flight: u32,
    /// The share of AWS's budget beside other tenants that wait, 1 to 1000. Default 1.
    pub weight: u32,
    /// Whether the limits of the tenant are only counted. The account's own budget is
    /// enforced nevertheless. Default false.
    pub shadow: bool,
    /// The protocols that encoders may speak; not empty. Default RTMPS and RTMP.
    pub allowed_protocols: Vec<IngestProtocol>,
    /// Tags that every create of the tenant gets, at most 16. Default none.
    pub extra_tags: BTreeMap<String, String>,
    /// A stage belongs to the tenant whose id this tag of the stage holds. Default
    /// `tenant`.
    pub stage_owner_tag: String,
}

/// A rate with bursts (GCRA).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// The sustained rate; above 0, at most a million.
    pub per_second: f64,
    /// Calls that may come together after a pause.
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
