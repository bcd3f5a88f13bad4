//! The lock file beside the ledger: it excludes other processes, and proves that nothing has
//! changed the ledger since a gateway closed it.
//!
//! While a gateway runs, the lock file names the ledger's file. When it ends properly, the lock
//! file also holds the file's size and the time of its last change, which no program can set.
//! A restored or copied file has other values. The proof does not cover a snapshot of the whole
//! volume; the boot id limits it to the time until the machine restarts.

use std::{
    fs::{self, File, Metadata, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use super::super::Comparison;

/// Identifies the current run of the operating system.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The lock of an open ledger. Its drop releases the lock, as the end of the process does.
#[derive(Debug)]
pub(super) struct LockFile {
    lock: File,
    /// The ledger's file, which is locked too: it may have a second name, by a hard link. Closing any
    /// descriptor of a file drops the POSIX locks of the process on it, so this one stays open until
    /// SQLite has closed the file.
    _file: File,
    ledger: PathBuf,
    /// The identity of the file that the gateway has opened.
    opened: String,
}

impl LockFile {
    /// Takes the lock of the ledger at `path`. Returns `None` if another process has it, and the
    /// path that was locked.
    pub(super) fn lock(path: &Path) -> (PathBuf, io::Result<Option<Self>>) {
        let mut lock_path = path.as_os_str().to_owned();
        lock_path.push(".lock");
        let lock_path = PathBuf::from(lock_path);
        let locked = create_private(&lock_path).and_then(|lock| {
            let file = create_private(path)?;
            if !(try_lock(&lock)? && try_lock(&file)?) {
                return Ok(None);
            }
            let opened = file_identity(&file.metadata()?);
            Ok(Some(Self { lock, _file: file, ledger: path.to_owned(), opened }))
        });
        (lock_path, locked)
    }

    /// Returns the comparison that the file needs, which is not open yet.
    pub(super) fn comparison(&mut self) -> io::Result<Comparison> {
        let mut recorded = String::new();
        // A lock file that cannot be read proves nothing.
        let _ = self.lock.read_to_string(&mut recorded);
        let Some(state) = recorded.strip_prefix(&self.opened) else {
            return Ok(Comparison::TwoScans);
        };
        if state.is_empty() {
            // A crash leaves the WAL, with the last changes. Without it they are lost.
            let has_wal = self.wal().exists();
            return Ok(if has_wal { Comparison::OneScan } else { Comparison::TwoScans });
        }
        let present = self.closed_state()?;
        if present.as_deref() == Some(state) {
            return Ok(Comparison::NotNeeded);
        }
        // Unless only the machine has restarted since, a program has changed the closed file.
        let without_boot =
            |state: &str| state.trim_end().rsplit_once(' ').map(|it| it.0.to_owned());
        let is_unchanged = present.as_deref().and_then(without_boot) == without_boot(state);
        Ok(if is_unchanged { Comparison::OneScan } else { Comparison::TwoScans })
    }

    /// Records that the file is open. The ledger has recorded the comparison that it needs.
    pub(super) fn record_open(&mut self) -> io::Result<()> {
        self.write(&self.opened.clone())
    }

    /// Records that the file was closed properly. No connection is open any more.
    pub(super) fn record_closed(mut self) -> io::Result<()> {
        match self.closed_state()? {
            Some(state) => self.write(&format!("{}{state}", self.opened)),
            None => Ok(()),
        }
    }

    fn wal(&self) -> PathBuf {
        let mut wal = self.ledger.as_os_str().to_owned();
        wal.push("-wal");
        wal.into()
    }

    /// Returns the text that identifies the content of the closed file. `None` if that is not all
    /// in the file, if the path names another file since, or if the boot id is not known.
    fn closed_state(&self) -> io::Result<Option<String>> {
        let file = fs::metadata(&self.ledger)?;
        if self.wal().exists() || file_identity(&file) != self.opened {
            return Ok(None);
        }
        let (size, seconds, nanoseconds) = (file.size(), file.ctime(), file.ctime_nsec());
        let state = |boot_id| format!("closed {size} {seconds}.{nanoseconds} {boot_id}\n");
        Ok(boot_id().map(state))
    }

    fn write(&mut self, content: &str) -> io::Result<()> {
        self.lock.set_len(0)?;
        self.lock.rewind()?;
        self.lock.write_all(content.as_bytes())?;
        self.lock.sync_all()
    }
}

/// Acquires the lock. Returns false if another open file has it.
fn try_lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The text that identifies the file. A new file may have the inode of a deleted one, but not the
/// time of its creation.
fn file_identity(file: &Metadata) -> String {
    let created = file.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    format!("ledger {} {}\n", file.ino(), created.unwrap_or_default().as_nanos())
}

fn boot_id() -> Option<String> {
    Some(fs::read_to_string(BOOT_ID).ok()?.trim().to_owned())
}

/// Opens the file, and creates it readable by its owner alone if it does not exist.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    File::options().create(true).truncate(false).read(true).write(true).mode(0o600).open(path)
}
