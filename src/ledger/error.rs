//! The failures of a ledger.

use super::IllegalTransition;
use crate::request::OperationId;

/// The ledger could not execute a call.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// The database failed or is overloaded. The change may or may not have been made.
    #[error("the ledger is unavailable: {0}")]
    Unavailable(String),
    /// The database is damaged. It is not used any more.
    #[error("the file of the ledger is damaged: {0}")]
    Damaged(String),
    /// Too many calls wait for the database. Nothing was changed.
    #[error("the queue of the ledger is full")]
    QueueFull,
    /// There is no such row.
    #[error("the ledger has no row {0}")]
    NoSuchRow(OperationId),
    /// The row cannot take the event.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// Another row has the same ARN or `request_id`.
    #[error("another row of the ledger has the same ARN or request_id")]
    Conflict,
}
