//! The files of the ledger, as the test reads, copies and restores them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use ivs_ingest_gateway::ledger::{SqliteLedger, State};
use rusqlite::{Connection, OpenFlags};

use crate::gateway::WAIT_TIMEOUT;

/// The files of SQLite. The last one is not part of a copy: SQLite builds it again.
const SUFFIXES: [&str; 3] = ["", "-wal", "-shm"];

/// A row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LedgerRow {
    pub(crate) tenant: String,
    pub(crate) request_id: String,
    pub(crate) operation_id: Vec<u8>,
    pub(crate) fingerprint: Vec<u8>,
    /// The number of its [`State`].
    pub(crate) state: u8,
    pub(crate) arn: Option<String>,
    pub(crate) name: String,
    pub(crate) stage_arn: String,
    pub(crate) user_id: String,
}

/// The files of a ledger.
#[derive(Debug)]
pub(crate) struct LedgerFile {
    path: PathBuf,
}

/// The way in which a copy replaces the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restore {
    /// The copy is a new file.
    NewFile,
    /// The copy is written over the file, and the lock file is deleted.
    InPlace,
}

impl LedgerFile {
    /// Creates the ledger as `init-ledger` does.
    pub(crate) fn create(folder: &Path) -> Self {
        let path = folder.join("ledger.db");
        SqliteLedger::create(&path).unwrap();
        Self { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(WAIT_TIMEOUT)?;
        Ok(connection)
    }

    /// Every row, in the order of operation ids. The gateway may be running.
    pub(crate) fn rows(&self) -> Vec<LedgerRow> {
        self.try_rows().unwrap()
    }

    /// Like [`Self::rows`], for a ledger that may not exist yet.
    pub(crate) fn try_rows(&self) -> rusqlite::Result<Vec<LedgerRow>> {
        let connection = self.connect()?;
        let mut statement = connection.prepare(
            "SELECT tenant, request_id, operation_id, fingerprint, state, arn, name, stage_arn,
               user_id
             FROM ingest_configurations ORDER BY operation_id",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(LedgerRow {
                tenant: row.get(0)?,
                request_id: row.get(1)?,
                operation_id: row.get(2)?,
                fingerprint: row.get(3)?,
                state: row.get(4)?,
                arn: row.get(5)?,
                name: row.get(6)?,
                stage_arn: row.get(7)?,
                user_id: row.get(8)?,
            })
        })?;
        rows.collect()
    }

    /// The number of rows in any of these states.
    pub(crate) fn count(&self, states: &[State]) -> usize {
        let mut rows = self.rows();
        rows.retain(|row| states.iter().any(|state| row.state == *state as u8));
        rows.len()
    }

    /// Deletes the ledger, including the other files of SQLite.
    pub(crate) fn delete(&self) {
        for suffix in SUFFIXES {
            remove(&with_suffix(&self.path, suffix));
        }
    }

    /// Copies the ledger with SQLite. The gateway must be running: otherwise SQLite would have to
    /// recover the write-ahead log, for which it must write.
    pub(crate) fn back_up(&self) -> rusqlite::Result<()> {
        self.delete_copy();
        let copy = self.copy();
        self.connect()?.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).map(drop)
    }

    /// Copies the files of the ledger. The gateway must not be running.
    pub(crate) fn copy_files(&self) {
        self.delete_copy();
        for suffix in &SUFFIXES[..2] {
            match fs::copy(with_suffix(&self.path, suffix), with_suffix(&self.copy(), suffix)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                copied => drop(copied.unwrap()),
            }
        }
    }

    /// Replaces the ledger by its copy. The gateway must not be running.
    pub(crate) fn restore(&self, how: Restore) {
        remove(&with_suffix(&self.path, "-wal"));
        remove(&with_suffix(&self.path, "-shm"));
        let (copy, path) = (self.copy(), &self.path);
        match how {
            Restore::NewFile => fs::rename(&copy, path).unwrap(),
            Restore::InPlace => {
                fs::copy(&copy, path).map(drop).unwrap();
                remove(&with_suffix(path, ".lock"));
            }
        }
        // A copy by SQLite has no write-ahead log.
        let _ = fs::rename(with_suffix(&copy, "-wal"), with_suffix(path, "-wal"));
    }

    fn copy(&self) -> PathBuf {
        self.path.with_file_name("copy.db")
    }

    fn delete_copy(&self) {
        for suffix in &SUFFIXES[..2] {
            remove(&with_suffix(&self.copy(), suffix));
        }
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// Deletes a file that may not exist.
fn remove(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => panic!("{error}"),
        _ => {}
    }
}
