//! What the gateway counts, for `/metrics`. Labels are from fixed sets: a caller
//! cannot make a new one.

use std::sync::Mutex;

use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};

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
        Self {
            in_doubt,
            settled: counter("doubts_settled", "Doubts that ended"),
            adopted: counter("adopted", "Configurations found at AWS and given to a row"),
            orphans: counter("orphans", "Configurations that are one too many"),
            vanished: counter("vanished", "Live rows whose configuration AWS no longer had"),
            sweeps: counter("sweeps", "Walks over all that AWS has"),
            registry: Mutex::new(registry),
        }
    }
}

impl Metrics {
    /// All metrics in the Prometheus text format.
    #[must_use]
    pub fn render(&self) -> String {
        let registry = self.registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &registry);
        text
    }
}
