//! One tenant: its settings, and the use of its rates and of its concurrency.

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

/// The retry delay of a call that exceeds the concurrency: the approximate duration of a call.
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

    /// Nanoseconds since the start, at least 1. All rates use this clock.
    pub(super) fn now_ns(&self) -> u64 {
        let elapsed = self.clock.monotonic().saturating_duration_since(self.started);
        u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX).max(1)
    }
}

/// The kind of a call. Each kind has a limit of concurrent calls of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallKind {
    /// A call that the ledger serves without an AWS call, in milliseconds.
    LedgerRead,
    /// Any other call.
    Other,
}

/// One tenant.
#[derive(Debug)]
pub struct Tenant {
    /// The id of the tenant.
    pub id: TenantId,
    /// The settings of the tenant.
    pub settings: Arc<TenantSettings>,
    request_rate: Gcra,
    create_rate: Option<Gcra>,
    running: Arc<AtomicU32>,
    reading: Arc<AtomicU32>,
    meter: Arc<Meter>,
}

impl Tenant {
    pub(super) fn new(id: TenantId, settings: Arc<TenantSettings>, meter: Arc<Meter>) -> Self {
        Self {
            request_rate: Gcra::new(&settings.request_rate),
            create_rate: settings.create_rate.as_ref().map(Gcra::new),
            running: Arc::default(),
            reading: Arc::default(),
            id,
            settings,
            meter,
        }
    }

    /// Returns the same tenant with new settings and the same use of the rates.
    pub(super) fn with_settings(&self, settings: Arc<TenantSettings>) -> Self {
        Self {
            id: self.id.clone(),
            request_rate: self.request_rate.with_rate(&settings.request_rate),
            create_rate: self.with_create_rate(settings.create_rate.as_ref()),
            running: Arc::clone(&self.running),
            reading: Arc::clone(&self.reading),
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
            && self.reading.load(Ordering::Relaxed) == 0
            && self.request_rate.is_full(now_ns)
            && self.create_rate.as_ref().is_none_or(|rate| rate.is_full(now_ns))
    }

    /// Acquires a permit for one concurrent call of that kind.
    ///
    /// # Errors
    /// The tenant has reached its limit of concurrent calls of that kind.
    pub fn acquire_concurrency(
        &self,
        kind: CallKind,
    ) -> Result<Admitted<ConcurrencyPermit>, LimitExceeded> {
        let (calls, max) = match kind {
            CallKind::LedgerRead => (&self.reading, self.settings.max_concurrent_reads),
            CallKind::Other => (&self.running, self.settings.max_concurrent_calls),
        };
        let running = calls.fetch_add(1, Ordering::Relaxed);
        // Dropping the permit undoes the increment if this function returns an error.
        let permit = ConcurrencyPermit(Arc::clone(calls));
        let is_free = running < max;
        let too_soon = TooSoon { retry_after: CONCURRENCY_RETRY };
        let acquired = if is_free { Ok(()) } else { Err(too_soon) };
        self.admit(permit, RateLimit::Concurrency, acquired)
    }

    /// Consumes one call of the request rate.
    ///
    /// # Errors
    /// The burst is used up.
    pub fn acquire_request(&self) -> Result<Admitted<()>, LimitExceeded> {
        let acquired = self.request_rate.acquire(self.meter.now_ns());
        self.admit((), RateLimit::Requests, acquired)
    }

    /// Reserves one create of the create rate. [`CreatePermit::spend`] makes the use permanent.
    ///
    /// # Errors
    /// The burst is used up.
    pub fn acquire_create(self: &Arc<Self>) -> Result<Admitted<CreatePermit>, LimitExceeded> {
        let rate = self.create_rate.as_ref();
        let acquired = rate.map_or(Ok(()), |rate| rate.acquire(self.meter.now_ns()));
        // In shadow a rejected acquisition consumed nothing, so the permit must refund nothing.
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

    /// Counts a call that exceeds the limit, and decides whether the call is rejected. The
    /// deadline is not a limit of the tenant, so it is enforced in shadow too.
    pub fn exceeded(&self, limit: Limit) -> Enforcement {
        let enforcement = if self.settings.shadow && limit != Limit::Deadline {
            Enforcement::Shadow
        } else {
            Enforcement::Enforced
        };
        self.meter.counts.exceeded(limit, enforcement);
        enforcement
    }

    /// Returns the tenant's use of its rates and of its concurrency.
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
            concurrent_reads: self.reading.load(Ordering::Relaxed),
            max_concurrent_reads: self.settings.max_concurrent_reads,
        }
    }
}

/// A permit for one of a tenant's concurrent calls. Dropping it releases the concurrency.
#[derive(Debug)]
pub struct ConcurrencyPermit(Arc<AtomicU32>);

impl Drop for ConcurrencyPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A permit for one create of the tenant's create rate. A permit that is dropped unspent is
/// refunded, so that a create that is rejected later consumes nothing.
#[derive(Debug)]
pub struct CreatePermit {
    tenant: Arc<Tenant>,
    spent: bool,
}

impl CreatePermit {
    /// Makes the use of the rate permanent. Called when the create gets its permit to be sent.
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
    /// The rate of all calls, and the number of calls that it admits now.
    pub requests: (Rate, u32),
    /// The rate of creates, and the number of creates that it admits now; `None` if the tenant
    /// has no create rate.
    pub creates: Option<(Rate, u32)>,
    /// Running calls other than ledger reads.
    pub concurrent_calls: u32,
    /// The maximum of `concurrent_calls`.
    pub max_concurrent_calls: u32,
    /// Running ledger reads.
    pub concurrent_reads: u32,
    /// The maximum of `concurrent_reads`.
    pub max_concurrent_reads: u32,
}
