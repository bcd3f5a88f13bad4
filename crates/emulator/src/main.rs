//! The `ivs-realtime-emulator` program.

use std::{error::Error, process::ExitCode};

use clap::{Args, Command, FromArgMatches};
use ivs_realtime_emulator::cli::{self, Options};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let command = Command::new(env!("CARGO_BIN_NAME")).version(env!("CARGO_PKG_VERSION"));
    let matches = Options::augment_args(command).get_matches();
    let options = Options::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match run(&options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn({
        let shutdown = shutdown.clone();
        async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            shutdown.cancel();
        }
    });
    Ok(cli::run(options, print, shutdown).await?)
}

#[expect(clippy::print_stdout, reason = "the text for the user of the program")]
fn print(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "the error message of the program")]
fn print_error(text: &str) {
    eprintln!("{text}");
}
