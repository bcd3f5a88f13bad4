//! The recent latencies of the upstream.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Maximum number of latencies that are kept. It suffices for a 99th percentile.
const MAX_LATENCIES: usize = 128;

/// Older latencies are ignored. Otherwise one slow response would cause the rejection of all
/// calls, and no response could show that the upstream has recovered.
const MAX_AGE: Duration = Duration::from_mins(1);

/// The latest latencies, each with the time of its response.
#[derive(Debug, Default)]
pub(super) struct Latencies(VecDeque<(Instant, Duration)>);

impl Latencies {
    /// Adds the latency of a response.
    pub(super) fn add(&mut self, took: Duration, now: Instant) {
        if self.0.len() == MAX_LATENCIES {
            self.0.pop_front();
        }
        self.0.push_back((now, took));
    }

    /// The 99th percentile of the recent latencies; zero if there are none.
    pub(super) fn p99(&self, now: Instant) -> Duration {
        self.percentile(99, now)
    }

    /// The median of the recent latencies; zero if there are none.
    pub(super) fn median(&self, now: Instant) -> Duration {
        self.percentile(50, now)
    }

    fn percentile(&self, percent: usize, now: Instant) -> Duration {
        let recent = self.0.iter().rev();
        let recent = recent.take_while(|(at, _)| now.saturating_duration_since(*at) <= MAX_AGE);
        let mut recent: Vec<Duration> = recent.map(|(_, took)| *took).collect();
        if recent.is_empty() {
            return Duration::ZERO;
        }
        let rank = (recent.len() * percent).div_ceil(100) - 1;
        *recent.select_nth_unstable(rank).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_percentiles_of_recent_latencies() {
        let start = Instant::now();
        let mut latencies = Latencies::default();
        assert_eq!(latencies.p99(start), Duration::ZERO);
        for ms in 1..=100 {
            latencies.add(Duration::from_millis(ms), start);
        }
        assert_eq!(latencies.p99(start), Duration::from_millis(99));
        assert_eq!(latencies.median(start), Duration::from_millis(50));
        let later = start + MAX_AGE;
        latencies.add(Duration::from_millis(7), later);
        assert_eq!(latencies.p99(later), Duration::from_millis(99));
        assert_eq!(latencies.p99(later + Duration::from_secs(1)), Duration::from_millis(7));
        for _ in 0..1000 {
            latencies.add(Duration::from_millis(1), later);
        }
        assert_eq!(latencies.p99(later), Duration::from_millis(1));
    }
}
