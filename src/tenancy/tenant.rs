//! One tenant: its settings, and its use of its rates and of its concurrency.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    Rate, TenantId, TenantSettings,
    gcra::{Gcra, TooSoon},
    limits::{Admitted, Enforcement, Limit, LimitExceeded, RateLimit},
    metrics::LimitCounts,
};
use crate::clock::Clock;

/// When a call that exceeded the concurrency may come again: about the time that one call
/// takes.
const CONCURRENCY_RETRY: Duration = Duration::from_millis(250);

/// The clock and the counters that all tenants share.
#[derive(Debug)]
pub(super) struct Meter {
    clock: Clock,
    started: Instant,
    counts: LimitCounts,
}

impl Meter {
    pub(super) fn new(clock: Clock, counts: LimitCounts) -> Self {
        Self { started: clock.monotonic(), clock, counts }
    }

    /// Nanoseconds since the start, from 1: the clock of all rates.
    pub(super) fn now_ns(&self) -> u64 {
        let elapsed = self.clock.monotonic().saturating_duration_since(self.started);
        u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX).max(1)
    }
}

/// One tenant.
#[derive(Debug)]
pub struct Tenant {
    /// The id of the tenant.
    pub id: TenantId,
    /// The limits of the tenant.
    pub settings: Arc<TenantSettings>,
    request_rate: Gcra,
    create_rate: Option<Gcra>,
    running: Arc<AtomicU32>,
    meter: Arc<Meter>,
}

impl Tenant {
    pub(super) fn new(id: TenantId, settings: Arc<TenantSettings>, meter: Arc<Meter>) -> Self {
        Self {
            request_rate: Gcra::new(&settings.request_rate),
            create_rate: settings.create_rate.as_ref().map(Gcra::new),
            running: Arc::default(),
            id,
            settings,
            meter,
        }
    }

    /// The same tenant under new settings. It keeps its use of the rates.
    pub(super) fn with_settings(&self, settings: Arc<TenantSettings>) -> Self {
        Self {
            id: self.id.clone(),
            request_rate: self.request_rate.with_rate(&settings.request_rate),
            create_rate: self.with_create_rate(settings.create_rate.as_ref()),
            running: Arc::clone(&self.running),
            settings,
            meter: Arc::clone(&self.meter),
        }
    }

    fn with_create_rate(&self, rate: Option<&Rate>) -> Option<Gcra> {
        let rate = rate?;
        Some(self.create_rate.as_ref().map_or_else(|| Gcra::new(rate), |gcra| gcra.with_rate(rate)))
    }

    pub(super) fn is_idle(&self, now_ns: u64) -> bool {
        self.running.load(Ordering::Relaxed) == 0
            && self.request_rate.is_full(now_ns)
            && self.create_rate.as_ref().is_none_or(|rate| rate.is_full(now_ns))
    }

    /// Adds one call of any method to the tenant's concurrent calls.
    ///
    /// # Errors
    /// `max_concurrent_calls` calls run already.
    pub fn acquire_concurrency(&self) -> Result<Admitted<ConcurrencyPermit>, LimitExceeded> {
        let running = self.running.fetch_add(1, Ordering::Relaxed);
        // Returned when this returns an error.
        let permit = ConcurrencyPermit(Arc::clone(&self.running));
        let is_free = running < self.settings.max_concurrent_calls;
        let too_soon = TooSoon { retry_after: CONCURRENCY_RETRY };
        let acquired = if is_free { Ok(()) } else { Err(too_soon) };
        self.admit(permit, RateLimit::Concurrency, acquired)
    }

    /// Spends one call of the request rate.
    ///
    /// # Errors
    /// The burst is spent.
    pub fn acquire_request(&self) -> Result<Admitted<()>, LimitExceeded> {
        let acquired = self.request_rate.acquire(self.meter.now_ns());
        self.admit((), RateLimit::Requests, acquired)
    }

    /// Takes one create of the create rate, for good only once [`CreatePermit::spend`] is
    /// called.
    ///
    /// # Errors
    /// The burst is spent.
    pub fn acquire_create(self: &Arc<Self>) -> Result<Admitted<CreatePermit>, LimitExceeded> {
        let rate = self.create_rate.as_ref();
        let acquired = rate.map_or(Ok(()), |rate| rate.acquire(self.meter.now_ns()));
        // In shadow nothing may have been taken, and then nothing is to be returned.
        let permit = CreatePermit { tenant: Arc::clone(self), spent: acquired.is_err() };
        self.admit(permit, RateLimit::Creates, acquired)
    }

    fn admit<T>(
        &self,
        permit: T,
        limit: RateLimit,
        acquired: Result<(), TooSoon>,
    ) -> Result<Admitted<T>, LimitExceeded> {
        let Err(TooSoon { retry_after }) = acquired else {
            return Ok(Admitted { permit, exceeded_in_shadow: None });
        };
        let exceeded = LimitExceeded { tenant: self.id.clone(), limit, retry_after };
        match self.exceeded(limit.into()) {
            Enforcement::Enforced => Err(exceeded),
            Enforcement::Shadow => Ok(Admitted { permit, exceeded_in_shadow: Some(exceeded) }),
        }
    }

    /// Counts a call that exceeds the limit, and decides whether it is rejected. The
    /// deadline is no limit of the tenant's, and is enforced in shadow too.
    pub fn exceeded(&self, limit: Limit) -> Enforcement {
        let enforcement = if self.settings.shadow && limit != Limit::Deadline {
            Enforcement::Shadow
        } else {
            Enforcement::Enforced
        };
        self.meter.counts.exceeded(limit, enforcement);
        enforcement
    }

    /// The tenant's use of its rates and of its concurrency.
    #[must_use]
    pub fn rate_usage(&self) -> RateUsage {
        let now_ns = self.meter.now_ns();
        RateUsage {
            requests: (self.settings.request_rate, self.request_rate.available(now_ns)),
            creates: self
                .settings
                .create_rate
                .zip(self.create_rate.as_ref())
                .map(|(rate, used)| (rate, used.available(now_ns))),
            concurrent_calls: self.running.load(Ordering::Relaxed),
            max_concurrent_calls: self.settings.max_concurrent_calls,
        }
    }
}

/// One of a tenant's concurrent calls, until it is dropped.
#[derive(Debug)]
pub struct ConcurrencyPermit(Arc<AtomicU32>);

impl Drop for ConcurrencyPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A create within the tenant's create rate. A permit that is dropped unspent returns to
/// the rate: a later rejection consumes nothing.
#[derive(Debug)]
pub struct CreatePermit {
    tenant: Arc<Tenant>,
    spent: bool,
}

impl CreatePermit {
    /// Spends the permit: the create is about to be sent.
    pub fn spend(mut self) {
        self.spent = true;
    }
}

impl Drop for CreatePermit {
    fn drop(&mut self) {
        if let (false, Some(rate)) = (self.spent, &self.tenant.create_rate) {
            rate.refund();
        }
    }
}

/// A tenant's use of its rates and of its concurrency.
#[derive(Debug, Clone, Copy)]
pub struct RateUsage {
    /// The rate of all calls, and how many the rate would admit now.
    pub requests: (Rate, u32),
    /// The rate of creates, and how many the rate would admit now; none if there is no such
    /// limit.
    pub creates: Option<(Rate, u32)>,
    /// Calls that run, this one included.
    pub concurrent_calls: u32,
    /// The most calls that may run concurrently.
    pub max_concurrent_calls: u32,
}
