//! The disk of the gateway: the ledger's file, and the faults of its commits.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use invariants::Row;
use ivs_ingest_gateway::ledger::{Group, Queues, SqliteLedger, State, Store, commit};
use rusqlite::{Connection, OpenFlags, Transaction, ffi};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::{
    plan::{CommitFault, Fault, Plan, kind},
    random::Draws,
    trace::Trace,
};

/// A folder in memory, where it exists: a run needs no real flush.
const MEMORY: &str = "/dev/shm";

/// The name of the ledger.
const LEDGER: &str = "ledger.db";

/// The files of a ledger, as suffixes of its name. SQLite recreates `-shm`.
const FILES: [&str; 2] = ["", "-wal"];

/// A disk. Clones share it.
#[derive(Clone)]
pub struct Disk(Arc<Shared>);

struct Shared {
    folder: TempDir,
    faults: BTreeMap<u32, CommitFault>,
    commits: AtomicU32,
    faults_ended: AtomicBool,
    has_failed: AtomicBool,
    is_restored: AtomicBool,
    /// Draws the time of each commit.
    draws: Mutex<Draws>,
    trace: Trace,
}

impl Disk {
    /// Returns an empty disk with the faults of the plan.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new(plan: &Plan, trace: Trace) -> io::Result<Self> {
        let builder = tempfile::Builder::new();
        let folder =
            if Path::new(MEMORY).is_dir() { builder.tempdir_in(MEMORY) } else { builder.tempdir() };
        let faults = plan.faults.iter().filter_map(|fault| match fault {
            Fault::Commit { nth, kind } => Some((*nth, *kind)),
            _ => None,
        });
        let folder = folder?;
        SqliteLedger::create(&folder.path().join(LEDGER)).map_err(io::Error::other)?;
        Ok(Self(Arc::new(Shared {
            folder,
            faults: faults.collect(),
            commits: AtomicU32::new(0),
            faults_ended: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
            is_restored: AtomicBool::new(false),
            draws: Mutex::new(Draws::new(plan.seed, 6)),
            trace,
        })))
    }

    /// Ends all faults.
    pub fn end_faults(&self) {
        self.0.faults_ended.store(true, Ordering::Relaxed);
    }

    /// Whether a commit has failed.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.0.has_failed.load(Ordering::Relaxed)
    }

    /// Returns the path of the ledger.
    #[must_use]
    pub fn ledger(&self) -> PathBuf {
        self.0.folder.path().join(LEDGER)
    }

    fn copy(&self) -> PathBuf {
        self.0.folder.path().join("copy.db")
    }

    /// Creates the WAL that a killed process leaves. SQLite has removed it, because the process of
    /// the simulator closes its connections.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn leave_wal(&self) -> io::Result<()> {
        let wal = with_suffix(&self.ledger(), "-wal");
        fs::File::options().create(true).append(true).open(wal).map(drop)
    }

    /// Copies the ledger, as an operator does between two transactions.
    ///
    /// # Errors
    /// A file cannot be copied.
    pub fn back_up(&self) -> io::Result<()> {
        replace(&self.ledger(), &self.copy())
    }

    /// Replaces the ledger by its copy.
    ///
    /// # Errors
    /// A file cannot be copied.
    pub fn restore(&self) -> io::Result<()> {
        self.0.is_restored.store(true, Ordering::Relaxed);
        let _ = fs::remove_file(with_suffix(&self.ledger(), "-shm"));
        replace(&self.copy(), &self.ledger())
    }

    /// Whether a row has that ARN. True after a restore, which loses rows.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn knows(&self, arn: &str) -> rusqlite::Result<bool> {
        if self.0.is_restored.load(Ordering::Relaxed) {
            return Ok(true);
        }
        Connection::open_with_flags(self.ledger(), OpenFlags::SQLITE_OPEN_READ_WRITE)?.query_row(
            "SELECT EXISTS (SELECT 1 FROM ingest_configurations WHERE arn = ?1)",
            [arn],
            |row| row.get(0),
        )
    }

    /// Returns the rows of the ledger.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn rows(&self) -> rusqlite::Result<Vec<Row>> {
        let connection =
            Connection::open_with_flags(self.ledger(), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let mut statement = connection.prepare(
            "SELECT tenant, request_id, state, arn FROM ingest_configurations ORDER BY operation_id",
        )?;
        let rows = statement.query_map([], |row| {
            let state = State::from_code(row.get(2)?).ok_or(rusqlite::Error::InvalidQuery)?;
            Ok(Row {
                request: (row.get(0)?, row.get(1)?),
                arn: row.get(3)?,
                state: state.to_string(),
            })
        })?;
        rows.collect()
    }

    fn commit_time(&self) -> Duration {
        self.0.draws.lock().unwrap_or_else(PoisonError::into_inner).milliseconds(0, 5)
    }

    /// Returns the number of rows of the tenant that use quota, or did so since `since`.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn used_since(&self, tenant: &str, since: SystemTime) -> rusqlite::Result<u32> {
        let since = since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let since_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        Connection::open_with_flags(self.ledger(), OpenFlags::SQLITE_OPEN_READ_WRITE)?.query_row(
            "SELECT count(*) FROM ingest_configurations
             WHERE tenant = ?1 AND (state <= 5 OR updated_at_ms >= ?2)",
            rusqlite::params![tenant, since_ms],
            |row| row.get(0),
        )
    }

    /// Runs the jobs of a ledger until it is dropped.
    pub async fn drive(self, mut store: Store, mut queues: Queues) {
        while let Some(group) = queues.next_group().await {
            let Group::Write(_) = group else {
                store.run(group, commit);
                continue;
            };
            let number = self.0.commits.fetch_add(1, Ordering::Relaxed);
            let fault = self.0.faults.get(&number).copied();
            let fault = fault.filter(|_| !self.0.faults_ended.load(Ordering::Relaxed));
            if let Some(fault) = fault {
                let fails = !matches!(fault, CommitFault::Stalls(_));
                self.0.has_failed.fetch_or(fails, Ordering::Relaxed);
                self.0.trace.count_fault(format!("Commit::{}", kind(fault)));
                self.0.trace.add(format_args!("commit #{number}: {fault:?}"));
            }
            sleep(match fault {
                Some(CommitFault::Stalls(time)) => time,
                _ => self.commit_time(),
            })
            .await;
            store.run(group, |transaction| commit_with_fault(transaction, fault));
        }
    }
}

fn commit_with_fault(
    transaction: Transaction<'_>,
    fault: Option<CommitFault>,
) -> rusqlite::Result<()> {
    match fault {
        None | Some(CommitFault::Stalls(_)) => return commit(transaction),
        Some(CommitFault::Fails) => transaction.rollback()?,
        Some(CommitFault::FailsButDurable) => transaction.commit()?,
    }
    Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR), None))
}

fn replace(from: &Path, to: &Path) -> io::Result<()> {
    for suffix in FILES {
        let (from, to) = (with_suffix(from, suffix), with_suffix(to, suffix));
        let _ = fs::remove_file(&to);
        if from.exists() {
            fs::copy(from, to)?;
        }
    }
    Ok(())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
