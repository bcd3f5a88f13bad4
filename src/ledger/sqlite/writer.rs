//! The thread that owns the connection and commits in groups.

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::super::LedgerError;

/// The most jobs in one transaction: bounds how long the first one waits for the
/// last.
const MAX_GROUP: usize = 256;

/// Work within a transaction, and then the answer to who asked for it. A statement
/// that fails undoes itself alone and the rest of the group still commits: so a job
/// makes one change, or several that are each right without the others.
pub(super) type Job = Box<dyn FnOnce(Result<&Connection, &rusqlite::Error>) -> Done + Send>;

/// Answers once the transaction is over: with the error, if it did not commit.
pub(super) type Done = Box<dyn FnOnce(Result<(), &LedgerError>) + Send>;

/// A job that runs `work` and the receiver of what comes of it. The answer is given
/// only once it is durable.
pub(super) fn job<T: Send + 'static>(
    work: impl FnOnce(&Connection) -> Result<T, LedgerError> + Send + 'static,
) -> (Job, oneshot::Receiver<Result<T, LedgerError>>) {
    let (answer, answered) = oneshot::channel();
    let job: Job = Box::new(move |connection| {
        let result = match connection {
            Ok(connection) => work(connection),
            Err(error) => Err(LedgerError::Unavailable(error.to_string())),
        };
        Box::new(move |committed| {
            // Whoever asked may be gone. What was asked for is done all the same.
            let _ = answer.send(committed.map_err(Clone::clone).and(result));
        })
    });
    (job, answered)
}

/// Carries out jobs until all senders are gone.
pub(super) fn run(mut connection: Connection, mut waiting: mpsc::Receiver<Job>) {
    let mut group = Vec::with_capacity(MAX_GROUP);
    let mut done = Vec::with_capacity(MAX_GROUP);
    while waiting.blocking_recv_many(&mut group, MAX_GROUP) > 0 {
        let committed = commit(&mut connection, group.drain(..), &mut done);
        if let Err(error) = &committed {
            tracing::error!(%error, "the ledger could not commit");
        }
        for done in done.drain(..) {
            done(committed.as_ref().copied());
        }
    }
}

/// Carries out jobs that only read, each on its own, until all senders are gone.
pub(super) fn read(connection: &Connection, mut waiting: mpsc::Receiver<Job>) {
    while let Some(job) = waiting.blocking_recv() {
        job(Ok(connection))(Ok(()));
    }
}

/// Carries out the group in one transaction. A failed commit leaves nothing of it
/// behind. A group that changed nothing flushes nothing.
fn commit(
    connection: &mut Connection,
    group: impl Iterator<Item = Job>,
    done: &mut Vec<Done>,
) -> Result<(), LedgerError> {
    let transaction = connection.transaction();
    match &transaction {
        Ok(transaction) => done.extend(group.map(|job| job(Ok(transaction)))),
        Err(error) => done.extend(group.map(|job| job(Err(error)))),
    }
    transaction.and_then(rusqlite::Transaction::commit).map_err(LedgerError::from)
}
