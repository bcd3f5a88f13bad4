//! The generic cell rate algorithm: a rate and a burst in one atomic number.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::Rate;

/// A rate limit: `per_second` sustained, `burst` at once after a pause.
///
/// The state is the time at which the bucket would be full again (the theoretical
/// arrival time). All times are nanoseconds of whatever clock the caller passes in.
#[derive(Debug)]
pub struct Gcra {
    full_at: AtomicU64,
    interval: u64,
    tolerance: u64,
}

/// A call came too soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooSoon {
    /// How long until the same call would be let through, if no other came.
    pub retry_after: Duration,
}

impl Gcra {
    /// A limit with its whole burst to spend.
    #[must_use]
    pub fn new(rate: &Rate) -> Self {
        Self::resume(rate, 0)
    }

    /// A limit under a new rate that remembers what was spent under the old one.
    #[must_use]
    pub fn with_rate(&self, rate: &Rate) -> Self {
        Self::resume(rate, self.full_at.load(Ordering::Relaxed))
    }

    fn resume(rate: &Rate, full_at: u64) -> Self {
        let interval = Duration::try_from_secs_f64(1.0 / rate.per_second).unwrap_or(Duration::MAX);
        // A century's worth is as good as never, and leaves room to add.
        let interval = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX).min(u64::MAX / 8);
        let tolerance = interval.saturating_mul(u64::from(rate.burst.get() - 1)).min(u64::MAX / 8);
        Self { full_at: AtomicU64::new(full_at), interval, tolerance }
    }

    /// Spends one call at `now_ns`.
    ///
    /// # Errors
    /// [`TooSoon`] if the burst is spent; then nothing is taken.
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

    /// How many calls would be let through at `now`, one after the other.
    #[must_use]
    pub fn available(&self, now_ns: u64) -> u32 {
        let ahead = self.full_at.load(Ordering::Relaxed).saturating_sub(now_ns);
        let free = (self.tolerance + self.interval).saturating_sub(ahead);
        u32::try_from(free / self.interval.max(1)).unwrap_or(u32::MAX)
    }

    /// Gives back one call that was acquired and came to nothing.
    pub fn refund(&self) {
        self.full_at.fetch_sub(self.interval, Ordering::Relaxed);
    }

    /// Whether nothing is spent at `now_ns`: the limit could be forgotten.
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
    fn lets_the_burst_through_and_then_the_rate() {
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
    fn a_refusal_takes_nothing() {
        let limit = gcra(1.0, 1);
        limit.acquire(0).unwrap();
        for _ in 0..1000 {
            assert_eq!(limit.acquire(0).unwrap_err().retry_after, Duration::from_secs(1));
        }
        limit.acquire(SECOND).unwrap();
    }

    #[test]
    fn says_how_many_would_pass() {
        let limit = gcra(1.0, 3);
        for left in (0..3).rev() {
            limit.acquire(SECOND).unwrap();
            assert_eq!(limit.available(SECOND), left);
        }
        assert_eq!(limit.available(2 * SECOND), 1);
        assert_eq!(limit.available(100 * SECOND), 3);
    }

    #[test]
    fn a_refund_gives_back_exactly_one() {
        let limit = gcra(1.0, 2);
        limit.acquire(0).unwrap();
        limit.acquire(0).unwrap();
        limit.refund();
        limit.acquire(0).unwrap();
        limit.acquire(0).unwrap_err();
    }

    #[test]
    fn a_new_rate_remembers_what_was_spent() {
        let limit = gcra(1.0, 1);
        limit.acquire(0).unwrap();
        let slower = limit.with_rate(&Rate { per_second: 0.1, burst: NonZeroU32::MIN });
        slower.acquire(SECOND / 2).unwrap_err();
        slower.acquire(SECOND).unwrap();
    }

    proptest! {
        /// In any window of `w` seconds at most `burst + rate * w` calls pass, and
        /// the promised wait is exact.
        #[test]
        fn never_lets_more_through_than_it_says(
            rate in 0.1f64..1000.0,
            burst in 1u32..50,
            gaps in prop::collection::vec(0u64..2 * SECOND, 1..200),
        ) {
            let limit = gcra(rate, burst);
            let mut now = 0;
            let mut passed = Vec::new();
            for gap in gaps {
                now += gap;
                match limit.acquire(now) {
                    Ok(()) => passed.push(now),
                    Err(too_soon) => {
                        let wait = u64::try_from(too_soon.retry_after.as_nanos()).unwrap();
                        prop_assert!(limit.acquire(now + wait - 1).is_err());
                        limit.acquire(now + wait).unwrap();
                        passed.push(now + wait);
                        now += wait;
                    }
                }
            }
            for (first, start) in passed.iter().enumerate() {
                for (last, end) in passed.iter().enumerate().skip(first) {
                    let window = Duration::from_nanos(end - start).as_secs_f64();
                    let most = f64::from(burst) + rate * window * (1.0 + 1e-6) + 1e-6;
                    prop_assert!(f64::from(u32::try_from(last - first + 1).unwrap()) <= most);
                }
            }
        }
    }
}
