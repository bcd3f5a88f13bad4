//! The registry of the metrics for `/metrics`. Each module registers its own.
//!
//! The values of labels come from fixed sets, so a caller cannot add a series.

use std::sync::{Mutex, PoisonError};

use prometheus_client::{encoding::text::encode, registry::Registry};

/// The metrics of all modules.
#[derive(Debug)]
pub struct Metrics(Mutex<Registry>);

impl Default for Metrics {
    fn default() -> Self {
        Self(Mutex::new(Registry::with_prefix("ivs_ingest_gateway")))
    }
}

impl Metrics {
    /// Registers the metrics of a module.
    pub fn register<T>(&self, register: impl FnOnce(&mut Registry) -> T) -> T {
        register(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns all metrics in the Prometheus text format, version 0.0.4.
    #[must_use]
    pub fn text(&self) -> String {
        plain_text(&self.open_metrics())
    }

    /// Returns all metrics in the OpenMetrics text format, version 1.0.0.
    #[must_use]
    pub fn open_metrics(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.0.lock().unwrap_or_else(PoisonError::into_inner));
        text
    }
}

/// Rewrites OpenMetrics as the Prometheus text format. That format has no `UNIT` and no
/// `EOF`, and names a counter in `HELP` and `TYPE` by its sample, with `_total`.
fn plain_text(open_metrics: &str) -> String {
    let is_counter = |name: &str| open_metrics.contains(&format!("\n# TYPE {name} counter\n"));
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines() {
        let comment = line.strip_prefix("# ").unwrap_or_default();
        match comment.splitn(3, ' ').collect::<Vec<_>>()[..] {
            ["UNIT", ..] | ["EOF"] => continue,
            [kind, name, rest] if is_counter(name) => {
                text.extend(["# ", kind, " ", name, "_total ", rest]);
            }
            _ => text += line,
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use prometheus_client::{
        metrics::{counter::Counter, gauge::Gauge},
        registry::Unit,
    };

    use super::*;

    #[test]
    fn both_formats_name_counters_as_they_must() {
        let metrics = Metrics::default();
        metrics.register(|registry| {
            registry.register("calls", "Calls", Counter::<u64>::default());
            registry.register_with_unit("wait", "Wait", Unit::Seconds, Gauge::<i64>::default());
        });
        let open_metrics = "\
# HELP ivs_ingest_gateway_calls Calls.
# TYPE ivs_ingest_gateway_calls counter
ivs_ingest_gateway_calls_total 0
# HELP ivs_ingest_gateway_wait_seconds Wait.
# TYPE ivs_ingest_gateway_wait_seconds gauge
# UNIT ivs_ingest_gateway_wait_seconds seconds
ivs_ingest_gateway_wait_seconds 0
# EOF
";
        let text = "\
# HELP ivs_ingest_gateway_calls_total Calls.
# TYPE ivs_ingest_gateway_calls_total counter
ivs_ingest_gateway_calls_total 0
# HELP ivs_ingest_gateway_wait_seconds Wait.
# TYPE ivs_ingest_gateway_wait_seconds gauge
ivs_ingest_gateway_wait_seconds 0
";
        assert_eq!(
            (metrics.open_metrics().as_str(), metrics.text().as_str()),
            (open_metrics, text)
        );
    }
}
