//! The cost of a large ledger: each call on 100,000 tenants with ten configurations, beside
//! the same call on 1,000 tenants with ten.
//!
//! `cargo bench --bench scale`, with `-- --help` for the options. Two ledgers are
//! filled through the ledger's own interface. In each round both are served by the
//! gateway's binary and called through gRPC (`served`), and then opened and called here
//! (`direct`), because gRPC hides small differences. One call at a time, a hundred of
//! the one ledger and then a hundred of the other, of tenants that are drawn at random.
//! The results are ratios within a round.
//!
//! The files are in the page cache, as on a machine with sufficient memory, so that the
//! comparison is about the work and not about the disk. `reserve` flushes the disk, so a
//! bare flush is measured beside it.

#![allow(clippy::disallowed_methods, reason = "benchmarks measure real time")]

mod direct;
#[path = "../support/figures.rs"]
mod figures;
mod fill;
#[path = "../support/gateway.rs"]
mod gateway;
mod measure;
#[path = "../support/process.rs"]
mod process;
mod report;
mod rows;
mod run;
mod served;
#[path = "../support/upstream.rs"]
mod upstream;

use std::{error::Error, net::SocketAddr, path::PathBuf};

use clap::{Parser, Subcommand};

type Failure = Box<dyn Error + Send + Sync>;

/// Measures what a large ledger costs, beside a small one.
#[derive(Debug, Parser)]
#[command(name = "scale", bin_name = "cargo bench --bench scale --")]
struct Cli {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, clap::Args)]
struct Options {
    /// Two short rounds of small ledgers: to see that it works, not to compare.
    #[arg(long)]
    quick: bool,
    /// Tenants of the large ledger.
    #[arg(long, default_value_t = 100_000)]
    tenants: usize,
    /// Tenants of the small one.
    #[arg(long, default_value_t = 1000)]
    beside: usize,
    /// Rounds: both ledgers are measured once in each.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Measured calls of each kind and ledger in one round.
    #[arg(long, default_value_t = 3000)]
    calls: usize,
    /// Where the ledgers are kept: those that are there already are used again.
    #[arg(long, value_name = "FOLDER")]
    ledgers: Option<PathBuf>,
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
}

fn main() -> Result<(), Failure> {
    let cli = Cli::parse();
    match cli.role {
        Some(Role::Upstream { listen }) => upstream::serve(listen),
        None => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(run::run(&cli.options)),
    }
}
