//! The errors of a call. `rpc::status` maps each to its row of the error table, and is the
//! only module that names gRPC codes.
//!
//! The messages are for the caller. Details for the operator are logged where the error is
//! handled, and are not part of these errors.

mod messages;
mod reason;

use std::time::Duration;

use self::messages::{aws_message, deadline_message, unknown_outcome_message};
use crate::{
    ivs::AwsFailure,
    request::{IngestProtocol, OperationId, Violations},
    tenancy::{LimitExceeded, RateLimit, TenantError, TenantId},
};

/// An error of a call.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Fields of the request violate rules. Lists all violations.
    #[error("the request has invalid fields")]
    InvalidFields(Violations),
    /// The request is not a message of the method. The description is tonic's.
    #[error("the request is malformed: {0}")]
    InvalidMessage(String),
    /// The message of the request is too large.
    #[error("the request has {bytes} bytes; send at most {limit}")]
    MessageTooLarge {
        /// The size of the message in bytes.
        bytes: u64,
        /// The largest size in bytes.
        limit: u64,
    },
    /// The message of the request is compressed.
    #[error("compressed messages are not supported; send the request uncompressed")]
    MessageCompressed,
    /// The `request_id` was used with other content.
    #[error(
        "request_id was used before with other content; send a new request_id for a new request"
    )]
    RequestIdReused,
    /// The call has no credential.
    #[error("the call has no credential; {remedy}")]
    CredentialMissing {
        /// The credential to send.
        remedy: &'static str,
    },
    /// The credential is invalid.
    #[error("the credential is not valid: {0}")]
    CredentialInvalid(String),
    /// The tenant is unknown, or the caller may not act for it. The same error for both.
    #[error(
        "the gateway has no tenant of this id, or the caller may not act for it; ids are case-sensitive"
    )]
    TenantForbidden,
    /// The stage does not exist, or is not the tenant's. The same error for both.
    #[error("the stage does not exist or is not the tenant's")]
    StageForbidden,
    /// The tenant may not use this protocol.
    #[error("the tenant may not use {}", .0.as_str())]
    ProtocolForbidden(IngestProtocol),
    /// The configuration does not exist, or is not the tenant's. The same error for both.
    #[error("the ingest configuration does not exist or is not the tenant's")]
    NotFound {
        /// The ARN of the request.
        arn: String,
    },
    /// The configuration that an earlier create with the same `request_id` created no longer
    /// exists.
    #[error(
        "the ingest configuration that this request_id created no longer exists; send a new request_id to create another"
    )]
    CreatedConfigurationGone {
        /// Its ARN.
        arn: String,
    },
    /// The tenant has reached its limit of configurations.
    #[error(
        "the tenant has {used} of {limit} ingest configurations; delete one, or ask for a higher limit"
    )]
    TenantCountQuota {
        /// The tenant.
        tenant: TenantId,
        /// The number of configurations that count against the limit.
        used: u32,
        /// The limit.
        limit: u32,
    },
    /// The tenant exceeds its rate of calls.
    #[error("the tenant exceeds its request rate; retry after {} ms", retry_after.as_millis())]
    TenantRequestRate {
        /// The tenant.
        tenant: TenantId,
        /// Time until the rate admits the call.
        retry_after: Duration,
    },
    /// The tenant exceeds its rate of creates.
    #[error("the tenant exceeds its create rate; retry after {} ms", retry_after.as_millis())]
    TenantCreateRate {
        /// The tenant.
        tenant: TenantId,
        /// Time until the rate admits the create.
        retry_after: Duration,
    },
    /// The tenant has reached its limit of concurrent calls.
    #[error(
        "the tenant has reached its limit of concurrent calls; retry after {} ms",
        retry_after.as_millis()
    )]
    TenantConcurrency {
        /// The tenant.
        tenant: TenantId,
        /// The approximate duration of a call.
        retry_after: Duration,
    },
    /// The tenant's queue for an AWS operation is full. Nothing was consumed or sent.
    #[error(
        "the tenant's queue for {operation} is full; retry after {} ms",
        retry_after.as_millis()
    )]
    TenantQueueFull {
        /// AWS's name of the operation.
        operation: &'static str,
        /// The predicted wait of one more call, at least 250 ms.
        retry_after: Duration,
    },
    /// The predicted wait exceeds the deadline. Nothing was consumed or sent.
    #[error(
        "the gateway would send {operation} in {} ms, too late for a response before the deadline; \
         set a longer deadline, or retry then",
        predicted_wait.as_millis()
    )]
    DeadlineTooShort {
        /// AWS's name of the operation.
        operation: &'static str,
        /// The wait of a call that arrives now.
        predicted_wait: Duration,
    },
    /// A call to AWS failed, and was not executed or is safe to repeat.
    #[error("{}", aws_message(.0))]
    Aws(AwsFailure),
    /// A create with the same `request_id` is running.
    #[error("a create with the same request_id is running; retry to join it")]
    InProgress {
        /// The create.
        operation_id: OperationId,
    },
    /// AWS may or may not have executed the create.
    #[error("{}", unknown_outcome_message(*repeatable))]
    OutcomeUnknown {
        /// The id of the create. A caller that sent no `request_id` joins the create by sending
        /// this id as one.
        operation_id: OperationId,
        /// Whether the caller sent a `request_id`, so that it can retry.
        repeatable: bool,
        /// AWS's id of the call, if AWS responded.
        aws_request_id: Option<String>,
    },
    /// AWS may or may not have executed the delete.
    #[error("AWS may or may not have deleted the configuration; retry to learn which")]
    DeleteOutcomeUnknown {
        /// The id of the create of the configuration.
        operation_id: OperationId,
        /// AWS's id of the call, if AWS responded.
        aws_request_id: Option<String>,
    },
    /// AWS may or may not have executed the update.
    #[error("AWS may or may not have changed the configuration; retry the update")]
    UpdateOutcomeUnknown {
        /// The id of the create of the configuration.
        operation_id: OperationId,
        /// AWS's id of the call, if AWS responded.
        aws_request_id: Option<String>,
    },
    /// AWS does not show a new configuration to every operation yet.
    #[error("AWS does not show the new configuration yet; retry")]
    NotVisibleYet,
    /// The caller's deadline passed. A create that was sent continues.
    #[error("{}", deadline_message(*unfinished))]
    DeadlineExceeded {
        /// The create that continues, if any.
        unfinished: Option<UnfinishedCreate>,
    },
    /// The ledger cannot be read or written. Creates fail closed.
    #[error("the ledger is unavailable; retry later")]
    LedgerUnavailable,
    /// The ledger may lack configurations that AWS has. Creates fail closed until it is compared
    /// with AWS.
    #[error("the ledger is being compared with AWS; retry after {} ms", retry_after.as_millis())]
    LedgerIncomplete {
        /// The least time until the comparison ends.
        retry_after: Duration,
    },
    /// The gateway is shutting down.
    #[error("the gateway is shutting down; retry on a new connection")]
    Draining,
    /// The gateway has reached its limit of concurrent calls or of active tenants.
    #[error("the gateway is overloaded; retry later")]
    Overloaded,
    /// A defect of the gateway.
    #[error("internal error; report it with the x-request-id of the call")]
    Internal,
    /// The service or the method does not exist.
    #[error("there is no such service or method; the API is ivs.ingest.v1.IngestService")]
    Unimplemented,
}

