//! The error table: every error of the gateway as a gRPC status with details.
//! Nothing else names a `tonic::Code`.

use std::{collections::HashMap, time::Duration};

use http::HeaderMap;
use tonic::{Code, Status, metadata::MetadataMap};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::{error::Error, ivs::FailureKind};

/// The domain of every `google.rpc.ErrorInfo`.
pub const DOMAIN: &str = "ivs-ingest-gateway";

/// When to come back after a failure that is over in about the time of one call.
const SOON: Duration = Duration::from_millis(250);

/// When to come back after a failure of AWS, of the ledger or of the network.
const LATER: Duration = Duration::from_secs(1);

/// The metadata by which gRPC clients that retry by themselves learn when to (gRFC A6):
/// milliseconds.
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// The error as a gRPC status, with its details.
#[must_use]
pub fn of(error: &Error) -> Status {
    let mut metadata = MetadataMap::new();
    let details = details(error);
    if let Some(delay) = retry_after(error) {
        let ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        metadata.insert(PUSHBACK, ms.into());
    }
    Status::with_error_details_and_metadata(code(error), error.to_string(), details, metadata)
}

/// What tonic refused by itself, before the service saw the message; none if the
/// answer is the service's. tonic's own refusals carry no details.
#[must_use]
pub fn refused_unseen(answer: &HeaderMap) -> Option<Error> {
    if !answer.contains_key("grpc-status") || answer.contains_key("grpc-status-details-bin") {
        return None;
    }
    let status = Status::from_header_map(answer)?;
    match (status.code(), status.message()) {
        // Nothing to say: there is no such method.
        (Code::Unimplemented, "") => Some(Error::Unimplemented),
        // A compression that is not spoken. gRPC prescribes this answer as it is.
        (Code::Ok | Code::Unimplemented, _) => None,
        (_, message) => Some(Error::InvalidMessage(message.to_owned())),
    }
}

/// The code's name in logs, by its number on the wire.
#[must_use]
pub fn code_name(number: &[u8]) -> &'static str {
    match Code::from_bytes(number) {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

fn code(error: &Error) -> Code {
    match error {
        Error::InvalidFields(_) | Error::InvalidMessage(_) | Error::RequestIdReused => {
            Code::InvalidArgument
        }
        Error::CredentialMissing { .. } | Error::CredentialInvalid(_) => Code::Unauthenticated,
        Error::TenantForbidden | Error::StageForbidden | Error::ProtocolForbidden(_) => {
            Code::PermissionDenied
        }
        Error::NotFound { .. } => Code::NotFound,
        Error::TenantCountQuota { .. }
        | Error::TenantRateQuota { .. }
        | Error::AccountBudget { .. } => Code::ResourceExhausted,
        Error::Aws(failure) => match failure.kind {
            FailureKind::Validation => Code::InvalidArgument,
            FailureKind::AccessDenied | FailureKind::Refused => Code::Internal,
            FailureKind::ServiceQuotaExceeded | FailureKind::Throttled { .. } => {
                Code::ResourceExhausted
            }
            FailureKind::PendingVerification | FailureKind::Conflict => Code::FailedPrecondition,
            FailureKind::NotFound => Code::NotFound,
            FailureKind::Unreachable | FailureKind::NoAnswer | FailureKind::ServerError => {
                Code::Unavailable
            }
        },
        Error::InProgress { .. } => Code::Aborted,
        Error::OutcomeUnknown { repeatable: false, .. } => Code::Unknown,
        Error::DeadlineExceeded { .. } => Code::DeadlineExceeded,
        Error::OutcomeUnknown { repeatable: true, .. }
        | Error::LedgerUnavailable
        | Error::Draining
        | Error::Overloaded => Code::Unavailable,
        Error::Internal => Code::Internal,
        Error::Unimplemented => Code::Unimplemented,
    }
}

/// When the caller may try again; none where trying again cannot help.
fn retry_after(error: &Error) -> Option<Duration> {
    match error {
        Error::TenantRateQuota { retry_after, .. } => Some(*retry_after),
        // A place that is free at once was taken by another: it is not for long.
        Error::AccountBudget { retry_after, .. } => Some((*retry_after).max(SOON)),
        Error::Aws(failure) => match failure.kind {
            FailureKind::Throttled { retry_after } => Some(retry_after.unwrap_or(LATER)),
            FailureKind::Unreachable | FailureKind::NoAnswer | FailureKind::ServerError => {
                Some(LATER)
            }
            _ => None,
        },
        Error::OutcomeUnknown { repeatable: true, .. } | Error::LedgerUnavailable => Some(LATER),
        Error::InProgress { .. } | Error::Draining | Error::Overloaded => Some(SOON),
        _ => None,
    }
}

fn details(error: &Error) -> ErrorDetails {
    let mut details = ErrorDetails::with_error_info(error.reason(), DOMAIN, metadata(error));
    if let Some(delay) = retry_after(error) {
        details.set_retry_info(Some(delay));
    }
    match error {
        Error::InvalidFields(violations) => {
            let violations = violations.as_slice().iter().map(|violation| FieldViolation {
                field: violation.field.clone(),
                description: violation.description.clone(),
                reason: violation.reason.to_owned(),
                localized_message: None,
            });
            details.set_bad_request(violations.collect::<Vec<_>>());
        }
        Error::RequestIdReused => {
            details.set_bad_request(vec![FieldViolation {
                field: "request_id".to_owned(),
                description: error.to_string(),
                reason: error.reason().to_owned(),
                localized_message: None,
            }]);
        }
        Error::TenantCountQuota { tenant, .. } | Error::TenantRateQuota { tenant, .. } => {
            details.add_quota_failure_violation(format!("tenant:{tenant}"), error.to_string());
        }
        Error::NotFound { arn } => {
            let kind = "ivs.ingest.v1.IngestConfiguration";
            details.set_resource_info(kind, arn.as_str(), "", error.to_string());
        }
        _ => {}
    }
    details
}

fn metadata(error: &Error) -> HashMap<String, String> {
    let mut metadata = HashMap::new();
    if let Some(id) = error.aws_request_id() {
        metadata.insert("aws_request_id".to_owned(), id.to_owned());
    }
    match error {
        Error::AccountBudget { operation, .. } => {
            metadata.insert("aws_operation".to_owned(), (*operation).to_owned());
        }
        Error::InProgress { operation_id }
        | Error::OutcomeUnknown { operation_id, .. }
        | Error::DeadlineExceeded { operation_id: Some(operation_id) } => {
            metadata.insert("operation_id".to_owned(), operation_id.to_string());
        }
        _ => {}
    }
    metadata
}
