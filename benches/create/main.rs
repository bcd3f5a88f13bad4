//! The cost of a create through the gateway, compared with the costs of its parts.
//!
//! `cargo bench --bench create`, with `-- --help` for the options. Each subject is a
//! separate process. Every round measures each subject once, over one loopback upstream; a
//! load generator in another process calls it. The benchmark compares the CPU time of the
//! subject's process per request: on a shared machine it drifts less than throughput, and
//! ratios within a round hardly drift.
//!
//! The upstream is a stub with fixed responses (`upstream`), and not the emulator. The
//! emulator checks signatures and stores everything, so it would use CPU time that the
//! subjects need. The gateway is the binary, started with `serve`.

#![allow(clippy::disallowed_methods, reason = "benchmarks measure real time")]

mod counter;
#[path = "../support/figures.rs"]
mod figures;
#[path = "../support/gateway.rs"]
mod gateway;
mod load;
mod message;
#[path = "../support/process.rs"]
mod process;
mod report;
mod run;
mod subjects;
#[path = "../support/upstream.rs"]
mod upstream;

use std::{error::Error, net::SocketAddr, path::PathBuf};

use clap::{Parser, Subcommand};

use self::{load::Load, subjects::Subject};

type Failure = Box<dyn Error + Send + Sync>;

/// Measures the cost of a create through the gateway, compared with the costs of its parts
#[derive(Debug, Parser)]
#[command(name = "create", bin_name = "cargo bench --bench create --")]
struct Cli {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, clap::Args)]
struct Options {
    /// Run two short rounds, to test the benchmark and not to compare
    #[arg(long)]
    quick: bool,
    /// Rounds; each measures every subject once
    #[arg(long, default_value_t = 7)]
    rounds: u32,
    /// Measured calls of each subject in each round
    #[arg(long, default_value_t = 8000)]
    requests: usize,
    /// Number of concurrent calls, on 8 connections
    #[arg(long, default_value_t = 64)]
    concurrency: usize,
    /// The subjects to measure, instead of all
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    only: Vec<Subject>,
    /// Another build of the gateway, measured as subject H
    #[arg(long, value_name = "BINARY")]
    beside: Option<PathBuf>,
    /// Count user instructions with valgrind, for machines on which perf cannot count them;
    /// one slow round whose times are meaningless
    #[arg(long)]
    callgrind: bool,
    /// An argument that cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

/// The role of a process that this program starts.
#[derive(Debug, Subcommand)]
enum Role {
    /// Serve as the stub of AWS.
    #[command(hide = true)]
    Upstream { listen: SocketAddr },
    /// Serve a subject that is called.
    #[command(hide = true)]
    Serve { subject: Subject, listen: SocketAddr, upstream: SocketAddr },
    /// Call a subject, or run a subject that is itself a caller.
    #[command(hide = true)]
    Load(Load),
}

fn main() -> Result<(), Failure> {
    let cli = Cli::parse();
    match cli.role {
        Some(Role::Upstream { listen }) => upstream::serve(listen),
        Some(Role::Serve { subject, listen, upstream }) => {
            subjects::serve(subject, listen, upstream)
        }
        Some(Role::Load(load)) => load.run(),
        None => run::run(&cli.options),
    }
}
