//! The recent rate of a flow's arrivals.

use std::time::{Duration, Instant};

/// Time constant of the average: a call of that age counts 1/e.
const MEMORY: Duration = Duration::from_secs(30);

/// Rates below this count as zero, in calls a second. One call counts for 72 s.
const NONE: f64 = 0.003;

/// An exponential moving average of a flow's arrivals in the queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Demand {
    per_second: f64,
    at: Instant,
}

impl Demand {
    /// Returns an average without arrivals.
    pub(super) const fn new(now: Instant) -> Self {
        Self { per_second: 0.0, at: now }
    }

    /// Counts an arrival.
    pub(super) fn add(&mut self, now: Instant) {
        let per_second = self.per_second(now) + 1.0 / MEMORY.as_secs_f64();
        *self = Self { per_second, at: now };
    }

    /// Returns the expected arrivals a second.
    pub(super) fn per_second(&self, now: Instant) -> f64 {
        let age = now.saturating_duration_since(self.at).as_secs_f64();
        let per_second = self.per_second * (-age / MEMORY.as_secs_f64()).exp();
        if per_second < NONE { 0.0 } else { per_second }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_rate_and_forgets_it() {
        let start = Instant::now();
        let mut demand = Demand::new(start);
        assert!(demand.per_second(start) <= 0.0);
        let mut now = start;
        for _ in 0..400 {
            now += Duration::from_millis(500);
            demand.add(now);
        }
        assert!((1.9..2.2).contains(&demand.per_second(now)), "{}", demand.per_second(now));
        assert!(demand.per_second(now + Duration::from_mins(4)) <= 0.0);
    }
}
