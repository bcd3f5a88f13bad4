//! `emulator`: the emulator of AWS, without a gateway.

use ivs_realtime_emulator::cli::{self, Options};
use tokio_util::sync::CancellationToken;

use super::{
    Failure, say,
    serve::{stop_on_signal, stop_signals},
};

pub(super) async fn run(options: &Options) -> Result<(), Failure> {
    let shutdown = CancellationToken::new();
    stop_on_signal(&stop_signals(), shutdown.clone(), || {})?;
    Ok(cli::run(options, say, shutdown).await?)
}
