//! The tenants that the gateway serves, and what each has under way.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use super::gcra::{Gcra, TooSoon};
use crate::{
    config::{self, Rate, TenantSettings},
    error::{Error, RateLimit},
    request::StageArn,
    telemetry::CallRecord,
    telemetry::{Limit, LimitCounts},
    tenancy::TenantId,
};

/// The most tenants that are remembered at once when the configuration opens the
/// default to all: each costs about 300 bytes.
const MAX_REMEMBERED: usize = 200_000;

/// When a call that came while too many were under way may come again: about the
/// time that one call takes.
const IN_FLIGHT_RETRY: Duration = Duration::from_millis(250);

/// One tenant: its settings, and what it has spent of its rates.
#[derive(Debug)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its limits.
    pub settings: Arc<TenantSettings>,
    request_rate: Gcra,
    create_rate: Gcra,
    in_flight: Arc<AtomicU32>,
}

/// A place among a tenant's calls under way, given back when dropped.
#[derive(Debug)]
pub struct InFlight(Arc<AtomicU32>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Tenant {
    fn new(id: TenantId, settings: Arc<TenantSettings>) -> Self {
        Self {
            request_rate: Gcra::new(&settings.request_rate),
            create_rate: Gcra::new(&settings.create_rate),
            in_flight: Arc::default(),
            id,
            settings,
        }
    }

    /// The same tenant under new settings, with what it has spent.
    fn with_settings(&self, settings: Arc<TenantSettings>) -> Self {
        Self {
            id: self.id.clone(),
            request_rate: self.request_rate.with_rate(&settings.request_rate),
            create_rate: self.create_rate.with_rate(&settings.create_rate),
            in_flight: Arc::clone(&self.in_flight),
            settings,
        }
    }

    /// The calls that may be under way at once: those at AWS and those that wait.
    #[must_use]
    pub fn max_calls(&self) -> u32 {
        self.settings.max_in_flight.saturating_add(self.settings.max_queued)
    }

    fn is_idle(&self, now_ns: u64) -> bool {
        self.in_flight.load(Ordering::Relaxed) == 0
            && self.request_rate.is_full(now_ns)
            && self.create_rate.is_full(now_ns)
    }
}

/// All tenants, by id.
#[derive(Debug)]
pub struct Tenants {
    started: Instant,
    limits: LimitCounts,
    known: RwLock<Known>,
}

#[derive(Debug)]
struct Known {
    configured: config::Tenants,
    tenants: HashMap<TenantId, Arc<Tenant>>,
}

impl Tenants {
    /// The tenants of the configuration.
    #[must_use]
    pub fn new(configured: config::Tenants, limits: LimitCounts) -> Self {
        let known = Known { configured, tenants: HashMap::new() };
        Self { started: Instant::now(), limits, known: RwLock::new(known) }
    }

    /// Takes a new configuration. Tenants keep what they have spent.
    pub fn reload(&self, configured: config::Tenants) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.tenants = known
            .tenants
            .drain()
            .filter_map(|(id, tenant)| {
                let settings = Arc::clone(configured.settings(&id)?);
                Some((id, Arc::new(tenant.with_settings(settings))))
            })
            .collect();
        known.configured = configured;
    }

    /// The tenant of that id.
    ///
    /// # Errors
    /// `TENANT_FORBIDDEN` if the configuration knows no such tenant, and
    /// `OVERLOADED` if too many are remembered.
    pub fn get(&self, id: &TenantId) -> Result<Arc<Tenant>, Error> {
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(tenant) = known.tenants.get(id) {
                return Ok(Arc::clone(tenant));
            }
            if known.configured.settings(id).is_none() {
                return Err(Error::TenantForbidden);
            }
        }
        self.remember(id)
    }

    /// The tenant that lists the stage among its own, if one does.
    #[must_use]
    pub fn stage_owner(&self, arn: &StageArn) -> Option<TenantId> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.configured.stage_owners.get(arn).cloned()
    }

    fn remember(&self, id: &TenantId) -> Result<Arc<Tenant>, Error> {
        let now_ns = self.now_ns();
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let settings = Arc::clone(known.configured.settings(id).ok_or(Error::TenantForbidden)?);
        if known.tenants.len() >= MAX_REMEMBERED {
            known.tenants.retain(|_, tenant| !tenant.is_idle(now_ns));
        }
        if known.tenants.len() >= MAX_REMEMBERED {
            return Err(Error::Overloaded);
        }
        let tenant = known
            .tenants
            .entry(id.clone())
            .or_insert_with(|| Arc::new(Tenant::new(id.clone(), settings)));
        Ok(Arc::clone(tenant))
    }

    /// Lets one call of any method in, if the tenant is within its request rate and
    /// has a place free.
    ///
    /// # Errors
    /// `TENANT_RATE_QUOTA`; then nothing is taken.
    pub fn admit(&self, tenant: &Tenant, record: &CallRecord) -> Result<InFlight, Error> {
        let most = tenant.max_calls();
        let taken = tenant.in_flight.fetch_add(1, Ordering::Relaxed);
        // Given back when this returns with an error.
        let place = InFlight(Arc::clone(&tenant.in_flight));
        if taken >= most {
            let too_soon = TooSoon { retry_after: IN_FLIGHT_RETRY };
            let error = over(tenant, RateLimit::InFlight, too_soon);
            self.enforce(tenant, Limit::InFlight, error, record)?;
        }
        if let Err(too_soon) = tenant.request_rate.acquire(self.now_ns()) {
            let error = over(tenant, RateLimit::Requests, too_soon);
            self.enforce(tenant, Limit::RequestRate, error, record)?;
        }
        Ok(place)
    }

    /// Counts that the tenant is over a limit.
    ///
    /// # Errors
    /// `error`, unless the tenant is in shadow: then its call goes on.
    pub fn enforce(
        &self,
        tenant: &Tenant,
        limit: Limit,
        error: Error,
        record: &CallRecord,
    ) -> Result<(), Error> {
        if tenant.settings.shadow {
            self.limits.would_refuse(limit);
            record.would_refuse(error.reason());
            Ok(())
        } else {
            self.limits.refused(limit);
            Err(error)
        }
    }

    /// Spends one create of the tenant's create rate, for good only once
    /// [`CreatePermit::spend`] is called.
    ///
    /// # Errors
    /// `TENANT_RATE_QUOTA`; then nothing is taken.
    pub fn permit_create(
        &self,
        tenant: &Arc<Tenant>,
        record: &CallRecord,
    ) -> Result<CreatePermit, Error> {
        let acquired = tenant.create_rate.acquire(self.now_ns());
        if let Err(too_soon) = acquired {
            let error = over(tenant, RateLimit::Creates, too_soon);
            self.enforce(tenant, Limit::CreateRate, error, record)?;
        }
        // In shadow nothing may have been taken, and nothing is to be given back.
        Ok(CreatePermit { tenant: Arc::clone(tenant), spent: acquired.is_err() })
    }

    /// What the tenant has left of its rates, and what it has under way.
    #[must_use]
    pub fn spent(&self, tenant: &Tenant) -> Spent {
        let now_ns = self.now_ns();
        Spent {
            requests: (tenant.settings.request_rate, tenant.request_rate.available(now_ns)),
            creates: (tenant.settings.create_rate, tenant.create_rate.available(now_ns)),
            in_flight: tenant.in_flight.load(Ordering::Relaxed),
            max_in_flight: tenant.max_calls(),
        }
    }

    /// Nanoseconds since the start, from 1: the clock of all rates.
    fn now_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1)
    }
}

/// What a tenant has left of its rates, and what it has under way.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    /// The rate of all calls, and how many would be let through now.
    pub requests: (Rate, u32),
    /// The rate of creates, and how many would be let through now.
    pub creates: (Rate, u32),
    /// Calls under way, this one included.
    pub in_flight: u32,
    /// How many there may be.
    pub max_in_flight: u32,
}

/// A create within the tenant's create rate. Given back when dropped unspent: a
/// refusal further on consumes nothing.
#[derive(Debug)]
pub struct CreatePermit {
    tenant: Arc<Tenant>,
    spent: bool,
}

impl CreatePermit {
    /// The create is going to be sent.
    pub fn spend(mut self) {
        self.spent = true;
    }
}

impl Drop for CreatePermit {
    fn drop(&mut self) {
        if !self.spent {
            self.tenant.create_rate.refund();
        }
    }
}

fn over(tenant: &Tenant, limit: RateLimit, too_soon: TooSoon) -> Error {
    Error::TenantRateQuota { tenant: tenant.id.clone(), limit, retry_after: too_soon.retry_after }
}
