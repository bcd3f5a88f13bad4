//! The registry of the metrics for `/metrics`. Each module registers its own.
//!
//! Labels come from fixed sets: a caller cannot add one.

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

    /// All metrics in the Prometheus text format.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.0.lock().unwrap_or_else(PoisonError::into_inner));
        text
    }
}
