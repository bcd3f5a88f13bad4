//! The types with which `reconcile` keeps the ledger consistent with AWS.

use std::time::SystemTime;

use super::{Fields, Resource};
use crate::{
    request::{Fingerprint, IngestConfigurationState, IngestProtocol, OperationId},
    tenancy::TenantId,
};

/// The result of [`Ledger::expire`](super::Ledger::expire).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expired {
    /// Creates that were reserved: now rejected, their quota released.
    pub rejected: usize,
    /// Creates that may have been sent: now in doubt, still counted against the quota.
    pub in_doubt: usize,
}

/// A create in doubt, with the fields by which a list at AWS is searched for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InDoubtCreate {
    /// The row's key, and the value of the tag that identifies the create at AWS.
    pub operation_id: OperationId,
    /// The tenant whose create it is.
    pub tenant: TenantId,
    /// When it was last sent.
    pub sent_at: SystemTime,
    /// `name`, as a list shows it; may be empty.
    pub name: String,
    /// `stage_arn`, as a list shows it; none if there is no stage.
    pub stage_arn: Option<String>,
    /// `user_id`, as a list shows it; may be empty.
    pub user_id: String,
    /// `ingest_protocol`, as a list shows it.
    pub ingest_protocol: IngestProtocol,
}

/// The state of one configuration that AWS showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The configuration.
    pub arn: String,
    /// Whether an encoder is publishing.
    pub state: IngestConfigurationState,
    /// Its stage, which an update may have changed; none if it has none.
    pub stage_arn: Option<String>,
    /// Whether it is redundant, which an update may have changed.
    pub redundant_ingest: bool,
    /// When AWS was asked.
    pub at: SystemTime,
}

/// A row whose configuration may be gone: a read of its ARN decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnconfirmedRow {
    /// The row.
    pub operation_id: OperationId,
    /// The configuration to read.
    pub arn: String,
    /// When its create was last sent, or began if a scan has adopted it.
    pub sent_at: SystemTime,
}

/// A delete without an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfinishedDelete {
    /// Its row.
    pub row: UnconfirmedRow,
    /// Whether its lease has expired: it no longer runs.
    pub is_abandoned: bool,
}

/// A configuration at AWS whose tags say that the gateway created it.
#[derive(Debug, Clone)]
pub struct Adoption {
    /// The create that made it.
    pub operation_id: OperationId,
    /// The tenant whose create it was.
    pub tenant: TenantId,
    /// The caller's key, or the operation id if it sent none.
    pub request_id: String,
    /// The digest of the request.
    pub fingerprint: Fingerprint,
    /// Its ARN and participant.
    pub resource: Resource,
    /// The content of its create.
    pub fields: Fields,
    /// A fresh id, for the row whose ids are taken: the operation id of a second configuration of
    /// a create, the `request_id` of a configuration whose own is in use, or the new `request_id`
    /// of the create in doubt that held it.
    pub new_id: OperationId,
    /// Whether the ledger knows everything that AWS has, so that a duplicate may be deleted.
    pub ledger_is_complete: bool,
}

/// The result of [`Ledger::adopt`](super::Ledger::adopt).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Adopted {
    /// It has a new live row.
    Inserted {
        /// Whether the row has a new `request_id`, because another configuration has that of its
        /// tags.
        has_new_request_id: bool,
    },
    /// Its row, or that of its create, is live now.
    Live {
        /// Whether the row had ended: the ledger did not know that the configuration exists.
        had_ended: bool,
    },
    /// The running create or delete will record the configuration.
    UnderWay,
    /// It has no row. Its create has another configuration, whose stream key the caller has
    /// received: it may be deleted.
    Duplicate {
        /// The configuration that the create has.
        kept: String,
    },
}
