//! The gateway as it is measured: its binary, its configuration and its tenants.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Failure, process};

pub(crate) const REGION: &str = "us-east-1";

/// The most configurations of each tenant: the default quota. The gateway counts a
/// tenant's rows to decide.
pub(crate) const CONFIGURATIONS_A_TENANT: usize = 20;

/// The tenant that the gateway's configuration leaves no request rate.
pub(crate) const LIMITED_TENANT: &str = "limited";

/// The tenant of that number.
pub(crate) fn tenant(number: usize) -> String {
    format!("tenant-{number}")
}

/// A stage of that name. The upstream tells its owner from it.
pub(crate) fn stage_arn(name: &str) -> String {
    format!("arn:aws:ivs:{REGION}:123456789012:stage/{name}")
}

/// How to start `binary` by a configuration that is written into the folder `place`.
pub(crate) fn command(
    binary: PathBuf,
    place: &Path,
    configuration: &str,
) -> Result<Command, Failure> {
    let file = place.join("gateway.toml");
    fs::write(&file, configuration)?;
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

/// The same with so many calls a second at AWS.
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
