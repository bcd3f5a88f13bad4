//! Metrics of the calls to AWS and of their pacers.

use std::{fmt, sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use super::{operations::AwsOperation, pacers::Pacers};

/// Bucket bounds of the queue wait in seconds, up to the longest default deadline.
const WAIT_SECONDS: [f64; 9] = [0.001, 0.01, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0, 120.0];

/// The values of the label `outcome`.
const OUTCOMES: [&str; 6] =
    ["completed", "no_response", "not_sent", "rejected", "server_error", "throttled"];

type Labels<const COUNT: usize> = [(&'static str, &'static str); COUNT];

/// Calls to AWS and their waits, by operation. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AwsMetrics {
    calls: Family<Labels<2>, Counter>,
    waits: Family<Labels<1>, Histogram, fn() -> Histogram>,
}

impl AwsMetrics {
    /// Registers the metrics, including those of the load of the pacers.
    #[must_use]
    pub fn register(registry: &mut Registry, pacers: Pacers) -> Self {
        let calls: Family<Labels<2>, Counter> = Family::default();
        registry.register("aws_calls", "Calls to AWS, by operation and outcome", calls.clone());
        let waits: Family<_, _, fn() -> _> =
            Family::new_with_constructor(|| Histogram::new(WAIT_SECONDS));
        let help = "Time that calls spent in the queue for AWS, by operation";
        registry.register_with_unit("aws_queue_wait", help, Unit::Seconds, waits.clone());
        let metrics = Self { calls, waits };
        // Every series exists from the start, so that a first event is an increase from 0.
        for (operation, _) in pacers.loads() {
            drop(metrics.waits.get_or_create(&[("operation", operation)]));
            for outcome in OUTCOMES {
                drop(
                    metrics.calls.get_or_create(&[("operation", operation), ("outcome", outcome)]),
                );
            }
        }
        registry.register_collector(Box::new(PacerLoad(pacers)));
        metrics
    }

    /// Counts a call of the operation `O` that begins after `waited` in the queue.
    pub(super) fn begin<O: AwsOperation>(&self, waited: Duration) -> CountedCall<'_> {
        self.waits.get_or_create(&[("operation", O::NAME)]).observe(waited.as_secs_f64());
        CountedCall { metrics: self, operation: O::NAME, outcome: "no_response" }
    }
}

/// A running call, which is counted when this value is dropped.
pub(super) struct CountedCall<'a> {
    metrics: &'a AwsMetrics,
    operation: &'static str,
    outcome: &'static str,
}

impl CountedCall<'_> {
    /// Records the outcome of the call, one of [`OUTCOMES`]. A call that is dropped earlier has no
    /// response.
    pub(super) fn ended(mut self, outcome: &'static str) {
        self.outcome = outcome;
    }
}

impl Drop for CountedCall<'_> {
    fn drop(&mut self) {
        let labels = [("operation", self.operation), ("outcome", self.outcome)];
        self.metrics.calls.get_or_create(&labels).inc();
    }
}

/// The current rates and queues, which each scrape reads.
#[derive(Debug)]
struct PacerLoad(Pacers);

impl Collector for PacerLoad {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let rates = Family::<Labels<1>, Gauge<f64, AtomicU64>>::default();
        let queued = Family::<Labels<1>, Gauge>::default();
        for (operation, load) in self.0.loads() {
            let labels = [("operation", operation)];
            rates.get_or_create(&labels).set(load.calls_per_second);
            queued.get_or_create(&labels).set(i64::try_from(load.queued).unwrap_or(i64::MAX));
        }
        let help =
            "Current limit of the calls to AWS per second, by operation; a throttle lowers it";
        let rate =
            encoder.encode_descriptor("aws_calls_per_second", help, None, rates.metric_type())?;
        rates.encode(rate)?;
        let help = "Calls of tenants in the queue for AWS, by operation";
        let queue =
            encoder.encode_descriptor("aws_queued_calls", help, None, queued.metric_type())?;
        queued.encode(queue)
    }
}
