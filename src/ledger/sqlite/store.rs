//! The synchronous part of the ledger: its connections, and the jobs that run on them.

use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::{
    super::{Expired, Leases, LedgerError},
    columns::unix_ms,
    lock_file::LockFile,
    open::{self, OpenError},
    steps, unavailable,
};
use crate::clock::Clock;

/// Work on a connection, and then the response to its caller. A statement that fails is
/// undone alone, and the rest of its transaction still commits. Therefore a job makes one
/// change, or several that are each correct without the others.
pub struct Job(Work);

type Work = Box<dyn FnOnce(Result<&Connection, &rusqlite::Error>) -> Respond + Send>;

/// Responds to the caller after the transaction has ended; with an error if it did not
/// commit.
type Respond = Box<dyn FnOnce(Result<(), &LedgerError>) + Send>;

impl Job {
    /// Returns a job that runs `work`, and the receiver of its result. The result is sent
    /// only after it is durable.
    pub(super) fn new<T: Send + 'static>(
        work: impl FnOnce(&Connection) -> Result<T, LedgerError> + Send + 'static,
    ) -> (Self, oneshot::Receiver<Result<T, LedgerError>>) {
        let (sender, receiver) = oneshot::channel();
        let job: Work = Box::new(move |connection| {
            let result = match connection {
                Ok(connection) => work(connection),
                Err(error) => Err(unavailable(error)),
            };
            Box::new(move |committed| {
                // The caller may have disconnected. The change is made regardless.
                let _ = sender.send(committed.map_err(Clone::clone).and(result));
            })
        });
        (Self(job), receiver)
    }
}

/// Commits the transaction of a group.
///
/// # Errors
/// SQLite could not commit it.
pub fn commit(transaction: Transaction<'_>) -> rusqlite::Result<()> {
    transaction.commit()
}

/// Jobs that run together.
pub enum Group {
    /// In one transaction.
    Write(Vec<Job>),
    /// Outside of any transaction, concurrently with a [`Group::Write`].
    Read(Job),
}

/// An open ledger file: the connection that writes and the one that reads.
pub struct Store {
    pub(super) writer: Writer,
    pub(super) reader: Reader,
    /// Excludes other processes, and records that the ledger was closed.
    pub(super) lock_file: LockFile,
}

/// The connection that writes.
pub(super) struct Writer {
    connection: Connection,
    responds: Vec<Respond>,
}

/// The connection that only reads.
pub(super) struct Reader(Connection);

impl Store {
    /// Opens the ledger at `path`, and creates it if it does not exist. The leases of all
    /// creates expire, because no other process has the file open: reserved creates become
    /// rejected, and those that may have been sent become in doubt.
    ///
    /// # Errors
    /// [`OpenError`], with the path and the fix.
    pub fn open(path: &Path, leases: &Leases, clock: &Clock) -> Result<(Self, Expired), OpenError> {
        let (lock_file, connection) = open::open(path)?;
        let database = |source| OpenError::of_database(path, source);
        let expired = steps::expire(&connection, unix_ms(clock.wall()), i64::MAX);
        let expired = expired.map_err(database)?;
        steps::lease_deletes(&connection, leases).map_err(database)?;
        let reader = Reader(open::open_reader(path)?);
        let writer = Writer { connection, responds: Vec::new() };
        Ok((Self { writer, reader, lock_file }, expired))
    }

    /// Opens the ledger at `path`, changes it, and closes it.
    pub(super) fn change(
        path: &Path,
        change: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> Result<(), OpenError> {
        let (lock_file, connection) = open::open(path)?;
        let database = |source| OpenError::of_database(path, source);
        change(&connection).map_err(database)?;
        connection.close().map_err(|(_, source)| database(source))?;
        lock_file
            .record_closed()
            .map_err(|source| OpenError::Folder { path: path.to_owned(), source })
    }

    /// Runs the jobs of the group, and ends their transaction with `commit`. A simulator
    /// passes one that fails.
    pub fn run(
        &mut self,
        group: Group,
        commit: impl FnOnce(Transaction<'_>) -> rusqlite::Result<()>,
    ) {
        match group {
            Group::Write(jobs) => self.writer.run(jobs.into_iter(), commit),
            Group::Read(job) => self.reader.read(job),
        }
    }
}

impl Writer {
    /// Runs the jobs in one transaction, which `commit` ends. If the commit fails, no change of
    /// the group remains. A group without changes does not flush.
    pub(super) fn run(
        &mut self,
        group: impl Iterator<Item = Job>,
        commit: impl FnOnce(Transaction<'_>) -> rusqlite::Result<()>,
    ) {
        // Immediate, so that it waits for the lock of another program that uses the file.
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        match &transaction {
            Ok(transaction) => self.responds.extend(group.map(|job| job.0(Ok(transaction)))),
            Err(error) => self.responds.extend(group.map(|job| job.0(Err(error)))),
        }
        let committed = transaction.and_then(commit).map_err(|error| unavailable(&error));
        if let Err(error) = &committed {
            tracing::error!(%error, "the ledger could not commit");
        }
        for respond in self.responds.drain(..) {
            respond(committed.as_ref().copied());
        }
    }
}

impl Reader {
    pub(super) fn read(&self, job: Job) {
        job.0(Ok(&self.0))(Ok(()));
    }
}
