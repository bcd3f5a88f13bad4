//! Call rates: one token bucket for each operation. AWS has such a bucket for each
//! operation, account and region.

use tokio::time::Instant;

use crate::operation::{Operation, PerOperation};

/// AWS allows 10 calls a second of each tagging operation, and 5 of each other operation.
const TAGGING_FACTOR: f64 = 2.0;

struct Bucket {
    tokens: f64,
    refilled_at: Instant,
    /// Calls a second that other software in the same account makes. Default 0.
    used_elsewhere: f64,
}

/// The buckets of all operations.
pub(crate) struct CallRates {
    calls_per_second: f64,
    buckets: PerOperation<Bucket>,
}

impl CallRates {
    /// Returns full buckets. 0 calls a second means unlimited.
    pub(crate) fn new(calls_per_second: f64, now: Instant) -> Self {
        let full = |operation| Bucket {
            tokens: burst(rate_of(operation, calls_per_second)),
            refilled_at: now,
            used_elsewhere: 0.0,
        };
        Self { calls_per_second, buckets: PerOperation::new(full) }
    }

    /// Takes a token. Returns false if the bucket has none.
    pub(crate) fn take(&mut self, operation: Operation, now: Instant) -> bool {
        let rate = rate_of(operation, self.calls_per_second);
        if rate == 0.0 {
            return true;
        }
        let bucket = self.buckets.of(operation);
        bucket.refill(rate, now);
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }

    /// Sets the part of the operation's rate that other software uses from now on.
    pub(crate) fn set_used_elsewhere(
        &mut self,
        operation: Operation,
        calls_per_second: f64,
        now: Instant,
    ) {
        let rate = rate_of(operation, self.calls_per_second);
        let bucket = self.buckets.of(operation);
        // The time until now counts with the previous usage.
        bucket.refill(rate, now);
        bucket.used_elsewhere = calls_per_second;
    }
}

impl Bucket {
    fn refill(&mut self, rate: f64, now: Instant) {
        let seconds = now.saturating_duration_since(self.refilled_at).as_secs_f64();
        let gained = seconds * (rate - self.used_elsewhere);
        self.tokens = (self.tokens + gained).clamp(0.0, burst(rate));
        self.refilled_at = now;
    }
}

fn rate_of(operation: Operation, calls_per_second: f64) -> f64 {
    if operation.is_tagging() { calls_per_second * TAGGING_FACTOR } else { calls_per_second }
}

/// Returns the capacity of a bucket: at least 1, because a bucket with a smaller one would
/// never hold a whole token.
fn burst(rate: f64) -> f64 {
    rate.max(1.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn count_taken(rates: &mut CallRates, operation: Operation, now: Instant) -> usize {
        (0..100).take_while(|_| rates.take(operation, now)).count()
    }

    #[test]
    fn each_operation_has_its_own_bucket() {
        let start = Instant::now();
        let mut rates = CallRates::new(5.0, start);
        assert_eq!(count_taken(&mut rates, Operation::GetStage, start), 5);
        assert_eq!(count_taken(&mut rates, Operation::ListStages, start), 5);
        assert_eq!(count_taken(&mut rates, Operation::ListTagsForResource, start), 10);
        let later = start + Duration::from_millis(400);
        assert_eq!(count_taken(&mut rates, Operation::GetStage, later), 2);
    }

    #[test]
    fn zero_is_unlimited() {
        let start = Instant::now();
        let mut rates = CallRates::new(0.0, start);
        assert_eq!(count_taken(&mut rates, Operation::GetStage, start), 100);
        assert_eq!(count_taken(&mut rates, Operation::TagResource, start), 100);
    }

    #[test]
    fn calls_of_other_software_slow_or_stop_the_refill() {
        let start = Instant::now();
        let mut rates = CallRates::new(5.0, start);
        rates.set_used_elsewhere(Operation::GetStage, 4.0, start);
        assert_eq!(count_taken(&mut rates, Operation::GetStage, start), 5);
        let later = start + Duration::from_secs(2);
        assert_eq!(count_taken(&mut rates, Operation::GetStage, later), 2);
        rates.set_used_elsewhere(Operation::GetStage, 50.0, later);
        assert_eq!(count_taken(&mut rates, Operation::GetStage, later + Duration::from_secs(9)), 0);
    }
}
