//! Counters of exceeded limits.

use prometheus_client::{
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use super::limits::{Enforcement, Limit};

/// The values of the label `limit`, in the order of [`Limit`].
const NAMES: [&str; 6] =
    ["request_rate", "create_rate", "concurrency", "count", "queue", "deadline"];

/// Counters of the calls that exceeded each limit. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LimitCounts {
    enforced: [Counter; 6],
    in_shadow: [Counter; 6],
}

impl LimitCounts {
    /// Registers the counters.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let counts: Family<[(&'static str, &'static str); 2], Counter> = Family::default();
        let help = "Calls that exceeded a limit; with shadow=\"true\" the limit was not enforced";
        registry.register("limit_exceeded", help, counts.clone());
        let of = |shadow| {
            let labels = |limit| [("limit", limit), ("shadow", shadow)];
            NAMES.map(|limit| counts.get_or_create(&labels(limit)).clone())
        };
        Self { enforced: of("false"), in_shadow: of("true") }
    }

    /// Counts a call that exceeded the limit.
    pub fn exceeded(&self, limit: Limit, enforcement: Enforcement) {
        let counters = match enforcement {
            Enforcement::Enforced => &self.enforced,
            Enforcement::Shadow => &self.in_shadow,
        };
        counters[limit as usize].inc();
    }
}
