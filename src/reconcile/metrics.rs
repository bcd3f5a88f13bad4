//! Counters of the resolver and of the scan.

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};

/// The counters of the resolver and of the scan. Cheap to clone: all clones count together.
#[derive(Debug, Clone)]
pub struct ReconcileMetrics {
    /// Rows in doubt, when last counted.
    pub in_doubt: Gauge,
    /// In-doubt creates that were resolved.
    pub settled: Counter,
    /// Configurations that were found at AWS and given to a row.
    pub adopted: Counter,
    /// Configurations that the gateway made and that are one too many.
    pub orphans: Counter,
    /// Live rows whose configuration AWS no longer had.
    pub vanished: Counter,
    /// Scans of all that AWS has.
    pub sweeps: Counter,
}

impl ReconcileMetrics {
    /// Registers the counters.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
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
        }
    }
}
