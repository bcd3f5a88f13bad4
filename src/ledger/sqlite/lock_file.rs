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
    ledger: PathBuf,
}

impl LockFile {
    /// Takes the lock of the ledger at `path`. Returns `None` if another process has it, and the
    /// path that was locked.
    pub(super) fn lock(path: &Path) -> (PathBuf, io::Result<Option<Self>>) {
        let mut lock_path = path.as_os_str().to_owned();
        lock_path.push(".lock");
        let lock_path = PathBuf::from(lock_path);
        let locked = create_private(&lock_path).and_then(|lock| match lock.try_lock() {
            Ok(()) => Ok(Some(Self { lock, ledger: path.to_owned() })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        });
        (lock_path, locked)
    }

    /// Returns the comparison that the file needs, which is not open yet, and records that it is
    /// open.
    pub(super) fn record_open(&mut self) -> io::Result<Comparison> {
        let mut recorded = String::new();
        // A lock file that cannot be read proves nothing.
        let _ = self.lock.read_to_string(&mut recorded);
        let file = fs::metadata(&self.ledger)?;
        let comparison =
            if closed_record(&self.ledger, &file).is_some_and(|closed| closed == recorded) {
                Comparison::NotNeeded
            } else if recorded.starts_with(&file_identity(&file)) {
                Comparison::OneScan
            } else {
                Comparison::TwoScans
            };
        self.write(&file_identity(&file))?;
        Ok(comparison)
    }

    /// Records that the file was closed properly. No connection is open any more.
    pub(super) fn record_closed(mut self) -> io::Result<()> {
        let file = fs::metadata(&self.ledger)?;
        match closed_record(&self.ledger, &file) {
            Some(closed) => self.write(&closed),
            None => Ok(()),
        }
    }

    fn write(&mut self, content: &str) -> io::Result<()> {
        self.lock.set_len(0)?;
        self.lock.rewind()?;
        self.lock.write_all(content.as_bytes())?;
        self.lock.sync_all()
    }
}

/// The text that identifies the file. A new file may have the inode of a deleted one, but not the
/// time of its creation.
fn file_identity(file: &Metadata) -> String {
    let created = file.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    format!("ledger {} {}\n", file.ino(), created.unwrap_or_default().as_nanos())
}

/// The text that identifies the file and its content. `None` if that is not all in the file, or
/// if the boot id is not known.
fn closed_record(path: &Path, file: &Metadata) -> Option<String> {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    if Path::new(&wal).exists() {
        return None;
    }
    let boot_id = fs::read_to_string(BOOT_ID).ok()?;
    let (size, seconds, nanoseconds) = (file.size(), file.ctime(), file.ctime_nsec());
    Some(format!(
        "{}closed {size} {seconds}.{nanoseconds} {}\n",
        file_identity(file),
        boot_id.trim()
    ))
}

/// Opens the file, and creates it readable by its owner alone if it does not exist.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    File::options().create(true).truncate(false).read(true).write(true).mode(0o600).open(path)
}
