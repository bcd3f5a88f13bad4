//! Requests, parsed. Each RPC has a file with a type of its own: its `parse` takes
//! the message apart and answers with typed values, or with every violation at once.
//!
//! Called by the RPCs' front before anything is counted, queued or written. What is
//! never here: I/O, clocks, `tonic`, and rules that need a look at the ledger or at
//! AWS. The limits are those of AWS's API and stand in the `.proto` as `buf.validate`
//! rules too; `tests/validation_rules/` keeps the two from drifting apart.

mod arn;
mod attributes;
mod caller_tags;
mod create;
mod delete;
mod fingerprint;
mod get;
mod list;
mod operation_id;
mod protocol;
mod reserved_tags;
mod state;
mod text;
mod update;
mod violations;

pub use arn::{ConfigurationArn, StageArn};
pub use attributes::Attributes;
pub use caller_tags::CallerTags;
pub use create::CreateIngestConfiguration;
pub use delete::DeleteIngestConfiguration;
pub use fingerprint::{Fingerprint, InvalidFingerprint};
pub use get::{ConfigurationView, GetIngestConfiguration};
pub use list::ListIngestConfigurations;
pub use operation_id::{InvalidOperationId, OperationId};
pub use protocol::IngestProtocol;
pub use reserved_tags::{MANAGED_TAG_PREFIX, MANAGED_TAGS, is_managed_tag, is_reserved_tag};
pub use state::IngestConfigurationState;
pub use text::{ConfigurationName, RequestId, UserId};
pub use update::UpdateIngestConfiguration;
pub use violations::{Fault, Faults, Violation, Violations, reason};
