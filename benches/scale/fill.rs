//! Fills a ledger with live rows, through the ledger's own interface.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use ivs_ingest_gateway::{
    clock::Clock,
    ledger::{Adopted, Comparison, Leases, Ledger, SqliteLedger},
};

use crate::{
    Failure,
    rows::{self, CONFIGURATIONS},
};

/// Number of rows that are inserted concurrently, so that they share commits.
const CONCURRENCY: usize = 2048;

/// The lengths are irrelevant, because no row is left with unfinished work.
pub(crate) const LEASES: Leases =
    Leases { reserved: Duration::from_mins(1), sending: Duration::from_mins(1) };

/// A folder in memory. Every commit flushes the file, and thousands of flushes to a disk
/// would take most of the run.
const IN_MEMORY: &str = "/dev/shm";

/// A filled ledger.
pub(crate) struct Filled {
    pub(crate) path: PathBuf,
    pub(crate) tenants: usize,
    pub(crate) bytes: u64,
    /// The time of filling; `None` if the ledger existed already.
    pub(crate) took: Option<Duration>,
}

impl Filled {
    /// Loads the whole file into the page cache.
    pub(crate) fn read_through(&self) -> Result<(), Failure> {
        io::copy(&mut File::open(&self.path)?, &mut io::sink())?;
        Ok(())
    }
}

/// Returns the ledger with this number of tenants, and fills it if it does not exist in the
/// folder.
pub(crate) async fn filled(folder: &Path, tenants: usize) -> Result<Filled, Failure> {
    let path = folder.join(format!("{tenants}.db"));
    let started = Instant::now();
    let mut took = None;
    if !path.exists() {
        fill(&path, tenants).await?;
        took = Some(started.elapsed());
    }
    let bytes = fs::metadata(&path)?.len();
    Ok(Filled { path, tenants, bytes, took })
}

async fn fill(path: &Path, tenants: usize) -> Result<(), Failure> {
    let builder = tempfile::Builder::new();
    let folder = path.parent().ok_or("the ledger has no folder")?;
    let scratch = builder.tempdir_in(IN_MEMORY).or_else(|_| builder.tempdir_in(folder))?;
    let filled = scratch.path().join("ledger.db");
    adopt_all(&filled, tenants).await?;
    // An interrupted run must not leave an incomplete ledger under the final name.
    let part = path.with_extension("part");
    fs::copy(filled, &part)?;
    File::open(&part)?.sync_all()?;
    fs::rename(part, path)?;
    Ok(())
}

async fn adopt_all(path: &Path, tenants: usize) -> Result<(), Failure> {
    let (ledger, _) = SqliteLedger::open(path, LEASES, Clock::system())?;
    let ledger = Arc::new(ledger);
    let now = SystemTime::now();
    let next = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..CONCURRENCY)
        .map(|_| {
            let (ledger, next) = (Arc::clone(&ledger), Arc::clone(&next));
            tokio::spawn(async move {
                loop {
                    let row = next.fetch_add(1, Ordering::Relaxed);
                    if row >= tenants * CONFIGURATIONS {
                        return Ok::<_, Failure>(());
                    }
                    let adopted = ledger.adopt(rows::adoption(row, tenants, now)?).await?;
                    if adopted != (Adopted::Inserted { has_new_request_id: false }) {
                        return Err(format!("row {row}: {adopted:?}").into());
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    // Otherwise a gateway would first compare the ledger with AWS.
    ledger.set_comparison(Comparison::NotNeeded).await?;
    Ok(())
}
