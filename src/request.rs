//! Parsing of requests. Each RPC has a file with a type of its own. The type's `parse`
//! converts the message to typed values, or returns all violations together.
//!
//! `rpc` parses a request before the request is counted, queued or written. This module
//! has no I/O, no clock and no `tonic`, and no rule that depends on the ledger or on AWS.
//! The limits are those of AWS's API. The `.proto` repeats them as `buf.validate` rules;
//! `tests/validation_rules/` verifies that both agree.

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

pub use arn::{ConfigurationArn, StageArn, account_id};
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
