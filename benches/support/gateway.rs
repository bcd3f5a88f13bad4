//! The measured gateway: its binary, its configuration and its tenants.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Failure, process};

pub(crate) const REGION: &str = "us-east-1";

/// The quota of each tenant, which is the default. The gateway counts a tenant's rows for
/// every create, so the quota bounds that work.
pub(crate) const CONFIGURATIONS_A_TENANT: usize = 20;

/// The tenant whose request rate is almost zero.
pub(crate) const LIMITED_TENANT: &str = "limited";

/// Returns the name of the tenant with that number.
pub(crate) fn tenant(number: usize) -> String {
    format!("tenant-{number}")
}

/// Returns the ARN of a stage. The stub of AWS uses `name` as the owner of the stage.
pub(crate) fn stage_arn(name: &str) -> String {
    format!("arn:aws:ivs:{REGION}:123456789012:stage/{name}")
}

/// Writes the configuration into `folder`, and returns the command that starts
/// `binary` with it.
pub(crate) fn command(
    binary: PathBuf,
    folder: &Path,
    configuration: &str,
) -> Result<Command, Failure> {
    let file = folder.join("gateway.toml");
    fs::write(&file, configuration)?;
    // Fails if the benchmark has filled the ledger.
    process::clean(binary.clone()).args(["init-ledger", "--config"]).arg(&file).output()?;
    let mut gateway = process::clean(binary);
    gateway.args(["serve", "--config"]).arg(file);
    gateway.env("AWS_ACCESS_KEY_ID", "benchmark").env("AWS_SECRET_ACCESS_KEY", "benchmark");
    Ok(gateway)
}

/// The configuration of the gateway: everything enabled, with high limits for all tenants
/// but one, and a call rate that the benchmark does not reach.
pub(crate) fn configuration(listen: SocketAddr, upstream: SocketAddr, ledger: &Path) -> String {
    paced_configuration(listen, upstream, ledger, 1e6)
}

/// Like [`configuration`], with this rate of calls at AWS.
pub(crate) fn paced_configuration(
    listen: SocketAddr,
    upstream: SocketAddr,
    ledger: &Path,
    calls_per_second: f64,
) -> String {
    let ledger = ledger.display();
    format!(
        r#"
        [server]
        listen = "{listen}"
        admin_listen = "off"
        [upstream]
        region = "{REGION}"
        endpoint_url = "http://{upstream}"
        calls_per_second = {calls_per_second}
        stage_cache_ms = 3600000
        [ledger]
        url = 'sqlite://{ledger}'
        [sweep]
        interval_ms = 3600000
        [identity.metadata]
        enabled = true
        [tenants.default]
        max_ingest_configurations = {CONFIGURATIONS_A_TENANT}
        request_rate = {{ per_second = 1e6, burst = 1000000 }}
        create_rate = {{ per_second = 1e6, burst = 1000000 }}
        max_concurrent_calls = 2000
        max_in_flight = 1000
        [tenants.{LIMITED_TENANT}]
        request_rate = {{ per_second = 1e-6, burst = 1 }}
        "#
    )
}
