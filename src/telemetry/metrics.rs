//! What the gateway counts, for `/metrics`. Labels are from fixed sets: a caller
//! cannot make a new one.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use crate::pacer::{Operation, Pacers, schedule::Ended};

/// The bounds of the waits that are told apart, in seconds: from none to the longest
/// deadline.
const WAIT_SECONDS: [f64; 9] = [0.001, 0.01, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0, 120.0];

type Labels<const COUNT: usize> = [(&'static str, &'static str); COUNT];

/// All metrics. Cheap to count with; rendering locks.
#[derive(Debug)]
pub struct Metrics {
    /// Rows in doubt, when last counted.
    pub in_doubt: Gauge,
    /// Doubts that ended.
    pub settled: Counter,
    /// Configurations that were found at AWS and given to a row.
    pub adopted: Counter,
    /// Configurations that the gateway made and that are one too many.
    pub orphans: Counter,
    /// Live rows whose configuration AWS no longer had.
    pub vanished: Counter,
    /// Walks over all that AWS has.
    pub sweeps: Counter,
    /// Calls that went over a limit.
    pub limits: LimitCounts,
    calls: Family<Labels<2>, Counter>,
    waits: Family<Labels<1>, Histogram, fn() -> Histogram>,
    registry: Mutex<Registry>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("ingest_gateway");
        let in_doubt = Gauge::default();
        registry.register("rows_in_doubt", "Creates whose outcome is unknown", in_doubt.clone());
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let settled = counter("doubts_settled", "Doubts that ended");
        let adopted = counter("adopted", "Configurations found at AWS and given to a row");
        let orphans = counter("orphans", "Configurations that are one too many");
        let vanished = counter("vanished", "Live rows whose configuration AWS no longer had");
        let sweeps = counter("sweeps", "Walks over all that AWS has");
        let calls = Family::default();
        registry.register("aws_calls", "Calls to AWS, by operation and end", calls.clone());
        let waits: Family<_, _, fn() -> _> =
            Family::new_with_constructor(|| Histogram::new(WAIT_SECONDS));
        let help = "How long calls waited for their turn at AWS, by operation";
        registry.register_with_unit("turn_wait", help, Unit::Seconds, waits.clone());
        let limits = LimitCounts::register(&mut registry);
        let registry = Mutex::new(registry);
        Self {
            in_doubt,
            settled,
            adopted,
            orphans,
            vanished,
            sweeps,
            limits,
            calls,
            waits,
            registry,
        }
    }
}

impl Metrics {
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

    /// Tells from now on what the pacers do, whenever it is asked.
    pub fn register_pacers(&self, pacers: Pacers) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        registry.register_collector(Box::new(Load(pacers)));
    }

    /// All metrics in the Prometheus text format.
    #[must_use]
    pub fn render(&self) -> String {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &registry);
        text
    }
}

/// The limits that a call can be over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The tenant's calls of all methods.
    RequestRate,
    /// The tenant's creates.
    CreateRate,
    /// The tenant's calls at the same time.
    InFlight,
    /// The tenant's configurations.
    Count,
    /// The tenant's calls that wait for one operation of AWS.
    Queue,
    /// The account's budget within the caller's deadline.
    Deadline,
}

impl Limit {
    const NAMES: [&'static str; 6] =
        ["request_rate", "create_rate", "in_flight", "count", "queue", "deadline"];
}

/// How often each limit was met. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LimitCounts {
    refused: [Counter; 6],
    in_shadow: [Counter; 6],
}

impl LimitCounts {
    fn register(registry: &mut Registry) -> Self {
        let counts: Family<Labels<2>, Counter> = Family::default();
        let help = "Calls over a limit; those of tenants in shadow go on all the same";
        registry.register("over_limit", help, counts.clone());
        let of = |shadow| {
            let of_limit = |limit| [("limit", limit), ("shadow", shadow)];
            Limit::NAMES.map(|limit| counts.get_or_create(&of_limit(limit)).clone())
        };
        Self { refused: of("false"), in_shadow: of("true") }
    }

    /// A call was refused.
    pub fn refused(&self, limit: Limit) {
        self.refused[limit as usize].inc();
    }

    /// A call would have been refused, were its tenant not in shadow.
    pub fn would_refuse(&self, limit: Limit) {
        self.in_shadow[limit as usize].inc();
    }
}

/// What became of one operation's calls.
#[derive(Debug)]
pub struct CallCounts {
    answered: Counter,
    throttled: Counter,
    unanswered: Counter,
    waits: Histogram,
}

impl CallCounts {
    /// A call had its turn after that time.
    pub fn waited(&self, wait: Duration) {
        self.waits.observe(wait.as_secs_f64());
    }

    /// A call that was made ended so.
    pub fn ended(&self, ended: Ended) {
        match ended {
            Ended::Answered => drop(self.answered.inc()),
            Ended::Throttled(_) => drop(self.throttled.inc()),
            Ended::Unanswered => drop(self.unanswered.inc()),
            Ended::Unsent => {}
        }
    }
}

/// The rates in force and the queues, as they are when asked for.
#[derive(Debug)]
struct Load(Pacers);

impl Collector for Load {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let rates = Family::<_, Gauge<f64, std::sync::atomic::AtomicU64>>::default();
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
