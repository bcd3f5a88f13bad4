//! The cost of a large ledger: each call on 100,000 tenants with ten configurations, compared
//! with the same call on 1,000 tenants with ten.
//!
//! `cargo bench --bench scale`, with `-- --help` for the options. Two ledgers are
//! filled through the ledger's own interface. In each round, the gateway's binary serves
//! both, and gRPC calls measure them (`served`). Then this process opens and calls both
//! (`direct`), because gRPC hides small differences. Calls run one at a time, a hundred on
//! one ledger and then a hundred on the other, for random tenants. The results are ratios
//! within a round.
//!
//! The files are in the page cache, as on a machine with sufficient memory, so that the
//! comparison is about the work and not about the disk. `reserve` flushes the disk, so a
//! bare flush is measured too.

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

/// Measures the cost of a large ledger, compared with a small one
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
    /// Run two short rounds with small ledgers, to test the benchmark and not to compare
    #[arg(long)]
    quick: bool,
    /// Tenants of the large ledger
    #[arg(long, default_value_t = 100_000)]
    tenants: usize,
    /// Tenants of the small ledger
    #[arg(long, default_value_t = 1000)]
    beside: usize,
    /// Rounds; each measures both ledgers once
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Measured calls of each kind and ledger in each round
    #[arg(long, default_value_t = 3000)]
    calls: usize,
    /// The folder of the ledgers; existing ledgers in it are reused
    #[arg(long, value_name = "FOLDER")]
    ledgers: Option<PathBuf>,
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
