//! The embedded ledger: one SQLite file, one writer thread.
//!
//! WAL with `synchronous=FULL`: what a method answered survives a power cut. The
//! writer commits everything that waits as one group, so that many callers share
//! one flush of the disk.

mod statements;
mod writer;

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    thread,
    time::SystemTime,
};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use self::writer::{Command, Writer};
use super::{
    Event, Ledger, LedgerError, LedgerFuture, Reservation, Reserved, State, Usage, unix_ms,
};
use crate::{ingest::OperationId, tenant::TenantId};

/// The version of `schema.sql`, as `PRAGMA user_version` holds it.
const SCHEMA_VERSION: i32 = 1;

/// The most commands that wait for the writer. It commits hundreds in one flush
/// of a few milliseconds: a longer queue means a disk that has stopped.
const MAX_WAITING: usize = 4096;

/// A ledger in a SQLite file.
pub struct SqliteLedger {
    commands: mpsc::Sender<Command>,
    writer: Option<thread::JoinHandle<()>>,
}

/// What [`SqliteLedger::open`] found to do after the last stop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Creates that were reserved and never sent: rejected, their quota returned.
    pub rejected: usize,
    /// Creates that may have been sent: in doubt from now on, still counted.
    pub in_doubt: usize,
    /// Rows in doubt, those of earlier stops included.
    pub in_doubt_in_all: u32,
}

/// The ledger's file could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be made or the lock file cannot be opened.
    #[error("{path}: {source}; ledger.url must name a file in a folder that the gateway may write")]
    Folder {
        /// What could not be made or opened.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process has the ledger.
    #[error(
        "{0} is in use by another gateway; stop that one, or give each gateway a ledger.url of its own"
    )]
    InUse(PathBuf),
    /// The file was written by a newer gateway.
    #[error(
        "{path} has schema version {found}, and this gateway knows up to {SCHEMA_VERSION}; run the newer gateway"
    )]
    NewerSchema {
        /// The ledger's file.
        path: PathBuf,
        /// Its version.
        found: i32,
    },
    /// SQLite refused.
    #[error("{path}: {source}")]
    Database {
        /// The ledger's file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
}

impl SqliteLedger {
    /// Opens the ledger at `path`, makes it if it is not there, and settles what
    /// the last stop left: what was reserved is rejected, what may have been sent
    /// is in doubt.
    ///
    /// # Errors
    /// [`OpenError`], with the path and the way out.
    pub fn open(path: &Path) -> Result<(Self, Recovered), OpenError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder)
                .map_err(|source| OpenError::Folder { path: folder.to_owned(), source })?;
        }
        let lock = lock(path)?;
        let database = |source| OpenError::Database { path: path.to_owned(), source };
        let mut connection = Connection::open(path).map_err(database)?;
        configure(&connection).map_err(database)?;
        let version = migrate(&mut connection).map_err(database)?;
        if version > SCHEMA_VERSION {
            return Err(OpenError::NewerSchema { path: path.to_owned(), found: version });
        }
        let recovered =
            statements::recover(&mut connection, unix_ms(SystemTime::now())).map_err(database)?;

        let (commands, waiting) = mpsc::channel(MAX_WAITING);
        let writer = thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || {
                Writer::new(connection).run(waiting);
                drop(lock);
            })
            .map_err(|source| OpenError::Folder { path: path.to_owned(), source })?;
        Ok((Self { commands, writer: Some(writer) }, recovered))
    }

    async fn ask<T: Send>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, LedgerError>>) -> Command + Send,
    ) -> Result<T, LedgerError> {
        let stopped = || LedgerError::Unavailable("the writer has stopped".to_owned());
        let (answer, answered) = oneshot::channel();
        self.commands.send(command(answer)).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}

impl Ledger for SqliteLedger {
    fn reserve(&self, reservation: Reservation) -> LedgerFuture<'_, Reserved> {
        // A full queue refuses new work, so that what is under way can be recorded.
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let command = Command::Reserve(Box::new(reservation), answer);
            self.commands.try_send(command).map_err(|error| {
                LedgerError::Unavailable(match error {
                    mpsc::error::TrySendError::Full(_) => "too many waiting writes".to_owned(),
                    mpsc::error::TrySendError::Closed(_) => "the writer has stopped".to_owned(),
                })
            })?;
            answered
                .await
                .map_err(|_| LedgerError::Unavailable("the writer has stopped".to_owned()))?
        })
    }

    fn apply(&self, operation_id: OperationId, event: Event) -> LedgerFuture<'_, State> {
        Box::pin(self.ask(move |answer| Command::Apply(operation_id, event, answer)))
    }

    fn usage(&self, tenant: TenantId) -> LedgerFuture<'_, Usage> {
        Box::pin(self.ask(move |answer| Command::Usage(tenant, answer)))
    }
}

impl Drop for SqliteLedger {
    /// Waits for the writer to commit what it was given and to close the file.
    fn drop(&mut self) {
        let (closed, _) = mpsc::channel(1);
        self.commands = closed;
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has nothing left to commit.
            let _ = writer.join();
        }
    }
}

/// Two gateways on one file would each take the other's calls for abandoned.
fn lock(path: &Path) -> Result<File, OpenError> {
    let mut lock_path = path.as_os_str().to_owned();
    lock_path.push(".lock");
    let lock_path = PathBuf::from(lock_path);
    let folder = |source| OpenError::Folder { path: lock_path.clone(), source };
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock_path)
        .map_err(folder)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path.to_owned())),
        Err(TryLockError::Error(source)) => Err(folder(source)),
    }
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    // A checkpoint moves this many 4 KiB pages: larger ones cost a longer pause.
    connection.pragma_update(None, "wal_autocheckpoint", 1000)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(())
}

/// Brings an empty file to the schema and answers the file's version.
fn migrate(connection: &mut Connection) -> rusqlite::Result<i32> {
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version > 0 {
        return Ok(version);
    }
    let transaction = connection.transaction()?;
    transaction.execute_batch(include_str!("sqlite/schema.sql"))?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()?;
    Ok(SCHEMA_VERSION)
}

#[cfg(test)]
mod tests;
