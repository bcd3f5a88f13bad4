//! Counters of the resolver and of the scan.

use std::time::Duration;

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};
use tokio::time::timeout;

use crate::ledger::Ledger;

/// Maximum time that a scrape waits for the ledger.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(1);

/// The counters of the resolver and of the scan. Cheap to clone: all clones count together.
#[derive(Debug, Clone)]
pub struct ReconcileMetrics {
    in_doubt: Gauge,
    /// In-doubt creates that were resolved.
    pub resolved: Counter,
    /// Configurations that were found at AWS and assigned to a row.
    pub adopted: Counter,
    /// Configurations whose `request_id` belongs to another configuration. A duplicate that cannot
    /// be deleted is counted by each scan.
    pub orphans: Counter,
    /// Live rows whose configuration no longer existed at AWS.
    pub vanished: Counter,
    /// Configurations that a scan could not read, and skipped.
    pub unreadable: Counter,
    /// Live rows that at least the last two scans have missed.
    pub missing: Gauge,
    /// Completed scans.
    pub scans: Counter,
}

impl ReconcileMetrics {
    /// Updates the gauge of in-doubt creates before a scrape. The gauge keeps its value if the
    /// ledger cannot be read.
    pub async fn refresh(&self, ledger: &dyn Ledger) {
        if let Ok(Ok(in_doubt)) = timeout(REFRESH_TIMEOUT, ledger.count_in_doubt()).await {
            self.in_doubt.set(in_doubt.into());
        }
    }

    /// Registers the counters.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let in_doubt = Gauge::default();
        registry.register(
            "in_doubt_creates",
            "Creates whose outcome at AWS is unknown",
            in_doubt.clone(),
        );
        let missing = Gauge::default();
        registry.register(
            "missing_configurations",
            "Live rows whose configuration at least the last two scans did not list",
            missing.clone(),
        );
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        Self {
            in_doubt,
            resolved: counter("in_doubt_resolved", "In-doubt creates that were resolved"),
            adopted: counter(
                "adopted",
                "Configurations that were found at AWS and assigned to a row of the ledger",
            ),
            orphans: counter(
                "orphans",
                "Configurations at AWS whose request_id belongs to another configuration",
            ),
            vanished: counter("vanished", "Live rows whose configuration no longer existed at AWS"),
            missing,
            unreadable: counter(
                "unreadable",
                "Configurations at AWS that a scan could not read, once per scan",
            ),
            scans: counter("scans", "Complete lists of the ingest configurations at AWS"),
        }
    }
}
