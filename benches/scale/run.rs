//! Runs the benchmark: fills the ledgers and measures both in every round.

use std::{fs, time::Instant};

use crate::{
    Failure, Options, direct,
    fill::filled,
    measure::Pair,
    process::{free_address, listens, start, this},
    report::{self, Round},
    served,
};

pub(crate) async fn run(options: &Options) -> Result<(), Failure> {
    let (tenants, beside, rounds, calls) = if options.quick {
        (1000, 100, 2, 200)
    } else {
        (options.tenants, options.beside, options.rounds, options.calls)
    };
    // The folder is removed when the run ends.
    let scratch = tempfile::Builder::new().tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let folder = options.ledgers.as_deref().unwrap_or(scratch.path());
    fs::create_dir_all(folder)?;
    let folder = folder.canonicalize()?;
    let ledgers =
        Pair { small: filled(&folder, beside).await?, large: filled(&folder, tenants).await? };
    let upstream = free_address()?;
    let _upstream = start(this(&["upstream", &upstream.to_string()])?, listens(upstream))?;

    let started = Instant::now();
    let mut measured = Vec::new();
    for seed in 0..rounds {
        // One after the other, because only one process can open a ledger.
        let served = served::measure(&ledgers, calls, seed, upstream).await?;
        let direct = direct::measure(&ledgers, calls, seed).await?;
        measured.push(Round { direct, served });
    }
    report::print(&measured, &ledgers, started.elapsed());
    Ok(())
}
