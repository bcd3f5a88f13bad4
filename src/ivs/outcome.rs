//! Classifies failed calls by one question: may AWS have executed the call? A failure is
//! [`CallError::NotExecuted`] only with a proof that AWS has not.

use std::{error::Error, fmt, io, time::Duration};

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ivsrealtime::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::RequestId,
};

use super::codes::{CREDENTIAL_CODES, THROTTLING_CODES};
use crate::pacer::Outcome;

/// A failed call.
#[derive(Debug, Clone)]
pub enum CallError {
    /// AWS has not executed the call.
    NotExecuted(AwsFailure),
    /// AWS may or may not have executed the call.
    Ambiguous(AwsFailure),
}

/// The failure of a call.
#[derive(Debug, Clone)]
pub struct AwsFailure {
    /// The kind of the failure.
    pub kind: FailureKind,
    /// The text of AWS or of the SDK, for the log. It may name roles and hosts, so a caller
    /// gets it only for [`FailureKind::Validation`].
    pub message: String,
    /// AWS's id of the call, if AWS responded.
    pub aws_request_id: Option<String>,
}

/// The kinds of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// `ValidationException`. The message is for the caller.
    Validation,
    /// `AccessDeniedException`: the role of the gateway lacks a permission.
    AccessDenied,
    /// AWS rejected the credentials or the signature of the gateway: the credentials have
    /// expired or are unknown, or the clock is wrong.
    CredentialsRejected,
    /// `ServiceQuotaExceededException`: the account's quota.
    ServiceQuotaExceeded,
    /// `PendingVerification`: the account is not verified yet.
    PendingVerification,
    /// `ResourceNotFoundException`.
    NotFound,
    /// `ConflictException`: the configuration is active.
    Conflict,
    /// AWS throttled the account.
    Throttled {
        /// The delay that AWS asked for, if any.
        retry_after: Option<Duration>,
    },
    /// No connection could be opened, so nothing was sent.
    Unreachable,
    /// No credentials could be resolved, so nothing was sent.
    NoCredentials,
    /// The call was sent, and no usable response arrived.
    NoResponse,
    /// AWS returned a 5xx.
    ServerError,
    /// AWS rejected the call with an error that this gateway does not know.
    Rejected,
}

impl CallError {
    /// The failure of either variant.
    #[must_use]
    pub const fn failure(&self) -> &AwsFailure {
        match self {
            Self::NotExecuted(failure) | Self::Ambiguous(failure) => failure,
        }
    }

    /// Whether AWS throttled the call.
    #[must_use]
    pub const fn is_throttled(&self) -> bool {
        matches!(self.failure().kind, FailureKind::Throttled { .. })
    }

    /// The outcome as the pacer sees it.
    pub(super) const fn outcome(&self) -> Outcome {
        match self.failure().kind {
            FailureKind::Throttled { retry_after } => Outcome::Throttled(retry_after),
            FailureKind::Unreachable | FailureKind::NoCredentials | FailureKind::NoResponse => {
                Outcome::NoResponse
            }
            _ => Outcome::Completed,
        }
    }

    /// The outcome for the metrics.
    pub(super) const fn label(&self) -> &'static str {
        match self.failure().kind {
            FailureKind::Throttled { .. } => "throttled",
            FailureKind::Unreachable | FailureKind::NoCredentials => "not_sent",
            FailureKind::NoResponse => "no_response",
            FailureKind::ServerError => "server_error",
            _ => "rejected",
        }
    }

    /// The error of a call of which no byte was sent.
    pub(super) fn not_sent(self) -> Self {
        let (Self::NotExecuted(failure) | Self::Ambiguous(failure)) = self;
        let kind = match failure.kind {
            FailureKind::NoCredentials => FailureKind::NoCredentials,
            _ => FailureKind::Unreachable,
        };
        Self::NotExecuted(AwsFailure { kind, ..failure })
    }

    /// No credentials can be resolved.
    pub(super) const fn no_credentials(message: String) -> Self {
        let kind = FailureKind::NoCredentials;
        Self::NotExecuted(AwsFailure { kind, message, aws_request_id: None })
    }

    /// AWS returned a success that cannot be read.
    pub(super) fn unreadable(message: &str, aws_request_id: Option<String>) -> Self {
        Self::Ambiguous(AwsFailure {
            kind: FailureKind::NoResponse,
            message: message.to_owned(),
            aws_request_id,
        })
    }
}

impl fmt::Display for AwsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.message)
    }
}

