//! `serve`: the gateway of a configuration file.

use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Failure, environment};
use crate::{config::Config, gateway::Gateway};

/// Exit code after a second signal.
const SECOND_SIGNAL: i32 = 130;

pub(super) async fn run(path: &Path) -> Result<(), Failure> {
    let config = Config::load(path, environment())?;
    let shutdown = CancellationToken::new();
    stop_on_signal(shutdown.clone(), || {})?;
    let gateway = Gateway::start(config, None).await?;
    let reload = gateway.reload();
    let path = path.to_owned();
    let mut hangups = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            match Config::load(&path, environment()) {
                Ok(config) => reload.apply(config),
                Err(problems) => {
                    tracing::error!(%problems, "the new configuration is invalid; the old one stays in force");
                }
            }
        }
    });
    gateway.serve(shutdown).await?;
    Ok(())
}

/// Cancels `shutdown` at the first SIGTERM or SIGINT. At the second, calls `clean_up` and
/// ends the process.
pub(super) fn stop_on_signal(
    shutdown: CancellationToken,
    clean_up: impl FnOnce() + Send + 'static,
) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        let mut signalled = async || {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        signalled().await;
        shutdown.cancel();
        signalled().await;
        clean_up();
        std::process::exit(SECOND_SIGNAL);
    });
    Ok(())
}
