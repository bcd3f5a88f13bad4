//! The rate of calls, and the time of the next one.
//!
//! Calls go one at a time at even distances: the upstream's own bucket then always has
//! most of its burst left, so that calls which the network bunches together are not
//! throttled.

use std::time::{Duration, Instant};

/// The part of the rate that a throttle leaves.
const CUT: f64 = 0.7;

/// The least that throttles leave of the configured rate, so that its recovery is found.
const FLOOR: f64 = 0.1;

/// The time of a recovery from zero to the configured rate. A faster recovery meets the
/// upstream's limit so often that more than one call in fifty is throttled.
const RECOVERY: Duration = Duration::from_mins(5);

/// The longest pause that a retry-after of the upstream causes: it delays all flows.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// The share of a second's calls that may go together to make up for late timers, if that
/// is more than one call: from 100 calls a second on.
const BURST: f64 = 0.02;

/// A rate that adapts to throttles: additive increase, multiplicative decrease.
#[derive(Debug, Clone)]
pub struct Budget {
    configured: f64,
    /// The rate at `since`; it recovers from then on.
    rate: f64,
    since: Instant,
    /// The time of the next call.
    free_at: Instant,
    /// The time of the last cut.
    cut_at: Option<Instant>,
}

impl Budget {
    /// `calls_per_second` from `now` on.
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

    /// The calls a second in force.
    #[must_use]
    pub fn rate(&self, now: Instant) -> f64 {
        let recovered = now.saturating_duration_since(self.since).as_secs_f64()
            * (self.configured / RECOVERY.as_secs_f64());
        (self.rate + recovered).min(self.configured)
    }

    /// The time of the next call; it may be past.
    #[must_use]
    pub const fn free_at(&self) -> Instant {
        self.free_at
    }

    /// Whether a call may go now.
    #[must_use]
    pub fn is_free(&self, now: Instant) -> bool {
        self.free_at <= now
    }

    /// A call goes.
    pub fn take(&mut self, now: Instant) {
        let rate = self.rate(now);
        let late = (rate * BURST - 1.0).max(0.0) / rate;
        let earliest = now.checked_sub(Duration::from_secs_f64(late)).unwrap_or(now);
        self.free_at = self.free_at.max(earliest) + interval(rate);
    }

    /// A granted call was not sent.
    pub fn give_back(&mut self, now: Instant) {
        let before = self.free_at.checked_sub(interval(self.rate(now)));
        self.free_at = before.unwrap_or(self.free_at);
    }

    /// The upstream throttled a call that went at `sent_at`. A call that went before the
    /// last cut says nothing about the rate after it.
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
        // The timer fires every 3 ms, and each time what is free goes.
        for tick in 0..334 {
            let now = start + tick * ms(3);
            while budget.is_free(now) {
                budget.take(now);
                gone += 1;
            }
        }
        assert!((990..=1000).contains(&gone), "{gone}");
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
    fn a_throttle_cuts_once_for_all_that_was_under_way_and_recovers() {
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
        // A shorter one does not undo it.
        budget.throttled(start, Some(Duration::from_secs(1)), start);
        assert_eq!(budget.free_at(), start + Duration::from_secs(2));
        // An absurd one is limited.
        budget.throttled(start, Some(Duration::MAX), start);
        assert_eq!(budget.free_at(), start + LONGEST_PAUSE);
    }
}
