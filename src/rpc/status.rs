//! The error table: every error of the gateway as a gRPC status with details.
//! Nothing else names a `tonic::Code`.

use std::{collections::HashMap, time::Duration};

use http::HeaderMap;
use tonic::{
    Code, Status,
    metadata::{MetadataMap, MetadataValue},
};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::{
    error::{Error, UnfinishedCreate},
    ivs::FailureKind,
};

/// The domain of every `google.rpc.ErrorInfo`.
pub const DOMAIN: &str = "ivs-ingest-gateway";

/// Retry delay after a failure that lasts about 250 ms, the duration of a call.
const SOON: Duration = Duration::from_millis(250);

/// Retry delay after a failure of AWS, of the ledger or of the network.
const LATER: Duration = Duration::from_secs(1);

/// The metadata key of the retry delay in milliseconds, which gRPC clients with a
/// `retryPolicy` obey (gRFC A6).
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// The value of [`PUSHBACK`] that ends the retries of such a client.
const NEVER: i32 = -1;

/// Maximum size of a message on the wire, where percent-encoding triples other bytes than
/// plain ASCII. The details repeat the message. All trailers together stay under 3.3 KiB,
/// because nginx and grpc-java accept 8 KiB of headers.
const MAX_MESSAGE_BYTES: usize = 1024;

/// Maximum length of AWS's id of a call in the details. AWS's own have 36 characters; a
/// proxy may send longer ones.
const MAX_AWS_REQUEST_ID_CHARACTERS: usize = 128;

/// The error as a gRPC status, with its details.
#[must_use]
pub fn of(error: &Error) -> Status {
    let message = bounded(error.to_string());
    let details = details(error, &message);
    let delay = retry_after(error);
    let pushback =
        delay.map_or(NEVER, |delay| i32::try_from(delay.as_millis()).unwrap_or(i32::MAX));
    let mut metadata = MetadataMap::new();
    metadata.insert(PUSHBACK, pushback.into());
    if matches!(error, Error::MessageCompressed) {
        // The gRPC protocol requires it with UNIMPLEMENTED for an unsupported compression.
        metadata.insert("grpc-accept-encoding", MetadataValue::from_static("identity"));
    }
    Status::with_error_details_and_metadata(code(error), message, details, metadata)
}

/// Cuts the message where its percent-encoded form exceeds [`MAX_MESSAGE_BYTES`].
fn bounded(mut message: String) -> String {
    let mut encoded = 0;
    let cut = message.char_indices().find_map(|(index, character)| {
        let is_plain = matches!(character, '!'..='~') && !"\"#%<>`?{}".contains(character);
        encoded += if is_plain { 1 } else { 3 * character.len_utf8() };
        (encoded > MAX_MESSAGE_BYTES).then_some(index)
    });
    if let Some(cut) = cut {
        message.truncate(cut);
    }
    message
}

/// Returns the error of a call that tonic rejected before the service received its message.
/// Returns `None` for a response of the service. Rejections by tonic have no details.
#[must_use]
pub fn rejected_by_tonic(response: &HeaderMap) -> Option<Error> {
    if !response.contains_key("grpc-status") || response.contains_key("grpc-status-details-bin") {
        return None;
    }
    let status = Status::from_header_map(response)?;
    match (status.code(), status.message()) {
        (Code::Ok, _) => None,
        // There is no such service or method.
        (Code::Unimplemented, "") => Some(Error::Unimplemented),
        (Code::Unimplemented, _) => Some(Error::MessageCompressed),
        (_, message) => {
            Some(too_large(message).unwrap_or_else(|| Error::InvalidMessage(message.to_owned())))
        }
    }
}

/// Returns the error if tonic's text is about the size of the message. tonic reports the sizes
/// only as text.
fn too_large(message: &str) -> Option<Error> {
    let sizes = message.strip_prefix("Error, decoded message length too large: found ")?;
    let (bytes, limit) = sizes.strip_suffix(" bytes")?.split_once(" bytes, the limit is: ")?;
    Some(Error::MessageTooLarge { bytes: bytes.parse().ok()?, limit: limit.parse().ok()? })
}

/// The name of the code with that number on the wire, for logs.
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
        Error::InvalidFields(_)
        | Error::InvalidMessage(_)
        | Error::MessageTooLarge { .. }
        | Error::RequestIdReused => Code::InvalidArgument,
        Error::CredentialMissing { .. } | Error::CredentialInvalid(_) => Code::Unauthenticated,
        Error::TenantForbidden | Error::StageForbidden | Error::ProtocolForbidden(_) => {
            Code::PermissionDenied
        }
        Error::NotFound { .. } | Error::CreatedConfigurationGone { .. } => Code::NotFound,
        Error::TenantCountQuota { .. }
        | Error::TenantRequestRate { .. }
        | Error::TenantCreateRate { .. }
        | Error::TenantConcurrency { .. }
        | Error::TenantQueueFull { .. }
        | Error::DeadlineTooShort { .. } => Code::ResourceExhausted,
        Error::Aws(failure) => match failure.kind {
            FailureKind::Validation => Code::InvalidArgument,
            FailureKind::AccessDenied | FailureKind::Rejected => Code::Internal,
            FailureKind::ServiceQuotaExceeded | FailureKind::Throttled { .. } => {
                Code::ResourceExhausted
            }
            FailureKind::PendingVerification | FailureKind::Conflict => Code::FailedPrecondition,
            FailureKind::NotFound => Code::NotFound,
            FailureKind::Unreachable
            | FailureKind::NoCredentials
            | FailureKind::CredentialsRejected
            | FailureKind::NoResponse
            | FailureKind::ServerError => Code::Unavailable,
        },
        Error::InProgress { .. } => Code::Aborted,
        Error::OutcomeUnknown { repeatable: false, .. } => Code::Unknown,
        Error::DeadlineExceeded { .. } => Code::DeadlineExceeded,
        Error::OutcomeUnknown { repeatable: true, .. }
        | Error::DeleteOutcomeUnknown { .. }
        | Error::UpdateOutcomeUnknown { .. }
        | Error::NotVisibleYet
        | Error::LedgerUnavailable
        | Error::LedgerIncomplete { .. }
        | Error::Draining
        | Error::Overloaded => Code::Unavailable,
        Error::Internal => Code::Internal,
        Error::Unimplemented | Error::MessageCompressed => Code::Unimplemented,
    }
}

