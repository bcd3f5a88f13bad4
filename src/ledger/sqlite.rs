//! The embedded ledger: one SQLite file, a writer thread and a reader thread.
//!
//! WAL with `synchronous=FULL`: a change whose method has returned survives a power cut.
//! The writer commits all waiting jobs as one group, so that many callers share one flush
//! of the disk.

mod adopting;
mod columns;
mod driver;
mod installing;
mod lock_file;
mod open;
mod reading;
mod reconciling;
mod reserving;
mod scanning;
mod steps;
mod store;

use std::{collections::HashMap, path::Path, time::SystemTime};

use rusqlite::Connection;
use tokio_util::sync::CancellationToken;

use self::{
    columns::unix_ms,
    driver::{Senders, Threads, rejected, stopped},
};
pub use self::{
    driver::Queues,
    open::OpenError,
    store::{Group, Job, Store, commit},
};
use super::{
    Adopted, Adoption, Comparison, Event, Expired, Filter, InDoubtCreate, Leases, Ledger,
    LedgerError, LedgerFuture, Observation, Reservation, Reserved, Row, SendPermission, Transition,
    UnconfirmedRow, Upstream, Usage,
};
use crate::{clock::Clock, request::OperationId, tenancy::TenantId};

/// A ledger in a SQLite file.
pub struct SqliteLedger {
    queues: Option<Senders>,
    threads: Option<Threads>,
    leases: Leases,
    clock: Clock,
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
    /// rejected, and those that may have been sent become in doubt.
    ///
    /// # Errors
    /// [`OpenError`], with the path and the fix.
    pub fn open(path: &Path, leases: Leases, clock: Clock) -> Result<(Self, Expired), OpenError> {
        let (store, expired) = Store::open(path, &clock)?;
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
        (Self { queues: Some(senders), threads: None, leases, clock }, queues)
    }

    /// Runs `work` on the connection that writes.
    fn write<T: Send + 'static>(
        &self,
        when_full: WhenFull,
        work: impl FnOnce(&Connection, SystemTime) -> Result<T, LedgerError> + Send + 'static,
    ) -> LedgerFuture<'_, T> {
        let clock = self.clock.clone();
        Box::pin(async move {
            let (job, result) = Job::new(move |connection| work(connection, clock.wall()));
            let queue = &self.queues.as_ref().ok_or_else(stopped)?.writes;
            match when_full {
                WhenFull::Reject => queue.try_send(job).map_err(|error| rejected(&error))?,
                WhenFull::Wait => queue.send(job).await.map_err(|_| stopped())?,
            }
            result.await.map_err(|_| stopped())?
        })
    }

    /// Runs `work` on the connection that reads, unless the queue is full.
    fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> LedgerFuture<'_, T> {
        Box::pin(async move {
            let (job, result) = Job::new(|connection| Ok(work(connection)?));
            let queue = &self.queues.as_ref().ok_or_else(stopped)?.reads;
            queue.try_send(job).map_err(|error| rejected(&error))?;
            result.await.map_err(|_| stopped())?
        })
    }
}

