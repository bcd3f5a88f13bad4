//! The generic cell rate algorithm (GCRA): a rate limit with bursts in one atomic number.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::Rate;

/// A rate limit: `per_second` calls sustained, and `burst` calls together after a pause.
///
/// The state is the time at which the bucket is full again (the theoretical arrival time).
/// All times are nanoseconds of the caller's monotonic clock.
#[derive(Debug)]
pub struct Gcra {
    full_at: AtomicU64,
    interval: u64,
    tolerance: u64,
}

/// The rate does not admit the call yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooSoon {
    /// The time until the rate admits the same call, if no other call arrives.
    pub retry_after: Duration,
}

impl Gcra {
    /// Returns a limit with its complete burst available.
    #[must_use]
    pub fn new(rate: &Rate) -> Self {
        Self::resume(rate, 0)
    }

    /// Returns a limit with a new rate that keeps the use under the old rate.
    #[must_use]
    pub fn with_rate(&self, rate: &Rate) -> Self {
        Self::resume(rate, self.full_at.load(Ordering::Relaxed))
    }

    fn resume(rate: &Rate, full_at: u64) -> Self {
        let interval = Duration::try_from_secs_f64(1.0 / rate.per_second).unwrap_or(Duration::MAX);
        // At most 73 years: additions cannot overflow, and a longer interval is irrelevant.
        let interval = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX).min(u64::MAX / 8);
        let tolerance = interval.saturating_mul(u64::from(rate.burst.get() - 1)).min(u64::MAX / 8);
        Self { full_at: AtomicU64::new(full_at), interval, tolerance }
    }

    /// Consumes one call at `now_ns`.
    ///
    /// # Errors
    /// [`TooSoon`] if the burst is used up. The call then consumes nothing.
    pub fn acquire(&self, now_ns: u64) -> Result<(), TooSoon> {
        let mut full_at = self.full_at.load(Ordering::Relaxed);
        loop {
            let start = full_at.max(now_ns);
            let early = (start - now_ns).saturating_sub(self.tolerance);
            if early > 0 {
                return Err(TooSoon { retry_after: Duration::from_nanos(early) });
            }
            let next = start.saturating_add(self.interval);
            match self.full_at.compare_exchange_weak(
                full_at,
                next,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(()),
                Err(current) => full_at = current,
            }
        }
    }

    /// Returns the number of successive calls that the rate admits at `now_ns`.
    #[must_use]
    pub fn available(&self, now_ns: u64) -> u32 {
        let ahead = self.full_at.load(Ordering::Relaxed).saturating_sub(now_ns);
        let free = (self.tolerance + self.interval).saturating_sub(ahead);
        u32::try_from(free / self.interval.max(1)).unwrap_or(u32::MAX)
    }

    /// Returns one call to the rate, which was acquired but not used.
    pub fn refund(&self) {
        self.full_at.fetch_sub(self.interval, Ordering::Relaxed);
    }

    /// Whether the complete burst is available at `now_ns`, so that the state can be dropped.
    #[must_use]
    pub fn is_full(&self, now_ns: u64) -> bool {
        self.full_at.load(Ordering::Relaxed) <= now_ns
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn gcra(per_second: f64, burst: u32) -> Gcra {
        Gcra::new(&Rate { per_second, burst: NonZeroU32::new(burst).unwrap() })
    }

    #[test]
    fn admits_the_burst_and_then_the_rate() {
        let limit = gcra(0.5, 3);
        for _ in 0..3 {
            limit.acquire(SECOND).unwrap();
        }
        let too_soon = limit.acquire(SECOND).unwrap_err();
        assert_eq!(too_soon.retry_after, Duration::from_secs(2));
        limit.acquire(SECOND + 2 * SECOND).unwrap();
        limit.acquire(SECOND + 2 * SECOND).unwrap_err();
    }

    #[test]
    fn a_rejected_call_consumes_nothing() {
        let limit = gcra(1.0, 1);
        limit.acquire(0).unwrap();
        for _ in 0..1000 {
            assert_eq!(limit.acquire(0).unwrap_err().retry_after, Duration::from_secs(1));
        }
        limit.acquire(SECOND).unwrap();
    }

    #[test]
    fn available_is_the_number_of_calls_that_are_admitted() {
        let limit = gcra(1.0, 3);
        for left in (0..3).rev() {
            limit.acquire(SECOND).unwrap();
            assert_eq!(limit.available(SECOND), left);
        }
        assert_eq!(limit.available(2 * SECOND), 1);
        assert_eq!(limit.available(100 * SECOND), 3);
    }

    #[test]
    fn a_refund_returns_exactly_one_call() {
        let limit = gcra(1.0, 2);
        limit.acquire(0).unwrap();
        limit.acquire(0).unwrap();
        limit.refund();
        limit.acquire(0).unwrap();
        limit.acquire(0).unwrap_err();
    }

    #[test]
    fn a_new_rate_keeps_the_use_under_the_old_rate() {
        let limit = gcra(1.0, 1);
        limit.acquire(0).unwrap();
        let slower = limit.with_rate(&Rate { per_second: 0.1, burst: NonZeroU32::MIN });
        slower.acquire(SECOND / 2).unwrap_err();
        slower.acquire(SECOND).unwrap();
    }

    proptest! {
        /// In any window of `w` seconds at most `burst + rate * w` calls are admitted, and
        /// `retry_after` is exact.
        #[test]
        fn never_admits_more_than_the_rate_and_the_burst(
            rate in 0.1f64..1000.0,
            burst in 1u32..50,
            gaps in prop::collection::vec(0u64..2 * SECOND, 1..200),
        ) {
            let limit = gcra(rate, burst);
            let mut now = 0;
            let mut admitted = Vec::new();
            for gap in gaps {
                now += gap;
                match limit.acquire(now) {
                    Ok(()) => admitted.push(now),
                    Err(too_soon) => {
                        let wait = u64::try_from(too_soon.retry_after.as_nanos()).unwrap();
                        prop_assert!(limit.acquire(now + wait - 1).is_err());
                        limit.acquire(now + wait).unwrap();
                        admitted.push(now + wait);
                        now += wait;
                    }
                }
            }
            for (first, start) in admitted.iter().enumerate() {
                for (last, end) in admitted.iter().enumerate().skip(first) {
                    let window = Duration::from_nanos(end - start).as_secs_f64();
                    let most = f64::from(burst) + rate * window * (1.0 + 1e-6) + 1e-6;
                    prop_assert!(f64::from(u32::try_from(last - first + 1).unwrap()) <= most);
                }
            }
        }
    }
}
