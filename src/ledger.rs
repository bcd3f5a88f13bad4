//! The ledger: one row a create. It decides idempotency and quota in one atomic
//! step, and it is the only source of truth about both.
//!
//! Called by `operations`, `settle` and `sweep`. SQL lives below here and nowhere
//! else; stream keys must never come here.
//!
//! Quota use is the count of a tenant's rows in a state that may exist at AWS.
//! It is counted, never kept: there is nothing that could drift from the rows.

#[cfg(test)]
mod behaviour;
mod sqlite;
mod state;

use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    pin::Pin,
    time::{Duration, SystemTime},
};

pub use sqlite::{OpenError, SqliteLedger};
pub use state::{Effect, Event, IllegalTransition, Resource, State, Transition};

use crate::{
    request::{Fingerprint, IngestConfigurationState, IngestProtocol, OperationId},
    tenancy::TenantId,
};

/// What a ledger's methods answer with, in time.
pub type LedgerFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, LedgerError>> + Send + 'a>>;

/// A durable record of every create. A method's answer is durable before it is
/// given.
pub trait Ledger: Send + Sync + 'static {
    /// Takes a place in the tenant's quota for one create, unless the same
    /// `request_id` was seen before or the quota is used up. One transaction.
    fn reserve(&self, reservation: Reservation) -> LedgerFuture<'_, Reserved>;

    /// Applies `event` to the row and answers the state that it then is in, and what
    /// must be done about it. [`Effect::SendCreate`] is answered to one caller alone.
    fn apply(&self, operation_id: OperationId, event: Event) -> LedgerFuture<'_, Transition>;

    /// Applies an event that was concluded from what became of one sending of the create,
    /// that of `sent_at`. If it was sent again since, the event says nothing about the row
    /// as it is now: nothing changes, and none is answered.
    fn apply_to_sending(
        &self,
        operation_id: OperationId,
        sent_at: SystemTime,
        event: Event,
    ) -> LedgerFuture<'_, Option<Transition>>;

    /// How many of the tenant's rows are in each state that counts against its
    /// quota. States without rows are left out.
    fn usage(&self, tenant: TenantId) -> LedgerFuture<'_, Usage>;

    /// The tenant's row of that ARN, if it is live, being deleted, or deleted and not
    /// forgotten yet.
    fn find(&self, tenant: TenantId, arn: String) -> LedgerFuture<'_, Option<Row>>;

    /// The tenant's rows that exist at AWS, the newest first, at most `limit` of those
    /// made before `before`.
    fn list(
        &self,
        tenant: TenantId,
        filter: Filter,
        before: Option<OperationId>,
        limit: u32,
    ) -> LedgerFuture<'_, Vec<Row>>;

    /// The rows whose delete nobody carries on: its lease is over.
    fn abandoned_deletes(&self) -> LedgerFuture<'_, Vec<Missed>>;

    /// Takes over rows whose lease is over: nobody carries them on. What was reserved
    /// is cancelled, what may have been sent is in doubt from now on.
    fn expire(&self) -> LedgerFuture<'_, Expired>;

    /// The rows in doubt, the oldest first, at most `limit` of those after `after`.
    fn in_doubt(&self, after: Option<OperationId>, limit: u32) -> LedgerFuture<'_, Vec<Doubt>>;

    /// Which of these ARNs belong to a row, and to which.
    fn owners(&self, arns: Vec<String>) -> LedgerFuture<'_, HashMap<String, OperationId>>;

    /// Records what a list at AWS showed of configurations that belong to rows, and
    /// answers the ARNs that belong to none.
    fn observe(&self, seen: Vec<Observation>) -> LedgerFuture<'_, Vec<String>>;

    /// Ends a walk over all that AWS has: live rows that were not seen since
    /// `walk_began` are missed once more. Answers those that two walks in a row have
    /// missed.
    fn missed(&self, walk_began: SystemTime) -> LedgerFuture<'_, Vec<Missed>>;

    /// Makes a live row of a configuration that carries the gateway's tags and has no
    /// row, or tells why not.
    fn adopt(&self, found: Adoption) -> LedgerFuture<'_, Adopted>;

    /// Forgets rows that ended before `before`, and their `request_id`s with them.
    /// Answers how many.
    fn prune(&self, before: SystemTime) -> LedgerFuture<'_, usize>;

    /// Whether a walk has ever shown the ledger all that AWS has. Until then it may be
    /// one in place of a lost one, and what it does not know would be made twice.
    fn is_complete(&self) -> LedgerFuture<'_, bool>;

    /// A walk has shown the ledger all that AWS has.
    fn complete(&self) -> LedgerFuture<'_, ()>;
}

