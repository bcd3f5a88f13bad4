//! Reservations: the first step of every create.

use std::{collections::BTreeMap, time::SystemTime};

use crate::{
    request::{Fingerprint, IngestProtocol, OperationId},
    tenancy::TenantId,
};

/// The argument of [`Ledger::reserve`](super::Ledger::reserve).
#[derive(Debug, Clone)]
pub struct Reservation {
    /// The row's key. The gateway makes it, in time order.
    pub operation_id: OperationId,
    /// The tenant that asked for the create.
    pub tenant: TenantId,
    /// The caller's key for this create, or the operation id if it sent none.
    pub request_id: String,
    /// The digest of the request, which distinguishes a retry from another request.
    pub fingerprint: Fingerprint,
    /// The tenant's quota: the maximum number of its rows that count against it.
    pub limit: u32,
    /// The content of the request.
    pub fields: Fields,
}

/// The content of a create, as the row keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    /// `name`; may be empty.
    pub name: String,
    /// `stage_arn`; none if there is no stage. Text and not a
    /// [`StageArn`](crate::request::StageArn): a scan records the ARNs that AWS shows, and
    /// one that the gateway's own rules reject must not make the row unreadable.
    pub stage_arn: Option<String>,
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

/// The result of [`Ledger::reserve`](super::Ledger::reserve).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    /// The row is inserted, in [`State::Reserved`](super::State::Reserved).
    New,
    /// The same request was executed before.
    Replay {
        /// The row of the earlier request.
        operation_id: OperationId,
        /// The configuration that it created.
        arn: String,
    },
    /// The same request was executed before, and its configuration no longer exists.
    Deleted {
        /// The row of the earlier request.
        operation_id: OperationId,
        /// The configuration that it created.
        arn: String,
    },
    /// The same request is being executed.
    InProgress {
        /// The row of the earlier request.
        operation_id: OperationId,
    },
    /// The same request was sent to AWS, and its outcome is not known yet.
    InDoubt {
        /// The row of the earlier request.
        operation_id: OperationId,
        /// When it was last sent.
        sent_at: SystemTime,
        /// The number of rows that count against the quota, this one included.
        used: u32,
    },
    /// The `request_id` was used for another request.
    FingerprintMismatch,
    /// The tenant's quota is used up.
    OverQuota {
        /// The number of rows that count against the quota.
        used: u32,
    },
}
