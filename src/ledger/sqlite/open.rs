//! Opens the file: the lock file, the settings, the schema, the check for damage.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::Connection;

use super::{
    super::Comparison,
    is_damage,
    lock_file::{LockFile, create_private},
    reconciling,
};

/// The version of `schema.sql`, as `PRAGMA user_version` holds it.
pub(super) const SCHEMA_VERSION: i32 = 1;

/// The time that a transaction waits for the lock of another program. docs/operating.md names it.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The ledger's file could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be created, or the file or its lock file cannot be opened.
    #[error("{path}: {source}; ledger.url must name a file in a folder that the gateway may write")]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// The failure.
        source: io::Error,
    },
    /// Another process has the ledger open.
    #[error(
        "{0} is in use by another gateway; stop that one, or give each gateway a ledger.url of its own"
    )]
    InUse(PathBuf),
    /// A new ledger was asked for, and the file exists.
    #[error("{0} exists already; `serve` uses it as it is")]
    Exists(PathBuf),
    /// An existing ledger was asked for, and there is none.
    #[error("{0} does not exist; correct ledger.url, or run `init-ledger` without `--rebind`")]
    Missing(PathBuf),
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
    /// The file is damaged.
    #[error(
        "{path} is damaged ({problem}); move it, {path}-wal and {path}-shm away: the next start rebuilds the ledger from AWS"
    )]
    Damaged {
        /// The ledger's file.
        path: PathBuf,
        /// The first problem that SQLite reports.
        problem: String,
    },
    /// SQLite failed.
    #[error("{path}: {source}")]
    Database {
        /// The ledger's file.
        path: PathBuf,
        /// The failure.
        source: rusqlite::Error,
    },
}

impl OpenError {
    pub(super) fn of_database(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(code) if is_damage(code) => Self::Damaged { path, problem: source.to_string() },
            _ => Self::Database { path, source },
        }
    }
}

/// Returns the lock and the connection, which must be dropped before the lock.
pub(super) fn open(path: &Path) -> Result<(LockFile, Connection), OpenError> {
    create_folder(path)?;
    // SQLite gives `-wal` and `-shm` the mode of the file. An existing file keeps its own.
    let folder = |source| OpenError::Folder { path: path.to_owned(), source };
    drop(create_private(path).map_err(folder)?);
    // The lock of a file that a link names is the lock of the file.
    let path = &fs::canonicalize(path).map_err(folder)?;
    let (lock_path, locked) = LockFile::lock(path);
    let locked = locked.map_err(|source| OpenError::Folder { path: lock_path, source })?;
    let mut lock_file = locked.ok_or_else(|| OpenError::InUse(path.to_owned()))?;
    let comparison = lock_file.comparison().map_err(folder)?;
    let database = |source| OpenError::of_database(path, source);
    let mut connection = Connection::open(path).map_err(database)?;
    configure(&connection).map_err(database)?;
    let version = migrate(&mut connection).map_err(database)?;
    if version > SCHEMA_VERSION {
        return Err(OpenError::NewerSchema { path: path.to_owned(), found: version });
    }
    if let Some(problem) = damage(&connection).map_err(database)? {
        return Err(OpenError::Damaged { path: path.to_owned(), problem });
    }
    require_comparison(&connection, comparison).map_err(database)?;
    // Later, so that a start that fails before does not make the file known.
    lock_file.record_open().map_err(folder)?;
    Ok((lock_file, connection))
}

/// Creates an empty file.
///
/// # Errors
/// [`OpenError::Exists`], and [`OpenError::Folder`].
pub(super) fn create_new(path: &Path) -> Result<(), OpenError> {
    create_folder(path)?;
    match File::options().create_new(true).write(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Err(OpenError::Exists(path.to_owned()))
        }
        Err(source) => Err(OpenError::Folder { path: path.to_owned(), source }),
    }
}

fn create_folder(path: &Path) -> Result<(), OpenError> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else {
        return Ok(());
    };
    let folder_failed = |source| OpenError::Folder { path: folder.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(folder_failed)
}

/// Returns the first problem of the file, after a check of every page and index: about half a second
/// for each 100,000 rows.
fn damage(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let found: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    Ok((found != "ok").then_some(found))
}

/// Records the comparison, unless a greater one is recorded: a later start must not forget it.
fn require_comparison(connection: &Connection, comparison: Comparison) -> rusqlite::Result<()> {
    if reconciling::comparison(connection)? < comparison {
        reconciling::set_comparison(connection, comparison)?;
    }
    Ok(())
}

/// Opens a second connection, which only reads.
pub(super) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    let database = |source| OpenError::of_database(path, source);
    let connection = Connection::open(path).map_err(database)?;
    connection.pragma_update(None, "query_only", "ON").map_err(database)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Size of the WAL, in 4 KiB pages, that starts a checkpoint. A larger one pauses longer.
    connection.pragma_update(None, "wal_autocheckpoint", 1000)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(())
}

/// Creates the schema in an empty file, and returns the version of the file.
fn migrate(connection: &mut Connection) -> rusqlite::Result<i32> {
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version > 0 {
        return Ok(version);
    }
    let transaction = connection.transaction()?;
    transaction.execute_batch(include_str!("schema.sql"))?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()?;
    Ok(SCHEMA_VERSION)
}
