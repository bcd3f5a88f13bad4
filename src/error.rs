//! What a call can fail with, in the gateway's own terms. `rpc::status` turns each
//! into its row of the error table; nothing else names a gRPC code.
//!
//! A message here is for the caller. What is for the operator goes to the log
//! where it is handled, never through here.

use std::time::Duration;

use crate::{
    ivs::{AwsFailure, FailureKind},
    request::{IngestProtocol, OperationId, Violations},
    tenancy::{LimitExceeded, RateLimit, TenantError, TenantId},
};

/// Why a call failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Fields of the request break rules: all of them.
    #[error("the request has invalid fields")]
    InvalidFields(Violations),
    /// What was sent is no message of the method, or is larger than one may be. The
    /// words are tonic's and about the message alone.
    #[error("the request cannot be read: {0}")]
    InvalidMessage(String),
    /// The `request_id` was used with other content.
    #[error(
        "request_id was used before with other content; send a new request_id for a new request"
    )]
    RequestIdReused,
    /// No credential came with the call.
    #[error("the call carries no credential; {way_out}")]
    CredentialMissing {
        /// What to send.
        way_out: &'static str,
    },
    /// The credential cannot be accepted.
    #[error("the credential is not valid: {0}")]
    CredentialInvalid(String),
    /// The tenant is unknown, or not the caller's to act for. The same for both.
    #[error("the caller may not act for this tenant")]
    TenantForbidden,
    /// The stage is absent, or not the tenant's. The same for both.
    #[error("the stage does not exist or is not the tenant's")]
    StageForbidden,
    /// The tenant may not use this protocol.
    #[error("the tenant may not use {}", .0.as_str())]
    ProtocolForbidden(IngestProtocol),
    /// The ARN is absent, or not the tenant's. The same for both.
    #[error("the ingest configuration does not exist or is not the tenant's")]
    NotFound {
        /// The ARN that the caller knows.
        arn: String,
    },
    /// The tenant has as many configurations as it may.
    #[error(
        "the tenant has {used} of {limit} ingest configurations; delete one, or ask for a higher limit"
    )]
    TenantCountQuota {
        /// Whose quota.
        tenant: TenantId,
        /// How many count against the limit.
        used: u32,
        /// The most there may be.
        limit: u32,
    },
    /// The tenant calls too often, or too much at once.
    #[error("the tenant is over its {}; try again after {} ms", rate_limit_name(*limit), retry_after.as_millis())]
    TenantRateQuota {
        /// Whose rate.
        tenant: TenantId,
        /// Which limit.
        limit: RateLimit,
        /// When the call would be let through.
        retry_after: Duration,
    },
    /// AWS's budget has no turn for the call in time. Nothing was taken or sent.
    #[error("{}", no_turn_message(operation, *why, *retry_after))]
    AccountBudget {
        /// AWS's name of what was to be called.
        operation: &'static str,
        /// Which of the two ways there is none.
        why: NoTurn,
        /// How long a call that came now would wait for its turn.
        retry_after: Duration,
    },
    /// AWS answered with a failure, or could not be reached: not executed.
    #[error("{}", aws_message(.0))]
    Aws(AwsFailure),
    /// A create with the same `request_id` still runs.
    #[error("a create with the same request_id is still running; try again to join it")]
    InProgress {
        /// The create.
        operation_id: OperationId,
    },
    /// The create may or may not have happened.
    #[error("{}", unknown_outcome_message(*repeatable))]
    OutcomeUnknown {
        /// The create: a `request_id` that joins it, if the caller sent none.
        operation_id: OperationId,
        /// Whether the caller sent a `request_id`, so that it can ask again.
        repeatable: bool,
        /// AWS's id of the call, if it answered.
        aws_request_id: Option<String>,
    },
    /// The caller's deadline passed. A create that was sent goes on.
    #[error("the deadline passed; a create that was sent goes on, and its request_id joins it")]
    DeadlineExceeded {
        /// The create that goes on, if there is one. Without a `request_id` of its own
        /// this one joins it.
        operation_id: Option<OperationId>,
    },
    /// The ledger cannot be read or written: creates fail closed.
    #[error("the ledger is unavailable; nothing was created")]
    LedgerUnavailable,
    /// The gateway is shutting down.
    #[error("the gateway is shutting down; another instance will answer")]
    Draining,
    /// The gateway has more to do than it may hold.
    #[error("the gateway is overloaded")]
    Overloaded,
    /// A defect of the gateway.
    #[error("an internal error; the request id names it in the gateway's log")]
    Internal,
    /// There is no such method.
    #[error("the service has no such method; describe ivs.ingest.v1.IngestService lists them")]
    Unimplemented,
}

/// Why a call has no turn at AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoTurn {
    /// As many calls of the tenant wait as may (`max_queued`).
    QueueFull,
    /// The wait would outlast the deadline.
    TooLate,
}

