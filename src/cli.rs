//! The commands of the binary, one file each.
//!
//! Results go to standard output, logs and errors to standard error.

mod adopt;
mod check_config;
mod dev;
mod emulator;
mod healthcheck;
mod init_ledger;
mod serve;

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use clap_mangen::Man;
use tracing::Level;

use crate::telemetry;

/// A failure that ends the command. Its text is for the operator.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A gRPC gateway in front of Amazon IVS Real-Time. Tenants create RTMP(S) ingest
/// configurations within their quotas, and at most one per request.
#[derive(Debug, Parser)]
#[command(name = NAME, version = env!("VERSION"), after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const NAME: &str = "ivs-ingest-gateway";

const EXAMPLES: &str = "\
Examples:
  ivs-ingest-gateway dev                                 try it: nothing to configure, no AWS
  ivs-ingest-gateway check-config --config gateway.toml  report every problem of a file
  ivs-ingest-gateway init-ledger --config gateway.toml   create its ledger, once
  ivs-ingest-gateway serve --config gateway.toml         run it

Environment:
  IVS_INGEST_GATEWAY__SECTION__KEY  overrides section.key of the configuration file
  AWS_REGION, AWS_PROFILE, AWS_ENDPOINT_URL_IVS_REALTIME and the other AWS conventions
  RUST_LOG                          level of the log: error, warn, info (default), debug, trace";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway.
    ///
    /// SIGTERM and SIGINT drain it: running calls finish, and new calls are rejected. A
    /// second signal ends the process immediately. SIGHUP reads the file again: tenants,
    /// their limits and certificates change. An invalid file changes nothing.
    Serve(ConfigFile),
    /// Try the gateway on this machine, without AWS and without a configuration.
    ///
    /// Runs it with an embedded emulator of AWS, the tenants acme and globex, and a
    /// temporary ledger. The metadata key x-tenant-id names the tenant of a call. Prints a
    /// grpcurl command to start with.
    Dev(dev::Options),
    Emulator(ivs_realtime_emulator::cli::Options),
    /// Assign existing ingest configurations to tenants.
    ///
    /// Writes the gateway's tags on configurations that were created without the gateway.
    /// A scan of the running gateway adds their rows to the ledger within ten minutes and one
    /// `sweep.interval_ms`, and they count against the quotas of their tenants. Without --apply it reports what it would do.
    Adopt(adopt::Options),
    /// Create the ledger of a new installation.
    ///
    /// Declares that the gateway has created nothing at AWS before. Without it, `serve` creates
    /// the ledger, and compares it with AWS for about a minute before it creates anything,
    /// because the new ledger may replace a lost one.
    InitLedger(init_ledger::Options),
    /// Read a configuration file and the environment, and report every problem.
    CheckConfig(ConfigFile),
    /// Ask a running gateway whether it is ready. Exits with 0 if it is.
    Healthcheck(healthcheck::Options),
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page, as roff.
    Man,
}

#[derive(Debug, Args)]
struct ConfigFile {
    /// The configuration file. docs/configuration.md lists every key.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Runs the command that the arguments name.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let mut text = failure.to_string();
            let mut source = failure.source();
            while let Some(cause) = source {
                // The text of some errors contains their cause.
                if !text.contains(&cause.to_string()) {
                    text = format!("{text}: {cause}");
                }
                source = cause.source();
            }
            say_to_stderr(&format!("error: {text}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::CheckConfig(file) => return check_config::run(&file.config),
        Command::Healthcheck(options) => return healthcheck::run(&options),
        Command::InitLedger(options) => return init_ledger::run(&options),
        Command::Completions { shell } => {
            completions(shell);
            return Ok(());
        }
        Command::Man => return man(),
        _ => {}
    }
    // `adopt` prints its results, and a log of its progress would be among them.
    let is_adopt = matches!(command, Command::Adopt(_));
    telemetry::start_logging(if is_adopt { Level::WARN } else { Level::INFO })?;
    // The TLS provider of the process, for servers and clients. Must precede any use of TLS.
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.install_default().map_err(|_| "a TLS provider is already installed")?;
    // Workers have their own runtimes. This one accepts connections and serves probes.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match command {
        Command::Serve(file) => runtime.block_on(serve::run(&file.config)),
        Command::Dev(options) => runtime.block_on(dev::run(&options)),
        Command::Emulator(options) => runtime.block_on(emulator::run(&options)),
        Command::Adopt(options) => runtime.block_on(adopt::run(&options)),
        Command::CheckConfig(_)
        | Command::Healthcheck(_)
        | Command::InitLedger(_)
        | Command::Completions { .. }
        | Command::Man => Ok(()),
    }
}

fn completions(shell: Shell) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), NAME, &mut script);
    print(&script);
}

/// Prints one page with all commands. Each has its options in a section of its own.
fn man() -> Result<(), Failure> {
    let mut cli = Cli::command();
    cli.build();
    let mut page = Vec::new();
    let main = Man::new(cli.clone());
    main.render_title(&mut page)?;
    main.render_name_section(&mut page)?;
    main.render_synopsis_section(&mut page)?;
    main.render_description_section(&mut page)?;
    for command in cli.get_subcommands().filter(|command| command.get_name() != "help") {
        writeln!(page, ".SH \"COMMAND {}\"", command.get_name().to_uppercase())?;
        let mut section = Vec::new();
        let command = Man::new(command.clone());
        command.render_synopsis_section(&mut section)?;
        command.render_description_section(&mut section)?;
        command.render_options_section(&mut section)?;
        let section = String::from_utf8(section)?;
        page.extend(section.replace(".SH ", ".SS ").into_bytes());
    }
    main.render_extra_section(&mut page)?;
    main.render_version_section(&mut page)?;
    print(&page);
    Ok(())
}

/// The variables of the environment whose names and values are UTF-8.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn say(text: &str) {
    print(format!("{text}\n").as_bytes());
}

/// Prints to standard output. `println!` panics if the reader has closed the pipe.
fn print(bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
}

fn say_to_stderr(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
