//! The command line: options, and the text at the start. The program of this crate and
//! the gateway's subcommand share it.

use std::{net::SocketAddr, time::Duration};

use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::{server::Server, settings::Settings};

/// Run the emulator of Amazon IVS Real-Time alone.
///
/// It speaks the wire protocol of AWS to the AWS SDKs and the AWS CLI: signatures
/// are checked, calls are throttled, and faults can be injected. Everything is in
/// memory.
#[derive(Debug, Args)]
pub struct Options {
    /// Where it listens. Its control API shows stream keys: keep it on loopback.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4566")]
    listen: SocketAddr,
    /// Calls a second of each operation before it throttles; 0 is unlimited.
    #[arg(long, value_name = "RATE", default_value_t = 5.0)]
    calls_per_second: f64,
    /// How long a created configuration is missing from lists.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    visibility_delay_ms: u64,
}

/// Runs an emulator until `shutdown` is cancelled. `say` prints the text for its user once
/// the port is bound.
///
/// # Errors
/// The option that cannot be used, and why.
pub async fn run(
    options: &Options,
    say: impl FnOnce(&str),
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
    say(&format!(
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
