//! `dev`: the gateway with an emulator of AWS and a temporary ledger, on loopback.

use std::{collections::BTreeMap, fs, net::SocketAddr, path::Path};

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use clap::Args;
use ivs_realtime_emulator::{Server, Settings};
use secrecy::ExposeSecret;
use tokio::signal::unix::SignalKind;
use tokio_util::sync::CancellationToken;

use super::{
    Failure, say,
    serve::{stop_on_signal, stop_signals},
};
use crate::{
    config::{Config, LedgerUrl},
    gateway::{Gateway, StartError},
    ledger::SqliteLedger,
};

/// The tenants of the demonstration. Each has a stage.
const TENANTS: [&str; 2] = ["acme", "globex"];

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Address of the gRPC API. Must be on loopback.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:50051")]
    listen: SocketAddr,
    /// Address of /metrics, /livez and /readyz; `off` disables them.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9090")]
    admin_listen: String,
    /// Address of the emulator.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4566")]
    emulator_listen: SocketAddr,
}

pub(super) async fn run(options: &Options) -> Result<(), Failure> {
    if !options.listen.ip().is_loopback() {
        return Err(
            "--listen: dev does not authenticate callers; use a loopback address, or `serve`"
                .into(),
        );
    }
    let settings = Settings { listen: options.emulator_listen, ..Settings::default() };
    let secret = settings.secret_access_key.expose_secret();
    let credentials =
        Credentials::new(settings.access_key_id.as_str(), secret, None, None, "emulator");
    let server = Server::bind(settings.clone())
        .await
        .map_err(|error| format!("--emulator-listen {}: {error}", options.emulator_listen))?;
    let [stage, _] = TENANTS.map(|tenant| {
        let tags = BTreeMap::from([("tenant".to_owned(), tenant.to_owned())]);
        server.emulator().create_stage(&format!("{tenant}-studio"), tags)
    });
    let emulator_address = server.local_addr();

    let emulator_stopped = CancellationToken::new();
    let emulating = tokio::spawn(server.serve(emulator_stopped.clone()));

    let folder = tempfile::Builder::new().prefix("ivs-ingest-gateway-dev-").tempdir()?;
    let shutdown = CancellationToken::new();
    let path = folder.path().to_owned();
    // `exit` does not run destructors, so the folder is removed here.
    let [terminate, interrupt] = stop_signals();
    // A closed terminal sends SIGHUP.
    let signals = [terminate, interrupt, SignalKind::hangup()];
    stop_on_signal(&signals, shutdown.clone(), move || drop(fs::remove_dir_all(path)))?;
    let text = configuration(options, &settings, emulator_address, folder.path());
    // No variable applies: one of a production gateway could name its ledger.
    let config = Config::parse(&text, "the configuration of dev", [])?;
    let LedgerUrl::Sqlite(ledger) = &config.ledger.url;
    SqliteLedger::create(ledger)?;
    let credentials = Some(SharedCredentialsProvider::new(credentials));
    let gateway = Gateway::start(config, credentials).await.map_err(in_options)?;
    say(&welcome(gateway.local_addr()?, emulator_address, &stage));
    gateway.serve(shutdown).await?;

    // The drain may still call the emulator, so it stops last.
    emulator_stopped.cancel();
    emulating.await?;
    Ok(())
}

/// Names the option instead of the key of the configuration.
fn in_options(error: StartError) -> Failure {
    match error {
        StartError::Listen { key, address, source } => {
            let option = key.trim_start_matches("server.").replace('_', "-");
            format!("--{option} {address}: {source}; free the address or give another").into()
        }
        error => error.into(),
    }
}

fn configuration(
    options: &Options,
    settings: &Settings,
    emulator: SocketAddr,
    folder: &Path,
) -> String {
    let Options { listen, admin_listen, .. } = options;
    let Settings { region, account_id, .. } = settings;
    let ledger = folder.join("ledger.db");
    let ledger = ledger.display();
    format!(
        r#"
        [server]
        listen = "{listen}"
        admin_listen = "{admin_listen}"
        [upstream]
        region = "{region}"
        account_id = "{account_id}"
        endpoint_url = "http://{emulator}"
        [ledger]
        url = 'sqlite://{ledger}'
        [identity.metadata]
        enabled = true
        [tenants.acme]
        [tenants.globex]
        max_ingest_configurations = 2
        "#
    )
}

fn welcome(gateway: SocketAddr, emulator: SocketAddr, stage: &str) -> String {
    format!(
        r#"
The gateway serves at {gateway}, with an emulator of AWS at http://{emulator}.
Tenants: acme, and globex with a quota of 2. All data is deleted at the end.

Create an ingest configuration:

  grpcurl -plaintext -H 'x-tenant-id: acme' -d '{{
    "name": "studio-a",
    "stage_arn": "{stage}",
    "ingest_protocol": "INGEST_PROTOCOL_RTMPS",
    "tags": {{"show": "morning"}},
    "request_id": "first-try"
  }}' {gateway} ivs.ingest.v1.IngestService/CreateIngestConfiguration

See the API:

  grpcurl -plaintext {gateway} describe ivs.ingest.v1.IngestService
"#
    )
}