impl Ledger for SqliteLedger {
    fn reserve(&self, reservation: Reservation) -> LedgerFuture<'_, Reserved> {
        let leases = self.leases;
        self.write(WhenFull::Reject, move |connection, now| {
            reserving::reserve(connection, &reservation, now, &leases)
        })
    }

    fn send(&self, operation_id: OperationId) -> LedgerFuture<'_, Option<SendPermission>> {
        let leases = self.leases;
        self.write(WhenFull::Wait, move |connection, now| {
            steps::send(connection, operation_id, now, &leases)
        })
    }

    fn resend(
        &self,
        operation_id: OperationId,
        sent_at: SystemTime,
    ) -> LedgerFuture<'_, Option<SendPermission>> {
        let leases = self.leases;
        self.write(WhenFull::Wait, move |connection, now| {
            steps::resend(connection, operation_id, sent_at, now, &leases)
        })
    }

    fn apply(&self, operation_id: OperationId, event: Event) -> LedgerFuture<'_, Transition> {
        let leases = self.leases;
        self.write(WhenFull::Wait, move |connection, now| {
            steps::apply(connection, operation_id, (&event).into(), now, &leases)
        })
    }

    fn apply_to_sending(
        &self,
        operation_id: OperationId,
        sent_at: SystemTime,
        event: Event,
    ) -> LedgerFuture<'_, Option<Transition>> {
        let leases = self.leases;
        self.write(WhenFull::Wait, move |connection, now| {
            let step = (&event).into();
            steps::apply_to_sending(connection, operation_id, sent_at, step, now, &leases)
        })
    }

    fn usage(&self, tenant: TenantId) -> LedgerFuture<'_, Usage> {
        self.read(move |connection| reading::usage(connection, &tenant))
    }

    fn find(&self, tenant: TenantId, arn: String) -> LedgerFuture<'_, Option<Row>> {
        self.read(move |connection| reading::find(connection, &tenant, &arn))
    }

    fn list(
        &self,
        tenant: TenantId,
        filter: Filter,
        before: Option<OperationId>,
        limit: u32,
    ) -> LedgerFuture<'_, Vec<Row>> {
        self.read(move |connection| reading::list(connection, &tenant, &filter, before, limit))
    }

    fn abandoned_deletes(&self) -> LedgerFuture<'_, Vec<UnconfirmedRow>> {
        self.write(WhenFull::Wait, |connection, now| {
            Ok(reconciling::abandoned_deletes(connection, unix_ms(now))?)
        })
    }

    fn expire(&self) -> LedgerFuture<'_, Expired> {
        self.write(WhenFull::Wait, |connection, now| {
            Ok(steps::expire(connection, unix_ms(now), unix_ms(now))?)
        })
    }

    fn in_doubt(
        &self,
        after: Option<OperationId>,
        limit: u32,
    ) -> LedgerFuture<'_, Vec<InDoubtCreate>> {
        self.write(WhenFull::Wait, move |connection, _| {
            Ok(reconciling::in_doubt(connection, after, limit)?)
        })
    }

    fn count_in_doubt(&self) -> LedgerFuture<'_, u32> {
        self.read(reading::count_in_doubt)
    }

    fn count_live(&self) -> LedgerFuture<'_, u32> {
        self.read(reading::count_live)
    }

    fn owners(&self, arns: Vec<String>) -> LedgerFuture<'_, HashMap<String, OperationId>> {
        self.write(WhenFull::Wait, move |connection, _| Ok(reconciling::owners(connection, arns)?))
    }

    fn observe(&self, seen: Vec<Observation>) -> LedgerFuture<'_, Vec<String>> {
        self.write(WhenFull::Wait, move |connection, _| Ok(scanning::observe(connection, seen)?))
    }

    /// Runs one job for each 1,000 rows, so that other jobs run in between.
    fn finish_scan(&self, scan_began: SystemTime) -> LedgerFuture<'_, Vec<UnconfirmedRow>> {
        let scan_began_ms = unix_ms(scan_began);
        Box::pin(async move {
            let mut missing = Vec::new();
            let mut after = None;
            loop {
                let (found, last) = self
                    .write(WhenFull::Wait, move |connection, _| {
                        Ok(scanning::finish(connection, scan_began_ms, after)?)
                    })
                    .await?;
                missing.extend(found);
                if last.is_none() {
                    return Ok(missing);
                }
                after = last;
            }
        })
    }

    fn adopt(&self, found: Adoption) -> LedgerFuture<'_, Adopted> {
        let leases = self.leases;
        self.write(WhenFull::Wait, move |connection, now| {
            adopting::adopt(connection, &found, now, &leases)
        })
    }

    fn prune(&self, before: SystemTime) -> LedgerFuture<'_, usize> {
        self.write(WhenFull::Wait, move |connection, _| {
            Ok(reconciling::prune(connection, unix_ms(before))?)
        })
    }

    fn comparison(&self) -> LedgerFuture<'_, Comparison> {
        self.write(WhenFull::Wait, |connection, _| Ok(reconciling::comparison(connection)?))
    }

    fn set_comparison(&self, comparison: Comparison) -> LedgerFuture<'_, ()> {
        self.write(WhenFull::Wait, move |connection, _| {
            Ok(reconciling::set_comparison(connection, comparison)?)
        })
    }

    fn check_writable(&self) -> LedgerFuture<'_, ()> {
        self.write(WhenFull::Wait, |connection, _| Ok(reconciling::check_writable(connection)?))
    }

    fn bind(&self, upstream: Upstream) -> LedgerFuture<'_, Option<Upstream>> {
        self.write(WhenFull::Wait, move |connection, _| {
            Ok(reconciling::bind(connection, &upstream)?)
        })
    }
}

impl Drop for SqliteLedger {
    /// Waits for the threads to run the jobs in their queues and to close the file.
    fn drop(&mut self) {
        self.queues = None;
        if let Some(threads) = self.threads.take() {
            threads.join();
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
