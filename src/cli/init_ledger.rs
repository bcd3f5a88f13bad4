//! `init-ledger`: creates the ledger of a new installation, or binds a ledger again.

use std::path::PathBuf;

use clap::Args;

use super::{Failure, environment, say};
use crate::{
    config::{Config, LedgerUrl},
    ledger::SqliteLedger,
};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The configuration file of the gateway, for the path of the ledger.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Bind an existing ledger to the upstream of the next start: its endpoint or account id has
    /// changed, and the configurations are the same. The next start compares it with AWS.
    #[arg(long)]
    rebind: bool,
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let config = Config::load(&options.config, environment())?;
    let LedgerUrl::Sqlite(path) = &config.ledger.url;
    let in_config = |error| format!("ledger.url: {error}");
    if options.rebind {
        SqliteLedger::rebind(path).map_err(in_config)?;
        say(&format!(
            "{}: no longer bound; the next start binds it and compares it with AWS",
            path.display()
        ));
    } else {
        SqliteLedger::create(path).map_err(in_config)?;
        say(&format!("{}: created", path.display()));
    }
    Ok(())
}
