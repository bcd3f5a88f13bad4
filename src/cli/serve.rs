//! `serve`: the gateway of a configuration file.

use std::path::Path;

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

use super::{Failure, environment};
use crate::{config::Config, gateway::Gateway};

/// Exit code after a second signal.
const SECOND_SIGNAL: i32 = 130;

pub(super) async fn run(path: &Path) -> Result<(), Failure> {
    let config = Config::load(path, environment())?;
    let shutdown = CancellationToken::new();
    stop_on_signal(&stop_signals(), shutdown.clone(), || {})?;
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

/// Returns SIGTERM and SIGINT.
pub(super) const fn stop_signals() -> [SignalKind; 2] {
    [SignalKind::terminate(), SignalKind::interrupt()]
}

/// Cancels `shutdown` at the first of these signals. At the second, calls `clean_up` and ends
/// the process.
pub(super) fn stop_on_signal(
    signals: &[SignalKind],
    shutdown: CancellationToken,
    clean_up: impl FnOnce() + Send + 'static,
) -> Result<(), Failure> {
    let (received, mut signalled) = mpsc::channel(1);
    for kind in signals {
        let (mut signals, received) = (signal(*kind)?, received.clone());
        tokio::spawn(async move {
            while signals.recv().await.is_some() && received.send(()).await.is_ok() {}
        });
    }
    tokio::spawn(async move {
        signalled.recv().await;
        shutdown.cancel();
        signalled.recv().await;
        clean_up();
        std::process::exit(SECOND_SIGNAL);
    });
    Ok(())
}
