//! Metrics of the calls to AWS.

use std::{fmt, sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use crate::pacer::{Operation, Pacers, schedule::Ended};

/// The bounds of the waits' buckets, in seconds: up to the longest deadline.
const WAIT_SECONDS: [f64; 9] = [0.001, 0.01, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0, 120.0];

type Labels<const COUNT: usize> = [(&'static str, &'static str); COUNT];

/// The metrics of the calls to AWS, by AWS operation.
#[derive(Debug, Clone)]
pub struct AwsMetrics {
    calls: Family<Labels<2>, Counter>,
    waits: Family<Labels<1>, Histogram, fn() -> Histogram>,
}

impl AwsMetrics {
    /// Registers the metrics.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let calls = Family::default();
        registry.register("aws_calls", "Calls to AWS, by operation and end", calls.clone());
        let waits: Family<_, _, fn() -> _> =
            Family::new_with_constructor(|| Histogram::new(WAIT_SECONDS));
        let help = "How long calls waited for their turn at AWS, by operation";
        registry.register_with_unit("turn_wait", help, Unit::Seconds, waits.clone());
        Self { calls, waits }
    }

    /// The counts of one operation's calls to AWS.
    #[must_use]
    pub fn calls(&self, operation: Operation) -> CallCounts {
        let count = |end| {
            let labels = [("operation", operation.name()), ("end", end)];
            self.calls.get_or_create(&labels).clone()
        };
        CallCounts {
            answered: count("answered"),
            throttled: count("throttled"),
            unanswered: count("unanswered"),
            waits: self.waits.get_or_create(&[("operation", operation.name())]).clone(),
        }
    }
}

/// The counts of one operation's calls.
#[derive(Debug)]
pub struct CallCounts {
    answered: Counter,
    throttled: Counter,
    unanswered: Counter,
    waits: Histogram,
}

impl CallCounts {
    /// Records how long a call waited for its turn.
    pub fn waited(&self, wait: Duration) {
        self.waits.observe(wait.as_secs_f64());
    }

    /// Counts the end of a call.
    pub fn ended(&self, ended: Ended) {
        match ended {
            Ended::Answered => drop(self.answered.inc()),
            Ended::Throttled(_) => drop(self.throttled.inc()),
            Ended::Unanswered => drop(self.unanswered.inc()),
            Ended::Unsent => {}
        }
    }
}

/// Registers the rates in force and the lengths of the queues, which are read from the
/// pacers on each scrape.
pub fn register_load(registry: &mut Registry, pacers: Pacers) {
    registry.register_collector(Box::new(Load(pacers)));
}

/// The rates in force and the queues.
#[derive(Debug)]
struct Load(Pacers);

impl Collector for Load {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let rates = Family::<_, Gauge<f64, AtomicU64>>::default();
        let queued = Family::<_, Gauge>::default();
        for pacer in self.0.iter() {
            let labels = [("operation", pacer.operation().name())];
            let (rate, waiting) = pacer.load();
            rates.get_or_create(&labels).set(rate);
            queued.get_or_create(&labels).set(i64::try_from(waiting).unwrap_or(i64::MAX));
        }
        let help = "Calls a second that go to AWS; lower than configured while it throttles";
        let rate =
            encoder.encode_descriptor("aws_calls_per_second", help, None, rates.metric_type())?;
        rates.encode(rate)?;
        let help = "Callers' calls that wait for their turn at AWS";
        let queue = encoder.encode_descriptor("queued_calls", help, None, queued.metric_type())?;
        queued.encode(queue)
    }
}