impl From<LimitExceeded> for Error {
    fn from(LimitExceeded { tenant, limit, retry_after }: LimitExceeded) -> Self {
        Self::TenantRateQuota { tenant, limit, retry_after }
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
    /// The stable reason of the error table. Also the label in logs.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::InvalidFields(_) => "INVALID_FIELDS",
            Self::InvalidMessage(_) => "INVALID_MESSAGE",
            Self::RequestIdReused => "REQUEST_ID_REUSED",
            Self::CredentialMissing { .. } => "CREDENTIAL_MISSING",
            Self::CredentialInvalid(_) => "CREDENTIAL_INVALID",
            Self::TenantForbidden => "TENANT_FORBIDDEN",
            Self::StageForbidden => "STAGE_FORBIDDEN",
            Self::ProtocolForbidden(_) => "PROTOCOL_FORBIDDEN",
            Self::NotFound { .. } => "NOT_FOUND",
            Self::TenantCountQuota { .. } => "TENANT_COUNT_QUOTA",
            Self::TenantRateQuota { .. } => "TENANT_RATE_QUOTA",
            Self::AccountBudget { .. } => "ACCOUNT_BUDGET",
            Self::Aws(failure) => match failure.kind {
                FailureKind::Validation => "AWS_VALIDATION",
                FailureKind::AccessDenied => "AWS_ACCESS_DENIED",
                FailureKind::ServiceQuotaExceeded => "AWS_SERVICE_QUOTA",
                FailureKind::PendingVerification => "AWS_PENDING_VERIFICATION",
                FailureKind::NotFound => "NOT_FOUND",
                FailureKind::Conflict => "AWS_CONFLICT",
                FailureKind::Throttled { .. } => "AWS_THROTTLED",
                FailureKind::Unreachable | FailureKind::NoAnswer | FailureKind::ServerError => {
                    "AWS_UNREACHABLE"
                }
                FailureKind::Refused => "AWS_REFUSED",
            },
            Self::InProgress { .. } => "IN_PROGRESS",
            Self::OutcomeUnknown { .. } => "OUTCOME_UNKNOWN",
            Self::DeadlineExceeded { .. } => "DEADLINE_EXCEEDED",
            Self::LedgerUnavailable => "LEDGER_UNAVAILABLE",
            Self::Draining => "DRAINING",
            Self::Overloaded => "OVERLOADED",
            Self::Internal => "INTERNAL",
            Self::Unimplemented => "UNIMPLEMENTED",
        }
    }

    /// AWS's id of the call behind the error, if AWS answered one.
    #[must_use]
    pub fn aws_request_id(&self) -> Option<&str> {
        match self {
            Self::Aws(failure) => failure.aws_request_id.as_deref(),
            Self::OutcomeUnknown { aws_request_id, .. } => aws_request_id.as_deref(),
            _ => None,
        }
    }
}

/// What a caller is told of a failure at AWS. AWS's own words are passed on only
/// where they are about the caller's input: others may name roles and hosts.
fn aws_message(failure: &AwsFailure) -> String {
    match failure.kind {
        FailureKind::Validation => {
            let message: String = failure.message.chars().take(512).collect();
            format!("AWS refused the request: {message}")
        }
        FailureKind::AccessDenied => {
            "AWS refused the gateway's own credentials; its operator must look into it".to_owned()
        }
        FailureKind::ServiceQuotaExceeded => {
            "the AWS account has reached a service quota of its own".to_owned()
        }
        FailureKind::PendingVerification => {
            "the AWS account is pending verification by AWS".to_owned()
        }
        FailureKind::NotFound => {
            "the ingest configuration does not exist or is not the tenant's".to_owned()
        }
        FailureKind::Conflict => {
            "the ingest configuration is active: an encoder is publishing".to_owned()
        }
        FailureKind::Throttled { .. } => {
            "AWS throttled the account; nothing was created".to_owned()
        }
        FailureKind::Unreachable => "AWS could not be reached; nothing was sent".to_owned(),
        FailureKind::NoAnswer | FailureKind::ServerError => {
            "AWS did not answer as it should".to_owned()
        }
        FailureKind::Refused => "AWS refused the request".to_owned(),
    }
}

const fn rate_limit_name(limit: RateLimit) -> &'static str {
    match limit {
        RateLimit::Requests => "request rate",
        RateLimit::Creates => "create rate",
        RateLimit::Concurrency => "limit of calls at the same time",
    }
}

fn no_turn_message(operation: &str, why: NoTurn, wait: Duration) -> String {
    let ms = wait.as_millis();
    match why {
        NoTurn::QueueFull => format!(
            "as many {operation} calls of the tenant wait for their turn at AWS as may; one more \
             would wait {ms} ms; try again then"
        ),
        NoTurn::TooLate => format!(
            "the turn of {operation} at AWS would come in {ms} ms, too late for the deadline; \
             allow more time, or try again then"
        ),
    }
}

const fn unknown_outcome_message(repeatable: bool) -> &'static str {
    if repeatable {
        "AWS may or may not have created the configuration; send the same request_id again to learn which"
    } else {
        "AWS may or may not have created the configuration; send the same request again with the operation_id of the details as its request_id to learn which"
    }
}
