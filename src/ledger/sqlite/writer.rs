//! The thread that owns the connection and commits in groups.

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{
    super::{Event, LedgerError, Reservation, Reserved, State, Usage},
    statements,
};
use crate::{ingest::OperationId, tenant::TenantId};

/// The most commands in one transaction: bounds how long the first one waits for
/// the last.
const MAX_GROUP: usize = 256;

type Answer<T> = oneshot::Sender<Result<T, LedgerError>>;

/// What the writer can be told.
pub(super) enum Command {
    Reserve(Box<Reservation>, Answer<Reserved>),
    Apply(OperationId, Event, Answer<State>),
    Usage(TenantId, Answer<Usage>),
}

/// A command that was carried out and waits for the commit to be answered.
enum Done {
    Reserve(Result<Reserved, LedgerError>, Answer<Reserved>),
    Apply(Result<State, LedgerError>, Answer<State>),
    Usage(Result<Usage, LedgerError>, Answer<Usage>),
}

pub(super) struct Writer {
    connection: Connection,
}

impl Writer {
    pub(super) const fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// Carries out commands until all senders are gone.
    pub(super) fn run(mut self, mut waiting: mpsc::Receiver<Command>) {
        let mut group = Vec::with_capacity(MAX_GROUP);
        let mut done = Vec::with_capacity(MAX_GROUP);
        while waiting.blocking_recv_many(&mut group, MAX_GROUP) > 0 {
            let committed = self.commit(group.drain(..), &mut done);
            if let Err(error) = &committed {
                tracing::error!(%error, "the ledger could not commit");
            }
            for done in done.drain(..) {
                done.answer(committed.as_ref().err());
            }
        }
    }

    /// Carries out the group in one transaction. A failed commit leaves nothing of
    /// it behind. A group that changed nothing flushes nothing.
    fn commit(
        &mut self,
        group: impl Iterator<Item = Command>,
        done: &mut Vec<Done>,
    ) -> Result<(), LedgerError> {
        let transaction = self.connection.transaction();
        match &transaction {
            Ok(transaction) => done.extend(group.map(|command| command.run(transaction))),
            Err(error) => done.extend(group.map(|command| command.refuse(error))),
        }
        transaction.and_then(rusqlite::Transaction::commit).map_err(|error| unavailable(&error))
    }
}

impl Command {
    fn run(self, connection: &Connection) -> Done {
        match self {
            Self::Reserve(reservation, answer) => {
                Done::Reserve(statements::reserve(connection, &reservation), answer)
            }
            Self::Apply(operation_id, event, answer) => {
                Done::Apply(statements::apply(connection, operation_id, &event), answer)
            }
            Self::Usage(tenant, answer) => {
                Done::Usage(statements::usage(connection, &tenant), answer)
            }
        }
    }

    fn refuse(self, error: &rusqlite::Error) -> Done {
        let error = unavailable(error);
        match self {
            Self::Reserve(_, answer) => Done::Reserve(Err(error), answer),
            Self::Apply(_, _, answer) => Done::Apply(Err(error), answer),
            Self::Usage(_, answer) => Done::Usage(Err(error), answer),
        }
    }
}

impl Done {
    /// Answers the caller, who may be gone.
    fn answer(self, failed: Option<&LedgerError>) {
        fn send<T>(
            answer: Answer<T>,
            result: Result<T, LedgerError>,
            failed: Option<&LedgerError>,
        ) {
            let _ = answer.send(failed.map_or(result, |error| Err(error.clone())));
        }
        match self {
            Self::Reserve(result, answer) => send(answer, result, failed),
            Self::Apply(result, answer) => send(answer, result, failed),
            Self::Usage(result, answer) => send(answer, result, failed),
        }
    }
}

/// SQLite's messages name tables and paths, never values.
pub(super) fn unavailable(error: &rusqlite::Error) -> LedgerError {
    LedgerError::Unavailable(error.to_string())
}