/// The delay after which the caller may retry; `None` if a retry cannot help or is not safe.
fn retry_after(error: &Error) -> Option<Duration> {
    match error {
        Error::TenantRequestRate { retry_after, .. }
        | Error::TenantCreateRate { retry_after, .. }
        | Error::TenantConcurrency { retry_after, .. }
        | Error::TenantQueueFull { retry_after, .. }
        | Error::LedgerIncomplete { retry_after } => Some(*retry_after),
        Error::DeadlineTooShort { predicted_wait, .. } => Some((*predicted_wait).max(SOON)),
        // A retry of a create without a request_id would be another create.
        Error::DeadlineExceeded { unfinished } => {
            unfinished.is_none_or(|create| create.has_request_id).then_some(SOON)
        }
        Error::Aws(failure) => match failure.kind {
            FailureKind::Throttled { retry_after } => Some(retry_after.unwrap_or(LATER).max(SOON)),
            FailureKind::Unreachable
            | FailureKind::NoCredentials
            | FailureKind::CredentialsRejected
            | FailureKind::NoResponse
            | FailureKind::ServerError => Some(LATER),
            _ => None,
        },
        Error::OutcomeUnknown { repeatable: true, .. }
        | Error::DeleteOutcomeUnknown { .. }
        | Error::UpdateOutcomeUnknown { .. }
        | Error::NotVisibleYet
        | Error::LedgerUnavailable => Some(LATER),
        Error::InProgress { .. } | Error::Draining | Error::Overloaded => Some(SOON),
        _ => None,
    }
}

fn details(error: &Error, message: &str) -> ErrorDetails {
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
                description: message.to_owned(),
                reason: error.reason().to_owned(),
                localized_message: None,
            }]);
        }
        Error::TenantCountQuota { tenant, .. }
        | Error::TenantRequestRate { tenant, .. }
        | Error::TenantCreateRate { tenant, .. }
        | Error::TenantConcurrency { tenant, .. } => {
            details.add_quota_failure_violation(format!("tenant:{tenant}"), message);
        }
        Error::NotFound { arn } | Error::CreatedConfigurationGone { arn } => {
            let kind = "ivs.ingest.v1.IngestConfiguration";
            details.set_resource_info(kind, arn.as_str(), "", message);
        }
        _ => {}
    }
    details
}

/// Metadata for programs. It contains each number of the message.
fn metadata(error: &Error) -> HashMap<String, String> {
    let mut metadata = HashMap::new();
    let mut add = |key: &str, value: String| {
        metadata.insert(key.to_owned(), value);
    };
    if let Some(id) = error.aws_request_id() {
        add("aws_request_id", id.chars().take(MAX_AWS_REQUEST_ID_CHARACTERS).collect());
    }
    match error {
        Error::TenantCountQuota { used, limit, .. } => {
            add("used", used.to_string());
            add("limit", limit.to_string());
        }
        Error::TenantRequestRate { retry_after, .. }
        | Error::TenantCreateRate { retry_after, .. }
        | Error::TenantConcurrency { retry_after, .. }
        | Error::LedgerIncomplete { retry_after } => {
            add("retry_after_ms", retry_after.as_millis().to_string());
        }
        Error::MessageTooLarge { bytes, limit } => {
            add("bytes", bytes.to_string());
            add("limit", limit.to_string());
        }
        Error::TenantQueueFull { operation, retry_after } => {
            add("aws_operation", (*operation).to_owned());
            add("retry_after_ms", retry_after.as_millis().to_string());
        }
        Error::DeadlineTooShort { operation, predicted_wait } => {
            add("aws_operation", (*operation).to_owned());
            add("predicted_wait_ms", predicted_wait.as_millis().to_string());
        }
        Error::InProgress { operation_id }
        | Error::OutcomeUnknown { operation_id, .. }
        | Error::DeleteOutcomeUnknown { operation_id, .. }
        | Error::UpdateOutcomeUnknown { operation_id, .. }
        | Error::DeadlineExceeded { unfinished: Some(UnfinishedCreate { operation_id, .. }) } => {
            add("operation_id", operation_id.to_string());
        }
        _ => {}
    }
    metadata
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_cut_by_its_encoded_size() {
        let kib = "x".repeat(MAX_MESSAGE_BYTES);
        assert_eq!(bounded(kib.clone()), kib);
        assert_eq!(bounded(kib.clone() + "x"), kib);
        // Nine bytes each on the wire.
        assert_eq!(bounded("\u{5c4b}".repeat(500)).chars().count(), MAX_MESSAGE_BYTES / 9);
        // Three bytes each.
        assert_eq!(bounded("% \"".repeat(500)).len(), MAX_MESSAGE_BYTES / 3);
    }
}
