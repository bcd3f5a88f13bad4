//! The embedded ledger: one SQLite file, a writer thread and a reader thread.
//!
//! WAL with `synchronous=FULL`: a change whose method has returned survives a power cut.
//! The writer commits all waiting jobs as one group, so that many callers share one flush
//! of the disk.

mod adopting;
mod binding;
mod columns;
mod driver;
mod installing;
mod lock_file;
mod methods;
mod open;
mod reading;
mod reconciling;
mod reserving;
mod scanning;
mod steps;
mod store;

use std::{
    path::Path,
    sync::OnceLock,
    time::{Instant, SystemTime},
};

use rusqlite::{Connection, ErrorCode};
use tokio::sync::oneshot::error::RecvError;
use tokio_util::sync::CancellationToken;

use self::driver::{Senders, Threads, rejected, stopped};
pub use self::{
    driver::Queues,
    open::OpenError,
    store::{Group, Job, Store, commit},
};
use super::{Expired, Leases, LedgerError, LedgerFuture};
use crate::clock::Clock;

/// A ledger in a SQLite file.
pub struct SqliteLedger {
    queues: Option<Senders>,
    threads: Option<Threads>,
    leases: Leases,
    clock: Clock,
    opened: Instant,
    /// Set when SQLite reports that the file is damaged. The extent is unknown, so no further job is
    /// accepted. Jobs that are already queued still run.
    damage: OnceLock<LedgerError>,
}

/// The time of a job, by both clocks.
#[derive(Debug, Clone, Copy)]
struct Now {
    wall: SystemTime,
    /// The clock of leases: the Unix epoch plus the monotonic time since the ledger was opened, so
    /// that no step of the wall clock changes it. The next process expires the leases of creates,
    /// and renews those of deletes.
    of_leases: SystemTime,
}

impl Now {
    fn of(clock: &Clock, opened: Instant) -> Self {
        let age = clock.monotonic().saturating_duration_since(opened);
        Self { wall: clock.wall(), of_leases: SystemTime::UNIX_EPOCH + age }
    }
}

/// The behaviour of a new job when its queue is full.
enum WhenFull {
    /// The job is rejected: for a new create, so that running creates can be recorded.
    Reject,
    /// The job waits: for a running create.
    Wait,
}

impl SqliteLedger {
    /// Opens the ledger at `path`, and creates it if it does not exist. The leases of all
    /// creates expire, because no other process has the file open: reserved creates become
    /// rejected, and those that may have been sent become in doubt. Deletes get a new lease.
    ///
    /// # Errors
    /// [`OpenError`], with the path and the fix.
    pub fn open(path: &Path, leases: Leases, clock: Clock) -> Result<(Self, Expired), OpenError> {
        let (store, expired) = Store::open(path, &leases, &clock)?;
        let (mut ledger, queues) = Self::new(leases, clock);
        let threads = driver::spawn(store, queues)
            .map_err(|source| OpenError::Folder { path: path.to_owned(), source })?;
        ledger.threads = Some(threads);
        Ok((ledger, expired))
    }

    /// Returns a token that is cancelled when a thread of the ledger panics, which is a defect.
    #[must_use]
    pub fn panicked(&self) -> CancellationToken {
        self.threads.as_ref().map(Threads::panicked).unwrap_or_default()
    }

    /// Returns a ledger without threads. The caller runs the jobs of the queues on a
    /// [`Store`].
    #[must_use]
    pub fn new(leases: Leases, clock: Clock) -> (Self, Queues) {
        let (senders, queues) = driver::queues();
        let opened = clock.monotonic();
        let damage = OnceLock::new();
        let queue_senders = Some(senders);
        let ledger = Self { queues: queue_senders, threads: None, leases, clock, opened, damage };
        (ledger, queues)
    }

    /// Runs `work` on the connection that writes.
    fn write<T: Send + 'static>(
        &self,
        when_full: WhenFull,
        work: impl FnOnce(&Connection, Now) -> Result<T, LedgerError> + Send + 'static,
    ) -> LedgerFuture<'_, T> {
        let (clock, opened) = (self.clock.clone(), self.opened);
        Box::pin(async move {
            let (job, result) =
                Job::new(move |connection| work(connection, Now::of(&clock, opened)));
            let queue = &self.usable()?.writes;
            match when_full {
                WhenFull::Reject => queue.try_send(job).map_err(|error| rejected(&error))?,
                WhenFull::Wait => queue.send(job).await.map_err(|_| stopped())?,
            }
            self.ended(result.await)
        })
    }

    /// Runs `work` on the connection that reads, unless the queue is full.
    fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> LedgerFuture<'_, T> {
        Box::pin(async move {
            let (job, result) = Job::new(|connection| Ok(work(connection)?));
            let queue = &self.usable()?.reads;
            queue.try_send(job).map_err(|error| rejected(&error))?;
            self.ended(result.await)
        })
    }

    /// Returns the queues, unless the ledger is stopped or damaged.
    fn usable(&self) -> Result<&Senders, LedgerError> {
        match self.damage.get() {
            Some(damage) => Err(damage.clone()),
            None => self.queues.as_ref().ok_or_else(stopped),
        }
    }

    /// Returns the result of a job. Records the damage that the job found, if any.
    fn ended<T>(
        &self,
        result: Result<Result<T, LedgerError>, RecvError>,
    ) -> Result<T, LedgerError> {
        let result = result.map_err(|_| stopped())?;
        if let Err(damage @ LedgerError::Damaged(_)) = &result
            && self.damage.set(damage.clone()).is_ok()
        {
            tracing::error!(error = %damage, "the ledger is not used any more: stop the gateway and move the file of ledger.url, its -wal and its -shm away; the next start rebuilds the ledger from AWS");
        }
        result
    }
}

impl Drop for SqliteLedger {
    /// Waits for the threads to run the jobs in their queues and to close the file.
    fn drop(&mut self) {
        self.queues = None;
        if let Some(threads) = self.threads.take() {
            threads.join(self.damage.get().is_some());
        }
    }
}

/// Whether SQLite has found that the file is damaged, or that it is no database.
const fn is_damage(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
}

/// The error of a failure that no call of the ledger expects.
fn unavailable(error: &rusqlite::Error) -> LedgerError {
    match error.sqlite_error_code() {
        Some(code) if is_damage(code) => LedgerError::Damaged(error.to_string()),
        _ => LedgerError::Unavailable(error.to_string()),
    }
}

/// SQLite's messages name tables and paths, never values.
impl From<rusqlite::Error> for LedgerError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation) => Self::Conflict,
            _ => unavailable(&error),
        }
    }
}

#[cfg(test)]
mod tests;
