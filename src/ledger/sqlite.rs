//! The embedded ledger: one SQLite file, one writer thread.
//!
//! WAL with `synchronous=FULL`: what a method answered survives a power cut. The
//! writer commits everything that waits as one group, so that many callers share
//! one flush of the disk.

mod open;
mod reading;
mod reconciling;
mod statements;
mod writer;

use std::{collections::HashMap, path::Path, thread, time::SystemTime};

use rusqlite::Connection;
use tokio::sync::mpsc;

pub use self::open::OpenError;
use self::writer::Job;
use super::{
    Adopted, Adoption, Doubt, Event, Expired, Filter, Leases, Ledger, LedgerError, LedgerFuture,
    Missed, Observation, Reservation, Reserved, Row, Transition, Usage, unix_ms,
};
use crate::{request::OperationId, tenancy::TenantId};

/// The most jobs that wait for the writer. It commits hundreds in one flush of a few
/// milliseconds: a longer queue means a disk that has stopped.
const MAX_WAITING: usize = 4096;

/// A ledger in a SQLite file.
pub struct SqliteLedger {
    jobs: mpsc::Sender<Job>,
    reads: mpsc::Sender<Job>,
    threads: Vec<thread::JoinHandle<()>>,
    leases: Leases,
}

/// What a full queue means for a job.
enum Patience {
    /// New work is refused, so that what is under way can be recorded.
    Refuse,
    /// What is under way waits.
    Wait,
    /// What only reads goes to the reader, and is refused by a full queue of its own.
    Read,
}

impl SqliteLedger {
    /// Opens the ledger at `path` and makes it if it is not there. All leases are
    /// over, since no other process can have the file: what was reserved is rejected,
    /// what may have been sent is in doubt.
    ///
    /// # Errors
    /// [`OpenError`], with the path and the way out.
    pub fn open(path: &Path, leases: Leases) -> Result<(Self, Expired), OpenError> {
        let (connection, lock) = open::open(path)?;
        let expired = statements::expire(&connection, unix_ms(SystemTime::now()), i64::MAX)
            .map_err(|source| OpenError::Database { path: path.to_owned(), source })?;
        let reader = open::open_reader(path)?;
        let (jobs, waiting) = mpsc::channel(MAX_WAITING);
        let (reads, waiting_reads) = mpsc::channel(MAX_WAITING);
        let start = |name: &str, work: Box<dyn FnOnce() + Send>| {
            let started = thread::Builder::new().name(name.to_owned()).spawn(work);
            started.map_err(|source| OpenError::Folder { path: path.to_owned(), source })
        };
        let write = move || {
            writer::run(connection, waiting);
            drop(lock);
        };
        let threads = vec![
            start("ledger-writer", Box::new(write))?,
            start("ledger-reader", Box::new(move || writer::read(&reader, waiting_reads)))?,
        ];
        Ok((Self { jobs, reads, threads, leases }, expired))
    }

    fn ask<T: Send + 'static>(
        &self,
        patience: Patience,
        work: impl FnOnce(&Connection) -> Result<T, LedgerError> + Send + 'static,
    ) -> LedgerFuture<'_, T> {
        let stopped = || LedgerError::Unavailable("its thread has stopped".to_owned());
        let refused = move |error| match error {
            mpsc::error::TrySendError::Full(_) => {
                LedgerError::Unavailable("too much is waiting for it".to_owned())
            }
            mpsc::error::TrySendError::Closed(_) => stopped(),
        };
        Box::pin(async move {
            let (job, answered) = writer::job(work);
            match patience {
                Patience::Read => self.reads.try_send(job).map_err(refused)?,
                Patience::Refuse => self.jobs.try_send(job).map_err(refused)?,
                Patience::Wait => self.jobs.send(job).await.map_err(|_| stopped())?,
            }
            answered.await.map_err(|_| stopped())?
        })
    }
}

