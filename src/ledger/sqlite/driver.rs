//! The queues between the ledger's callers and its store, and the threads that take from
//! them.

use std::{io, thread};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    super::LedgerError,
    lock_file::LockFile,
    store::{Group, Job, Reader, Store, Writer, commit},
};

/// Maximum number of jobs in each queue. The writer commits up to 256 of them in one flush of
/// a few milliseconds, so a full queue means that the disk does not respond.
const MAX_WAITING: usize = 4096;

/// Maximum number of jobs in one transaction. It bounds the time that the first job waits for
/// the last one.
const MAX_GROUP: usize = 256;

/// The senders of the queues.
pub(super) struct Senders {
    pub(super) writes: mpsc::Sender<Job>,
    pub(super) reads: mpsc::Sender<Job>,
}

/// The jobs that wait for a [`Store`]. A test can take the groups itself and run the ledger
/// without threads.
pub struct Queues {
    writes: mpsc::Receiver<Job>,
    reads: mpsc::Receiver<Job>,
}

pub(super) fn queues() -> (Senders, Queues) {
    let (write_sender, writes) = mpsc::channel(MAX_WAITING);
    let (read_sender, reads) = mpsc::channel(MAX_WAITING);
    (Senders { writes: write_sender, reads: read_sender }, Queues { writes, reads })
}

pub(super) fn stopped() -> LedgerError {
    LedgerError::Unavailable("its thread has stopped".to_owned())
}

pub(super) fn rejected(error: &mpsc::error::TrySendError<Job>) -> LedgerError {
    match error {
        mpsc::error::TrySendError::Full(_) => LedgerError::QueueFull,
        mpsc::error::TrySendError::Closed(_) => stopped(),
    }
}

impl Queues {
    /// Waits for the next jobs: writes first, up to the size of one transaction. None after
    /// the ledger is dropped and both queues are empty.
    pub async fn next_group(&mut self) -> Option<Group> {
        let mut group = Vec::new();
        tokio::select! {
            biased;
            count = self.writes.recv_many(&mut group, MAX_GROUP) => {
                if count > 0 {
                    return Some(Group::Write(group));
                }
            }
            Some(job) = self.reads.recv() => return Some(Group::Read(job)),
        }
        // The queue of writes is closed: only reads can be left.
        self.reads.recv().await.map(Group::Read)
    }
}

/// The threads of a ledger.
pub(super) struct Threads {
    writer: thread::JoinHandle<Writer>,
    reader: thread::JoinHandle<Reader>,
    lock_file: LockFile,
    panicked: CancellationToken,
}

/// Reports the panic of a thread.
struct PanicGuard(CancellationToken);

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.cancel();
        }
    }
}

impl Threads {
    /// Returns a token that is cancelled when a thread panics.
    pub(super) fn panicked(&self) -> CancellationToken {
        self.panicked.clone()
    }

    /// Waits for the threads to run the jobs in their queues, whose senders are dropped, and
    /// closes the file.
    pub(super) fn join(self, is_damaged: bool) {
        let (writer, reader) = (self.writer.join(), self.reader.join());
        // A thread that panicked may have left work. The next start compares the ledger with AWS.
        let (Ok(writer), Ok(reader)) = (writer, reader) else { return };
        // One after the other: SQLite completes the file when the last connection closes.
        drop(reader);
        drop(writer);
        if is_damaged {
            // The damage may be one of the memory, which the next start would not find.
            return;
        }
        if let Err(error) = self.lock_file.record_closed() {
            tracing::warn!(%error, "could not record that the ledger was closed; the next start compares it with AWS");
        }
    }
}

#[cfg(test)]
impl Threads {
    /// Waits for the threads, and does not record that the file was closed.
    pub(super) fn crash(self) {
        self.writer.join().unwrap();
        self.reader.join().unwrap();
    }
}

/// Starts the two threads, which serve the queues until the senders are dropped.
pub(super) fn spawn(store: Store, queues: Queues) -> io::Result<Threads> {
    let Store { mut writer, reader, lock_file } = store;
    let Queues { mut writes, mut reads } = queues;
    let panicked = CancellationToken::new();
    let (of_writer, of_reader) = (PanicGuard(panicked.clone()), PanicGuard(panicked.clone()));
    let write = move || {
        let _guard = of_writer;
        let mut group = Vec::with_capacity(MAX_GROUP);
        while writes.blocking_recv_many(&mut group, MAX_GROUP) > 0 {
            writer.run(group.drain(..), commit);
        }
        writer
    };
    let read = move || {
        let _guard = of_reader;
        while let Some(job) = reads.blocking_recv() {
            reader.read(job);
        }
        reader
    };
    let spawn = thread::Builder::new;
    let writer = spawn().name("ledger-writer".to_owned()).spawn(write)?;
    let reader = spawn().name("ledger-reader".to_owned()).spawn(read)?;
    Ok(Threads { writer, reader, lock_file, panicked })
}
