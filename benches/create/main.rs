//! The cost of a create through the gateway, beside the cost of its parts.
//!
//! `cargo bench --bench create`, with `-- --help` for the options. Each subject is
//! a process of its own, measured in turn with all others, round after round, over
//! one loopback upstream; a load generator in another process calls it. What is
//! compared is the CPU time of the subject's process a request: on a shared
//! machine it drifts less than throughput, and ratios within a round hardly drift.
//!
//! The upstream is a stub with fixed responses (`upstream`), not the emulator: that
//! checks signatures and keeps everything, so it would take the CPU from those who
//! are measured. The gateway is the binary itself, as `serve` starts it.

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

/// Measures what a create costs through the gateway, beside what it is made of.
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
    /// Two short rounds: to see that it works, not to compare.
    #[arg(long)]
    quick: bool,
    /// Rounds: every subject is measured once in each.
    #[arg(long, default_value_t = 7)]
    rounds: u32,
    /// Measured calls of one subject in one round.
    #[arg(long, default_value_t = 8000)]
    requests: usize,
    /// Number of concurrent calls, on 8 connections.
    #[arg(long, default_value_t = 64)]
    concurrency: usize,
    /// The subjects, instead of all.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    only: Vec<Subject>,
    /// Another build of the gateway, measured too as H.
    #[arg(long, value_name = "BINARY")]
    beside: Option<PathBuf>,
    /// Count user instructions with valgrind instead: one slow round, where times
    /// mean nothing. For machines on which perf cannot count.
    #[arg(long)]
    callgrind: bool,
    /// An argument that cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

/// The role of a process that this program starts.
#[derive(Debug, Subcommand)]
enum Role {
    /// Be what stands in for AWS.
    #[command(hide = true)]
    Upstream { listen: SocketAddr },
    /// Be a subject that is called.
    #[command(hide = true)]
    Serve { subject: Subject, listen: SocketAddr, upstream: SocketAddr },
    /// Call a subject, or be one that calls.
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