/// How long a row may stay in a state that somebody must be carrying on.
#[derive(Debug, Clone, Copy)]
pub struct Leases {
    /// From the reservation to the sending. Longer than any caller waits.
    pub reserved: Duration,
    /// From the sending to its outcome. Longer than an attempt may take.
    pub sending: Duration,
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
        /// When it was last sent.
        sent_at: SystemTime,
    },
    /// The `request_id` was used for another request.
    FingerprintMismatch,
    /// The tenant has no place left.
    OverQuota {
        /// How many rows count against the quota.
        used: u32,
    },
}

/// A row of a configuration that AWS has, or had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The create that made it.
    pub operation_id: OperationId,
    /// [`State::Live`], [`State::Deleting`] or [`State::Deleted`].
    pub row_state: State,
    /// Its ARN.
    pub arn: String,
    /// The participant that stands for its encoder.
    pub participant_id: String,
    /// What it was made with, and its stage and redundancy as last seen.
    pub fields: Fields,
    /// Whether an encoder was publishing when it was last seen.
    pub state: IngestConfigurationState,
    /// When that was.
    pub observed_at: SystemTime,
}

impl Row {
    /// Whether AWS showed something that the row does not know.
    #[must_use]
    pub fn differs_from(&self, seen: &Observation) -> bool {
        self.state != seen.state
            || self.fields.stage_arn != seen.stage_arn
            || self.fields.redundant_ingest != seen.redundant_ingest
    }
}

/// Which rows to list. Both at once is what AWS cannot do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those of this stage.
    pub stage_arn: Option<String>,
    /// Only those last seen in this state.
    pub state: Option<IngestConfigurationState>,
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

/// What [`Ledger::expire`] took over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expired {
    /// Creates that were reserved and never sent: rejected, their quota returned.
    pub rejected: usize,
    /// Creates that may have been sent: in doubt from now on, still counted.
    pub in_doubt: usize,
}

/// A row in doubt: what is needed to find it at AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// The row, and the tag that decides.
    pub operation_id: OperationId,
    /// Whose it is.
    pub tenant: TenantId,
    /// When it was last sent.
    pub sent_at: SystemTime,
    /// `name`, as a list shows it.
    pub name: String,
    /// `stage_arn`, as a list shows it.
    pub stage_arn: String,
    /// `user_id`, as a list shows it.
    pub user_id: String,
    /// `ingest_protocol`, as a list shows it.
    pub ingest_protocol: IngestProtocol,
}

/// What a list at AWS showed of one configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// Which.
    pub arn: String,
    /// Whether an encoder is publishing.
    pub state: IngestConfigurationState,
    /// Its stage, which an update may have changed.
    pub stage_arn: String,
    /// Whether it is redundant, which an update may have changed.
    pub redundant_ingest: bool,
    /// When the list was asked for.
    pub at: SystemTime,
}

/// A live row that AWS did not show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// The row.
    pub operation_id: OperationId,
    /// What should be there.
    pub arn: String,
}

/// A configuration at AWS that the gateway's tags say is ours.
#[derive(Debug, Clone)]
pub struct Adoption {
    /// The create that made it.
    pub operation_id: OperationId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The caller's key, or the operation id if it sent none.
    pub request_id: String,
    /// What the request asked for.
    pub fingerprint: Fingerprint,
    /// What it is.
    pub resource: Resource,
    /// What it was made with.
    pub fields: Fields,
}

/// What [`Ledger::adopt`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Adopted {
    /// It has a live row now, a new one or the one that waited for it.
    Live,
    /// Its own call is under way, and will record it.
    UnderWay,
    /// It has no row, and its `request_id` belongs to another create: the ledger was
    /// lost since, and its caller may hold its key.
    Displaced,
    /// Its create has another configuration already, or its `request_id` belongs to
    /// another create: it is one too many.
    Orphan {
        /// The configuration that the create has.
        kept: Option<String>,
    },
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
    /// Another row has the same ARN or `request_id`.
    #[error("another row of the ledger has the same ARN or request_id")]
    Conflict,
}

/// Milliseconds since the Unix epoch, as rows hold times.
fn unix_ms(time: SystemTime) -> i64 {
    let elapsed = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

/// The time of that many milliseconds since the Unix epoch.
fn from_unix_ms(ms: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(ms).unwrap_or_default())
}
