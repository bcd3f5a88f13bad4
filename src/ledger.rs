//! The ledger: one row a create. It decides idempotency and quota in one atomic
//! step, and it is the only source of truth about both.
//!
//! Called by `operations`. SQL lives below here and nowhere else; stream keys
//! must never come here.
//!
//! Quota use is the count of a tenant's rows in a state that may exist at AWS.
//! It is counted, never kept: there is nothing that could drift from the rows.

#[cfg(test)]
mod behaviour;
mod sqlite;
mod state;

use std::{collections::BTreeMap, future::Future, pin::Pin, time::SystemTime};

pub use sqlite::{OpenError, SqliteLedger};
pub use state::{Event, IllegalTransition, Resource, State};

use crate::{
    ingest::{Fingerprint, IngestProtocol, OperationId},
    tenant::TenantId,
};

/// What a ledger's methods answer with, in time.
pub type LedgerFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, LedgerError>> + Send + 'a>>;

/// A durable record of every create. A method's answer is durable before it is
/// given.
pub trait Ledger: Send + Sync + 'static {
    /// Takes a place in the tenant's quota for one create, unless the same
    /// `request_id` was seen before or the quota is used up. One transaction.
    fn reserve(&self, reservation: Reservation) -> LedgerFuture<'_, Reserved>;

    /// Applies `event` to the row and answers the state that it then is in.
    fn apply(&self, operation_id: OperationId, event: Event) -> LedgerFuture<'_, State>;

    /// How many of the tenant's rows are in each state that counts against its
    /// quota. States without rows are left out.
    fn usage(&self, tenant: TenantId) -> LedgerFuture<'_, Usage>;
}

/// What [`Ledger::reserve`] is asked for.
#[derive(Debug, Clone)]
pub struct Reservation {
    /// The row's key. Made by the gateway, in time order.
    pub operation_id: OperationId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The caller's key for this create, or the operation id if it sent none.
    pub request_id: String,
    /// What the request asks for, to tell a retry from another request.
    pub fingerprint: Fingerprint,
    /// The most rows of the tenant that may count against its quota.
    pub limit: u32,
    /// What was asked for.
    pub fields: Fields,
}

/// What a create asked for, as the row keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    /// `name`; may be empty.
    pub name: String,
    /// `stage_arn`; empty if there is no stage.
    pub stage_arn: String,
    /// `user_id`; may be empty.
    pub user_id: String,
    /// `attributes`.
    pub attributes: BTreeMap<String, String>,
    /// `ingest_protocol`.
    pub ingest_protocol: IngestProtocol,
    /// `redundant_ingest`.
    pub redundant_ingest: bool,
    /// The caller's own tags.
    pub tags: BTreeMap<String, String>,
}

/// What [`Ledger::reserve`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    /// The place is taken: the row is there, in [`State::Reserved`].
    New,
    /// The same request was carried out before.
    Replay {
        /// The row of the first time.
        operation_id: OperationId,
        /// What it created.
        arn: String,
    },
    /// The same request is being carried out.
    InProgress {
        /// The row of the first time.
        operation_id: OperationId,
    },
    /// The same request was sent to AWS, and its outcome is not known yet.
    InDoubt {
        /// The row of the first time.
        operation_id: OperationId,
    },
    /// The `request_id` was used for another request.
    FingerprintMismatch,
    /// The tenant has no place left.
    OverQuota {
        /// How many rows count against the quota.
        used: u32,
    },
}

/// How many rows of a tenant are in which state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage(pub BTreeMap<State, u32>);

impl Usage {
    /// How many rows count against the quota.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.0.values().sum()
    }
}

/// The ledger could not answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// The database failed or is overloaded. Nothing is known to have changed.
    #[error("the ledger is unavailable: {0}")]
    Unavailable(String),
    /// There is no such row.
    #[error("the ledger has no row {0}")]
    NoSuchRow(OperationId),
    /// The row cannot take the event.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
}

/// Milliseconds since the Unix epoch, as rows hold times.
fn unix_ms(time: SystemTime) -> i64 {
    let elapsed = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}