/// A create that continues after its caller's deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnfinishedCreate {
    /// The id of the create. A caller that sent no `request_id` joins the create by sending this
    /// id as one.
    pub operation_id: OperationId,
    /// Whether the caller sent a `request_id`, so that it can retry.
    pub has_request_id: bool,
}

/// Rounds a delay up to whole milliseconds, at least one: a client that retries earlier is
/// rejected again.
#[must_use]
pub fn whole_milliseconds(delay: Duration) -> Duration {
    let milliseconds = delay.as_nanos().div_ceil(1_000_000).max(1);
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX))
}

impl From<LimitExceeded> for Error {
    fn from(LimitExceeded { tenant, limit, retry_after }: LimitExceeded) -> Self {
        let retry_after = whole_milliseconds(retry_after);
        match limit {
            RateLimit::Requests => Self::TenantRequestRate { tenant, retry_after },
            RateLimit::Creates => Self::TenantCreateRate { tenant, retry_after },
            RateLimit::Concurrency => Self::TenantConcurrency { tenant, retry_after },
        }
    }
}

impl From<TenantError> for Error {
    fn from(error: TenantError) -> Self {
        match error {
            TenantError::Unknown => Self::TenantForbidden,
            TenantError::RegistryFull => Self::Overloaded,
        }
    }
}

impl Error {
    /// The name of the reason, for the `ErrorInfo` and for logs.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.error_reason().as_str_name()
    }

    /// AWS's id of the failed call, if AWS responded.
    #[must_use]
    pub fn aws_request_id(&self) -> Option<&str> {
        match self {
            Self::Aws(failure) => failure.aws_request_id.as_deref(),
            Self::OutcomeUnknown { aws_request_id, .. }
            | Self::DeleteOutcomeUnknown { aws_request_id, .. }
            | Self::UpdateOutcomeUnknown { aws_request_id, .. } => aws_request_id.as_deref(),
            _ => None,
        }
    }
}
