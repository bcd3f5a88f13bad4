//! The ledger: one row per create. It decides idempotency and quota in one atomic
//! step, and it is the only source of truth about both.
//!
//! `handlers` and `reconcile` call it. `state` and [`decide`] hold every decision and
//! are pure; an engine (`sqlite`) reads rows, calls them and writes what they return. SQL
//! is in the engines alone. Stream keys never reach the ledger.
//!
//! Quota use is the count of a tenant's rows in a state that may exist at AWS. The ledger
//! counts it each time, so it cannot drift from the rows.

#[cfg(test)]
mod behaviour;
mod comparison;
pub mod decide;
mod error;
mod event;
mod leases;
mod permission;
mod reconciliation;
mod reservation;
mod row;
mod sqlite;
mod state;
mod upstream;

use std::{collections::HashMap, future::Future, pin::Pin, time::SystemTime};

pub use comparison::Comparison;
pub use error::LedgerError;
pub use event::{Event, Resource, Step};
pub use leases::{Lease, Leases};
pub use permission::SendPermission;
pub use reconciliation::{
    Adopted, Adoption, Expired, InDoubtCreate, Observation, UnconfirmedRow, UnfinishedDelete,
};
pub use reservation::{Fields, Reservation, Reserved};
pub use row::{Filter, Row, Usage};
pub use sqlite::{Group, Job, OpenError, Queues, SqliteLedger, Store, commit};
pub use state::{IllegalTransition, State, Transition};
pub use upstream::Upstream;

use crate::{request::OperationId, tenancy::TenantId};

/// The future that a method of [`Ledger`] returns.
pub type LedgerFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, LedgerError>> + Send + 'a>>;

/// A durable record of every create. A change is durable before its method returns.
pub trait Ledger: Send + Sync + 'static {
    /// Reserves a place in the tenant's quota for one create, unless the same
    /// `request_id` was seen before or the quota is used up. One atomic step.
    fn reserve(&self, reservation: Reservation) -> LedgerFuture<'_, Reserved>;

    /// Records that a reserved create is about to be sent. None if it is being sent
    /// already: the ledger returns one permission for each sending.
    fn send(&self, operation_id: OperationId) -> LedgerFuture<'_, Option<SendPermission>>;

    /// Records that a create in doubt is about to be sent once more, because AWS has not
    /// listed it since it was sent at `sent_at`. None if the row was resolved or sent again
    /// since, or if its `request_id` is not `request_id` any more, because an adoption
    /// gave that to another row.
    fn resend(
        &self,
        operation_id: OperationId,
        request_id: String,
        sent_at: SystemTime,
    ) -> LedgerFuture<'_, Option<SendPermission>>;

    /// Applies `event` to the row.
    fn apply(&self, operation_id: OperationId, event: Event) -> LedgerFuture<'_, Transition>;

    /// Applies an event that is about the sending at `sent_at`. If the create has an outcome, or
    /// was sent again since, the event does not apply: nothing changes, and the result is none.
    fn apply_to_sending(
        &self,
        operation_id: OperationId,
        sent_at: SystemTime,
        event: Event,
    ) -> LedgerFuture<'_, Option<Transition>>;

    /// Counts the tenant's rows in each state that counts against its quota. States
    /// without rows are left out.
    fn usage(&self, tenant: TenantId) -> LedgerFuture<'_, Usage>;

    /// The tenant's row of that ARN, if it is live, being deleted, or deleted and not
    /// pruned yet.
    fn find(&self, tenant: TenantId, arn: String) -> LedgerFuture<'_, Option<Row>>;

    /// The tenant's live rows and those being deleted, the newest first: at most `limit` of
    /// those made before `before`.
    fn list(
        &self,
        tenant: TenantId,
        filter: Filter,
        before: Option<OperationId>,
        limit: u32,
    ) -> LedgerFuture<'_, Vec<Row>>;

    /// The deletes without an outcome: the rows in [`State::Deleting`].
    fn unfinished_deletes(&self) -> LedgerFuture<'_, Vec<UnfinishedDelete>>;

    /// Takes over creates whose lease has expired: reserved ones are rejected, and sent ones
    /// become in doubt.
    fn expire(&self) -> LedgerFuture<'_, Expired>;

    /// The rows in doubt, the oldest first, at most `limit` of those after `after`.
    fn in_doubt(
        &self,
        after: Option<OperationId>,
        limit: u32,
    ) -> LedgerFuture<'_, Vec<InDoubtCreate>>;

    /// The number of rows in doubt.
    fn count_in_doubt(&self) -> LedgerFuture<'_, u32>;

    /// The number of live rows.
    fn count_live(&self) -> LedgerFuture<'_, u32>;

    /// The ARN of a live row; `None` if there is none.
    fn live_arn(&self) -> LedgerFuture<'_, Option<String>>;

    /// The row of each of these ARNs. An ARN without a row is left out.
    fn owners(&self, arns: Vec<String>) -> LedgerFuture<'_, HashMap<String, OperationId>>;

    /// Records the observations of configurations that have rows, and returns the ARNs of
    /// those that have none, or whose row had ended before the observation.
    fn observe(&self, seen: Vec<Observation>) -> LedgerFuture<'_, Vec<String>>;

    /// Ends a scan of all configurations at AWS: counts one more missed scan for each live
    /// row that was not seen since `scan_began`. Returns the rows that two consecutive scans
    /// have missed.
    fn finish_scan(&self, scan_began: SystemTime) -> LedgerFuture<'_, Vec<UnconfirmedRow>>;

    /// Gives a live row to a configuration that carries the gateway's tags and has none, or
    /// returns the reason against it.
    fn adopt(&self, found: Adoption) -> LedgerFuture<'_, Adopted>;

    /// Deletes some of the rows that ended before `before`, and their `request_id`s with
    /// them. Returns their number: 0 if none is left.
    fn prune(&self, before: SystemTime) -> LedgerFuture<'_, usize>;

    /// The comparison with AWS that the ledger needs.
    fn comparison(&self) -> LedgerFuture<'_, Comparison>;

    /// Records the comparison that it needs.
    fn set_comparison(&self, comparison: Comparison) -> LedgerFuture<'_, ()>;

    /// Writes to the ledger, without a change.
    fn check_writable(&self) -> LedgerFuture<'_, ()>;

    /// Binds the ledger to an upstream. Returns the one that it is bound to if that is
    /// another, and changes nothing then.
    fn bind(&self, upstream: Upstream) -> LedgerFuture<'_, Option<Upstream>>;

    /// Binds the ledger to the account whose configurations AWS lists, unless it has one: that of
    /// its upstream, of an earlier call, or of the ARNs of its rows. Returns that one if it is
    /// another, and changes nothing then.
    fn bind_account(&self, account_id: String) -> LedgerFuture<'_, Option<String>>;
}
