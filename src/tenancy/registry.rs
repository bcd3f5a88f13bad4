//! The tenants that the gateway serves.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use super::{TenancySettings, Tenant, TenantId, metrics::LimitCounts, tenant::Meter};
use crate::{clock::Clock, request::StageArn};

/// Maximum number of tenants in memory, for configurations that admit unlisted tenants. Each
/// tenant uses about 300 bytes.
const MAX_TENANTS: usize = 200_000;

/// All tenants, by id.
#[derive(Debug)]
pub struct Tenants {
    meter: Arc<Meter>,
    known: RwLock<Known>,
}

#[derive(Debug)]
struct Known {
    settings: TenancySettings,
    tenants: HashMap<TenantId, Arc<Tenant>>,
}

/// A tenant cannot be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TenantError {
    /// The configuration has no settings for the tenant.
    #[error("the tenant is unknown")]
    Unknown,
    /// The registry contains the maximum number of active tenants.
    #[error("too many tenants are active")]
    RegistryFull,
}

impl Tenants {
    /// Returns the tenants of the configuration. Exceeded limits are counted in `counts`.
    #[must_use]
    pub fn new(settings: TenancySettings, counts: LimitCounts, clock: Clock) -> Self {
        let known = Known { settings, tenants: HashMap::new() };
        Self { meter: Arc::new(Meter::new(clock, counts)), known: RwLock::new(known) }
    }

    /// Replaces the settings. Tenants keep the use of their rates.
    pub fn reload(&self, settings: TenancySettings) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.tenants = known
            .tenants
            .drain()
            .filter_map(|(id, tenant)| {
                let settings = Arc::clone(settings.of(&id)?);
                Some((id, Arc::new(tenant.with_settings(settings))))
            })
            .collect();
        known.settings = settings;
    }

    /// Returns the tenant with this id.
    ///
    /// # Errors
    /// [`TenantError`].
    pub fn get(&self, id: &TenantId) -> Result<Arc<Tenant>, TenantError> {
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(tenant) = known.tenants.get(id) {
                return Ok(Arc::clone(tenant));
            }
            if known.settings.of(id).is_none() {
                return Err(TenantError::Unknown);
            }
        }
        self.insert(id)
    }

    /// Returns the tenant that the configuration lists as the owner of the stage.
    #[must_use]
    pub fn stage_owner(&self, arn: &StageArn) -> Option<TenantId> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.settings.stage_owners.get(arn).cloned()
    }

    fn insert(&self, id: &TenantId) -> Result<Arc<Tenant>, TenantError> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let settings = Arc::clone(known.settings.of(id).ok_or(TenantError::Unknown)?);
        if known.tenants.len() >= MAX_TENANTS {
            let now_ns = self.meter.now_ns();
            known.tenants.retain(|_, tenant| !tenant.is_idle(now_ns));
        }
        if known.tenants.len() >= MAX_TENANTS {
            return Err(TenantError::RegistryFull);
        }
        let new = || Arc::new(Tenant::new(id.clone(), settings, Arc::clone(&self.meter)));
        Ok(Arc::clone(known.tenants.entry(id.clone()).or_insert_with(new)))
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use prometheus_client::{encoding::text::encode, registry::Registry};

    use super::*;
    use crate::tenancy::{CallKind, Rate, RateLimit, TenantSettings};

    fn acme() -> TenantId {
        TenantId::parse("acme").unwrap()
    }

    fn tenants(settings: TenantSettings) -> (Tenants, Registry) {
        let mut registry = Registry::default();
        let counts = LimitCounts::register(&mut registry);
        let named = HashMap::from([(acme(), Arc::new(settings))]);
        let settings = TenancySettings { named, ..TenancySettings::default() };
        (Tenants::new(settings, counts, Clock::system()), registry)
    }

    #[test]
    fn a_tenant_without_settings_is_unknown() {
        let (tenants, _) = tenants(TenantSettings::default());
        let other = TenantId::parse("other").unwrap();
        assert_eq!(tenants.get(&other).unwrap_err(), TenantError::Unknown);
        assert_eq!(tenants.get(&acme()).unwrap().id, acme());
    }

    #[test]
    fn a_dropped_permit_releases_its_concurrency() {
        let settings = TenantSettings { max_concurrent_calls: 1, ..TenantSettings::default() };
        let (tenants, registry) = tenants(settings);
        let tenant = tenants.get(&acme()).unwrap();
        let first = tenant.acquire_concurrency(CallKind::Other).unwrap();
        let exceeded = tenant.acquire_concurrency(CallKind::Other).unwrap_err();
        assert_eq!((exceeded.tenant, exceeded.limit), (acme(), RateLimit::Concurrency));
        assert_eq!(tenant.rate_usage().concurrent_calls, 1);
        // A reload keeps the count of running calls.
        tenants.reload(TenancySettings {
            default: Some(Arc::new(TenantSettings {
                max_concurrent_calls: 1,
                ..TenantSettings::default()
            })),
            ..TenancySettings::default()
        });
        let tenant = tenants.get(&acme()).unwrap();
        tenant.acquire_concurrency(CallKind::Other).unwrap_err();
        // Reads of the ledger have a limit of their own.
        let read = tenant.acquire_concurrency(CallKind::LedgerRead).unwrap();
        assert_eq!(
            (tenant.rate_usage().concurrent_calls, tenant.rate_usage().concurrent_reads),
            (1, 1)
        );
        drop(read);
        drop(first);
        assert!(tenant.acquire_concurrency(CallKind::Other).is_ok());
        assert_eq!(tenant.rate_usage().concurrent_calls, 0);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        assert!(
            text.contains("limit_exceeded_total{limit=\"concurrency\",shadow=\"false\"} 2"),
            "{text}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn in_shadow_every_call_is_admitted_and_reports_the_exceeded_limit() {
        let rate = Rate { per_second: 0.01, burst: NonZeroU32::MIN };
        let settings = TenantSettings {
            create_rate: Some(rate),
            request_rate: rate,
            max_concurrent_calls: 1,
            shadow: true,
            ..TenantSettings::default()
        };
        let (tenants, _) = tenants(settings);
        let tenant = tenants.get(&acme()).unwrap();
        assert_eq!(tenant.acquire_request().unwrap().exceeded_in_shadow, None);
        let exceeded = tenant.acquire_request().unwrap().exceeded_in_shadow.unwrap();
        assert_eq!(exceeded.limit, RateLimit::Requests);
        let first = tenant.acquire_concurrency(CallKind::Other).unwrap();
        let second = tenant.acquire_concurrency(CallKind::Other).unwrap();
        let exceeded = second.exceeded_in_shadow.as_ref().unwrap();
        assert_eq!(exceeded.limit, RateLimit::Concurrency);
        assert_eq!(tenant.rate_usage().concurrent_calls, 2);
        drop((first, second));
        // A permit that exceeds the rate consumed nothing, so its drop must refund nothing.
        tenant.acquire_create().unwrap().permit.spend();
        drop(tenant.acquire_create().unwrap());
        assert_eq!(tenant.rate_usage().creates.unwrap().1, 0);
    }
}
