//! The configuration file of a test: one `key = value` per line.

use std::{collections::BTreeMap, fmt};

/// The configuration of every test, without its tenants.
const EVERY_TEST: [&str; 10] = [
    "server.listen = '127.0.0.1:0'",
    "server.admin_listen = '127.0.0.1:0'",
    "server.workers = 2",
    "upstream.region = 'us-east-1'",
    "upstream.account_id = '123456789012'",
    "upstream.calls_per_second = 1000",
    "upstream.attempt_timeout_ms = 30000",
    "settle.first_probe_ms = 20",
    "ledger.url = 'sqlite:ledger.db'",
    "identity.metadata.enabled = true",
];

/// The limits of both tenants. They are too high to be reached, so that only the limits that a
/// test sets have an effect.
const EVERY_TENANT: [&str; 6] = [
    "max_ingest_configurations = 1000",
    "request_rate = { per_second = 1000000, burst = 1000000 }",
    "create_rate = { per_second = 1000000, burst = 1000000 }",
    "max_concurrent_calls = 2000",
    "max_in_flight = 1000",
    "max_queued = 1000",
];

pub(super) struct Configuration(BTreeMap<String, String>);

impl Configuration {
    pub(super) fn new(emulator: &str) -> Self {
        let mut configuration = Self(BTreeMap::new());
        for line in EVERY_TEST {
            configuration.set(line);
        }
        for (tenant, line) in ["acme", "globex"].iter().flat_map(|t| EVERY_TENANT.map(|l| (t, l))) {
            configuration.set(&format!("tenants.{tenant}.{line}"));
        }
        configuration.set(&format!("upstream.endpoint_url = '{emulator}'"));
        configuration
    }

    /// Adds the lines of a test, which replace lines with the same key. A line that is only a
    /// key removes that key.
    pub(super) fn with(mut self, lines: &[&str]) -> Self {
        for line in lines {
            self.set(line);
        }
        self
    }

    fn set(&mut self, line: &str) {
        match line.split_once('=') {
            Some((key, value)) => self.0.insert(key.trim().to_owned(), value.trim().to_owned()),
            None => self.0.remove(line),
        };
    }
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(key, value)| writeln!(f, "{key} = {value}"))
    }
}
