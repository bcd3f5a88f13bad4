//! The command line: its options, and the text that the emulator prints when it starts.
//! This crate's program and the gateway's `emulator` subcommand share it.

use std::{net::SocketAddr, time::Duration};

use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::{server::Server, settings::Settings};

/// Run the emulator of Amazon IVS Real-Time alone.
///
/// The emulator speaks the wire protocol of AWS to the AWS SDKs and the AWS CLI. It
/// checks signatures, throttles calls, and injects faults on request. It keeps all
/// state in memory.
#[derive(Debug, Args)]
pub struct Options {
    /// The address to listen on. Use loopback only: the control API shows stream keys.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4566")]
    listen: SocketAddr,
    /// Calls a second of each operation; further calls are throttled. 0 means unlimited.
    #[arg(long, value_name = "RATE", default_value_t = 5.0)]
    calls_per_second: f64,
    /// Time that lists omit a new configuration, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    visibility_delay_ms: u64,
}

/// Runs an emulator until `shutdown` is cancelled. Calls `print` with the text for the user
/// once the port is bound.
///
/// # Errors
/// Names the unusable option and the reason.
pub async fn run(
    options: &Options,
    print: impl FnOnce(&str),
    shutdown: CancellationToken,
) -> Result<(), String> {
    if !(0.0..=1e6).contains(&options.calls_per_second) {
        return Err("--calls-per-second must be from 0 (unlimited) to 1000000".into());
    }
    let settings = Settings {
        listen: options.listen,
        calls_per_second: options.calls_per_second,
        visibility_delay: Duration::from_millis(options.visibility_delay_ms),
        ..Settings::default()
    };
    let (region, key) = (settings.region.clone(), settings.access_key_id.clone());
    let server = Server::bind(settings)
        .await
        .map_err(|error| format!("--listen {}: {error}", options.listen))?;
    let url = format!("http://{}", server.local_addr());
    print(&format!(
        "emulator of Amazon IVS Real-Time at {url} (region {region})\n\
         \n\
         export AWS_ENDPOINT_URL_IVS_REALTIME={url}\n\
         export AWS_REGION={region} AWS_DEFAULT_REGION={region}\n\
         export AWS_ACCESS_KEY_ID={key} AWS_SECRET_ACCESS_KEY={key}\n\
         aws ivs-realtime create-stage --name studio --tags tenant=acme"
    ));
    server.serve(shutdown).await;
    Ok(())
}