/// Classifies a failed call. A variant that a later SDK adds counts as ambiguous.
#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
pub(super) fn classify<E>(error: SdkError<E, HttpResponse>) -> CallError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let aws_request_id = error.request_id().map(str::to_owned);
    let failure = |kind, message| AwsFailure { kind, message, aws_request_id };
    match &error {
        // The request was never built.
        SdkError::ConstructionFailure(_) => {
            CallError::NotExecuted(failure(FailureKind::Rejected, describe(&error)))
        }
        SdkError::DispatchFailure(dispatch) => {
            let message = describe(&error);
            match dispatch.as_connector_error().and_then(|source| never_sent(source)) {
                Some(kind) => CallError::NotExecuted(failure(kind, message)),
                None => CallError::Ambiguous(failure(FailureKind::NoResponse, message)),
            }
        }
        // The call was sent, and was interrupted before, during or after its execution.
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => {
            CallError::Ambiguous(failure(FailureKind::NoResponse, describe(&error)))
        }
        SdkError::ServiceError(service) => {
            let (kind, executed) = classify_response(service.raw(), service.err().code());
            let message = message(service.raw());
            let message = match service.err().code() {
                Some(code) if kind != FailureKind::Validation => format!("{code}: {message}"),
                _ => message,
            };
            match executed {
                Executed::No => CallError::NotExecuted(failure(kind, message)),
                Executed::Maybe => CallError::Ambiguous(failure(kind, message)),
            }
        }
        _ => CallError::Ambiguous(failure(FailureKind::NoResponse, describe(&error))),
    }
}

enum Executed {
    No,
    Maybe,
}

/// Classifies an error response of AWS by its status and code. Throttling is not a declared
/// error of the service, and any status may occur.
fn classify_response(response: &HttpResponse, code: Option<&str>) -> (FailureKind, Executed) {
    let kind = match (response.status().as_u16(), code.unwrap_or_default()) {
        (500.., _) => return (FailureKind::ServerError, Executed::Maybe),
        // A proxy may return these for a request that AWS has received.
        (..=399 | 408, _) => return (FailureKind::NoResponse, Executed::Maybe),
        (429, _) => FailureKind::Throttled { retry_after: retry_after(response) },
        (_, code) if THROTTLING_CODES.contains(&code) => {
            FailureKind::Throttled { retry_after: retry_after(response) }
        }
        (_, "ValidationException") => FailureKind::Validation,
        (_, "ServiceQuotaExceededException") => FailureKind::ServiceQuotaExceeded,
        (_, "PendingVerification") => FailureKind::PendingVerification,
        (_, "ResourceNotFoundException") => FailureKind::NotFound,
        (_, "ConflictException") => FailureKind::Conflict,
        (_, code) if CREDENTIAL_CODES.contains(&code) => FailureKind::CredentialsRejected,
        (401 | 403, _) => FailureKind::AccessDenied,
        _ => FailureKind::Rejected,
    };
    (kind, Executed::No)
}

/// Returns the message of an error response. In this service it is in the member
/// `exceptionMessage`, which `message()` of the SDK does not read. The components before the service
/// use other members.
fn message(response: &HttpResponse) -> String {
    let body = response.body().bytes().unwrap_or_default();
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let members = ["exceptionMessage", "message", "Message"];
    let text = members.iter().find_map(|member| body.get(member)?.as_str());
    text.unwrap_or_default().to_owned()
}

fn retry_after(response: &HttpResponse) -> Option<Duration> {
    let seconds = response.headers().get("retry-after")?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Returns the reason that no byte of the request was sent: no connection, or no credentials.
/// `None` if the error does not prove it. `is_timeout` and `is_io` of the SDK are no proof:
/// both are true for failures before and after sending.
fn never_sent(error: &(dyn Error + 'static)) -> Option<FailureKind> {
    chain(error).find_map(|error| {
        let connection = error.downcast_ref::<hyper_util::client::legacy::Error>();
        if connection.is_some_and(hyper_util::client::legacy::Error::is_connect) {
            Some(FailureKind::Unreachable)
        } else {
            error.is::<CredentialsError>().then_some(FailureKind::NoCredentials)
        }
    })
}

/// The error and its causes. `source` of an `io::Error` skips its payload, which is
/// included here.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| match error.downcast_ref::<io::Error>() {
        Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
        None => error.source(),
    })
}

/// Returns the chain of causes in one line. It contains no body of a response.
fn describe(error: &(dyn Error + 'static)) -> String {
    chain(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use aws_sdk_ivsrealtime::operation::create_ingest_configuration::CreateIngestConfigurationError;

    use super::*;

    #[test]
    fn a_request_that_was_not_built_was_not_executed() {
        let error = SdkError::<CreateIngestConfigurationError, _>::construction_failure("no name");
        let error = classify(error);
        assert!(matches!(error, CallError::NotExecuted(_)), "{error:?}");
        assert!(error.failure().message.contains("no name"), "{error:?}");
    }

    /// The pacer lowers its rate after a throttle, and measures only latencies of responses.
    #[test]
    fn the_pacer_sees_throttles_and_missing_responses() {
        let retry_after = Some(Duration::from_secs(7));
        for (kind, outcome) in [
            (FailureKind::Throttled { retry_after }, Outcome::Throttled(retry_after)),
            (FailureKind::Unreachable, Outcome::NoResponse),
            (FailureKind::NoCredentials, Outcome::NoResponse),
            (FailureKind::NoResponse, Outcome::NoResponse),
            (FailureKind::ServerError, Outcome::Completed),
            (FailureKind::Validation, Outcome::Completed),
        ] {
            let failure = AwsFailure { kind, message: String::new(), aws_request_id: None };
            assert_eq!(CallError::Ambiguous(failure).outcome(), outcome, "{kind:?}");
        }
    }
}