impl Ledger for SqliteLedger {
    fn reserve(&self, reservation: Reservation) -> LedgerFuture<'_, Reserved> {
        let lease = self.leases.reserved;
        self.ask(Patience::Refuse, move |connection| {
            statements::reserve(connection, &reservation, SystemTime::now() + lease)
        })
    }

    fn apply(&self, operation_id: OperationId, event: Event) -> LedgerFuture<'_, Transition> {
        // What goes back to its reservation waits as long as one.
        let is_reserved = event == Event::Throttled;
        let lease = if is_reserved { self.leases.reserved } else { self.leases.sending };
        self.ask(Patience::Wait, move |connection| {
            statements::apply(connection, operation_id, &event, SystemTime::now() + lease)
        })
    }

    fn apply_to_sending(
        &self,
        operation_id: OperationId,
        sent_at: SystemTime,
        event: Event,
    ) -> LedgerFuture<'_, Option<Transition>> {
        let lease = self.leases.sending;
        self.ask(Patience::Wait, move |connection| {
            let lease_until = SystemTime::now() + lease;
            statements::apply_to_sending(connection, operation_id, sent_at, &event, lease_until)
        })
    }

    fn usage(&self, tenant: TenantId) -> LedgerFuture<'_, Usage> {
        self.ask(Patience::Read, move |connection| statements::usage(connection, &tenant))
    }

    fn find(&self, tenant: TenantId, arn: String) -> LedgerFuture<'_, Option<Row>> {
        self.ask(Patience::Read, move |connection| Ok(reading::find(connection, &tenant, &arn)?))
    }

    fn list(
        &self,
        tenant: TenantId,
        filter: Filter,
        before: Option<OperationId>,
        limit: u32,
    ) -> LedgerFuture<'_, Vec<Row>> {
        self.ask(Patience::Read, move |connection| {
            Ok(reading::list(connection, &tenant, &filter, before, limit)?)
        })
    }

    fn abandoned_deletes(&self) -> LedgerFuture<'_, Vec<Missed>> {
        self.ask(Patience::Wait, |connection| {
            Ok(reconciling::abandoned_deletes(connection, unix_ms(SystemTime::now()))?)
        })
    }

    fn expire(&self) -> LedgerFuture<'_, Expired> {
        self.ask(Patience::Wait, |connection| {
            let now_ms = unix_ms(SystemTime::now());
            Ok(statements::expire(connection, now_ms, now_ms)?)
        })
    }

    fn in_doubt(&self, after: Option<OperationId>, limit: u32) -> LedgerFuture<'_, Vec<Doubt>> {
        self.ask(Patience::Wait, move |connection| {
            Ok(reconciling::in_doubt(connection, after, limit)?)
        })
    }

    fn owners(&self, arns: Vec<String>) -> LedgerFuture<'_, HashMap<String, OperationId>> {
        self.ask(Patience::Wait, move |connection| Ok(reconciling::owners(connection, arns)?))
    }

    fn observe(&self, seen: Vec<Observation>) -> LedgerFuture<'_, Vec<String>> {
        self.ask(Patience::Wait, move |connection| Ok(reconciling::observe(connection, seen)?))
    }

    /// A job for some of the rows, and then one for the next: other jobs get in between.
    fn missed(&self, walk_began: SystemTime) -> LedgerFuture<'_, Vec<Missed>> {
        let walk_began_ms = unix_ms(walk_began);
        Box::pin(async move {
            let mut missed = Vec::new();
            let mut after = None;
            loop {
                let (found, last) = self
                    .ask(Patience::Wait, move |connection| {
                        Ok(reconciling::missed(connection, walk_began_ms, after)?)
                    })
                    .await?;
                missed.extend(found);
                if last.is_none() {
                    return Ok(missed);
                }
                after = last;
            }
        })
    }

    fn adopt(&self, found: Adoption) -> LedgerFuture<'_, Adopted> {
        self.ask(Patience::Wait, move |connection| reconciling::adopt(connection, &found))
    }

    fn prune(&self, before: SystemTime) -> LedgerFuture<'_, usize> {
        self.ask(Patience::Wait, move |connection| {
            Ok(reconciling::prune(connection, unix_ms(before))?)
        })
    }

    fn is_complete(&self) -> LedgerFuture<'_, bool> {
        self.ask(Patience::Wait, |connection| Ok(reconciling::is_complete(connection)?))
    }

    fn complete(&self) -> LedgerFuture<'_, ()> {
        self.ask(Patience::Wait, |connection| Ok(reconciling::complete(connection)?))
    }
}

impl Drop for SqliteLedger {
    /// Waits for the writer to commit what it was given and to close the file.
    fn drop(&mut self) {
        let (closed, _) = mpsc::channel(1);
        (self.jobs, self.reads) = (closed.clone(), closed);
        for thread in self.threads.drain(..) {
            // One that panicked has nothing left to commit.
            let _ = thread.join();
        }
    }
}

/// SQLite's messages name tables and paths, never values.
impl From<rusqlite::Error> for LedgerError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::ConstraintViolation) => Self::Conflict,
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
