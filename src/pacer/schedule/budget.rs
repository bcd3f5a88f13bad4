//! The rate of calls, and the time of the next one.
//!
//! Calls are evenly spaced. The token bucket of the upstream then keeps most of its burst, so
//! that it does not throttle calls that the network delivers together.

use std::time::{Duration, Instant};

/// The factor by which a throttle multiplies the rate.
const CUT: f64 = 0.7;

/// The lowest fraction of the configured rate after throttles, so that some calls still detect
/// the recovery of the upstream.
const FLOOR: f64 = 0.1;

/// The time of a recovery from zero to the configured rate. With a faster recovery, the
/// upstream throttles more than 2 % of the calls while other clients use half of its limit.
const RECOVERY: Duration = Duration::from_mins(5);

/// The longest pause that a retry-after of the upstream causes. It delays all flows.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// The fraction of a second's calls that may go together to make up for late timers. It allows
/// two calls from a rate of 100 calls a second.
const BURST: f64 = 0.02;

/// A rate that adapts to throttles: additive increase, multiplicative decrease.
#[derive(Debug, Clone)]
pub struct Budget {
    configured: f64,
    /// The rate at `since`. It recovers from that time.
    rate: f64,
    since: Instant,
    /// The time of the next call.
    free_at: Instant,
    /// The time of the last cut.
    cut_at: Option<Instant>,
}

impl Budget {
    /// Returns a budget of `calls_per_second`, whose first slot is free at `now`.
    #[must_use]
    pub const fn new(calls_per_second: f64, now: Instant) -> Self {
        Self {
            configured: calls_per_second,
            rate: calls_per_second,
            since: now,
            free_at: now,
            cut_at: None,
        }
    }

    /// Returns the rate in force, in calls a second.
    #[must_use]
    pub fn rate(&self, now: Instant) -> f64 {
        let recovered = now.saturating_duration_since(self.since).as_secs_f64()
            * (self.configured / RECOVERY.as_secs_f64());
        (self.rate + recovered).min(self.configured)
    }

    /// Returns the time of the next call, which may be in the past.
    #[must_use]
    pub const fn free_at(&self) -> Instant {
        self.free_at
    }

    /// Whether a call may go now.
    #[must_use]
    pub fn is_free(&self, now: Instant) -> bool {
        self.free_at <= now
    }

    /// Takes a slot for a call.
    pub fn take(&mut self, now: Instant) {
        let rate = self.rate(now);
        let late = (rate * BURST - 1.0).max(0.0) / rate;
        let earliest = now.checked_sub(Duration::from_secs_f64(late)).unwrap_or(now);
        self.free_at = self.free_at.max(earliest) + interval(rate);
    }

    /// Returns the slot of a granted call that was not sent.
    pub fn give_back(&mut self, now: Instant) {
        let before = self.free_at.checked_sub(interval(self.rate(now)));
        self.free_at = before.unwrap_or(self.free_at);
    }

    /// Cuts the rate and delays the next call, because the upstream throttled a call that was
    /// sent at `sent_at`. A call that was sent before the last cut does not cut the rate again.
    pub fn throttled(&mut self, sent_at: Instant, retry_after: Option<Duration>, now: Instant) {
        if self.cut_at.is_none_or(|cut_at| cut_at <= sent_at) {
            self.rate = (self.rate(now) * CUT).max(self.configured * FLOOR);
            self.since = now;
            self.cut_at = Some(now);
        }
        let pause = retry_after.unwrap_or_else(|| interval(self.rate(now))).min(LONGEST_PAUSE);
        self.free_at = self.free_at.max(now + pause);
    }
}

fn interval(rate: f64) -> Duration {
    Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::from_hours(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn calls_go_at_even_distances_and_none_are_saved_up() {
        let start = Instant::now();
        let mut budget = Budget::new(5.0, start);
        let later = start + Duration::from_mins(1);
        for call in 0..10 {
            let at = later + call * ms(200);
            assert!(
                budget.is_free(at) && !budget.is_free(at.checked_sub(ms(1)).unwrap()) || call == 0
            );
            budget.take(at);
        }
    }

    #[test]
    fn a_late_timer_costs_nothing_at_high_rates() {
        let start = Instant::now();
        let mut budget = Budget::new(1000.0, start);
        let mut gone = 0;
        // The timer fires every 3 ms, and all free slots are used.
        for tick in 0..334 {
            let now = start + tick * ms(3);
            while budget.is_free(now) {
                budget.take(now);
                gone += 1;
            }
        }
        assert!((990..=1000).contains(&gone), "{gone}");
    }

    /// The network delivers them together. The bucket of the upstream must hold them.
    #[test]
    fn few_calls_go_together_after_a_pause() {
        let start = Instant::now();
        for (rate, most) in [(5.0, 1), (100.0, 2), (1000.0, 20)] {
            let mut budget = Budget::new(rate, start);
            let now = start + Duration::from_mins(1);
            let mut gone = 0;
            while budget.is_free(now) && gone < 100 {
                budget.take(now);
                gone += 1;
            }
            assert_eq!(gone, most, "at {rate}");
        }
    }

    #[test]
    fn a_slot_that_is_given_back_can_be_taken_again() {
        let start = Instant::now();
        let mut budget = Budget::new(5.0, start);
        budget.take(start);
        assert!(!budget.is_free(start));
        budget.give_back(start);
        assert!(budget.is_free(start));
    }

    #[test]
    fn a_throttle_cuts_once_for_all_calls_in_flight_and_recovers() {
        let start = Instant::now();
        let mut budget = Budget::new(5.0, start);
        budget.throttled(start, None, start + ms(100));
        budget.throttled(start + ms(50), None, start + ms(150));
        let rate = budget.rate(start + ms(150));
        assert!((3.5..3.51).contains(&rate), "{rate}");
        budget.throttled(start + ms(200), None, start + ms(300));
        assert!(budget.rate(start + ms(300)) < 2.5);
        for second in 1..100 {
            let at = start + Duration::from_secs(second);
            budget.throttled(at, None, at);
        }
        let at = start + Duration::from_secs(100);
        assert!(budget.rate(at) >= 0.5 && budget.rate(at) < 0.6);
        assert!((budget.rate(at + RECOVERY) - 5.0).abs() < 1e-9);
    }

    #[test]
    fn a_retry_after_delays_the_next_call() {
        let start = Instant::now();
        let mut budget = Budget::new(5.0, start);
        budget.throttled(start, Some(Duration::from_secs(2)), start);
        assert_eq!(budget.free_at(), start + Duration::from_secs(2));
        // A shorter one does not shorten the pause.
        budget.throttled(start, Some(Duration::from_secs(1)), start);
        assert_eq!(budget.free_at(), start + Duration::from_secs(2));
        // A longer one than the limit is limited.
        budget.throttled(start, Some(Duration::MAX), start);
        assert_eq!(budget.free_at(), start + LONGEST_PAUSE);
    }
}
