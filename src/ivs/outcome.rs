//! What became of a call: one classification for every way that the SDK can fail.
//!
//! The question is always the same: may AWS have carried the call out? Only where
//! that is disproved is a failure [`CallError::NotExecuted`].

use std::{error::Error, fmt, io, time::Duration};

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ivsrealtime::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::RequestId,
};

use crate::pacer::Outcome;

/// A call that gave no answer to use.
#[derive(Debug, Clone)]
pub enum CallError {
    /// AWS did not carry it out, for sure.
    NotExecuted(AwsFailure),
    /// AWS may or may not have carried it out.
    Ambiguous(AwsFailure),
}

/// Why a call failed.
#[derive(Debug, Clone)]
pub struct AwsFailure {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// AWS's words or the SDK's. They may name roles and hosts: for the log, and
    /// for the caller only where the kind says so.
    pub message: String,
    /// AWS's id of the call, if it answered.
    pub aws_request_id: Option<String>,
}

/// The kinds of failure that the gateway tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// `ValidationException`. The message is for the caller.
    Validation,
    /// `AccessDeniedException`, or a signature that AWS refused: the gateway's
    /// own role or credentials.
    AccessDenied,
    /// `ServiceQuotaExceededException`: the account's quota.
    ServiceQuotaExceeded,
    /// `PendingVerification`: the account is not verified yet.
    PendingVerification,
    /// `ResourceNotFoundException`.
    NotFound,
    /// `ConflictException`: it is active.
    Conflict,
    /// Too many calls a second in the account. AWS may say when to come back.
    Throttled {
        /// When AWS said to come back.
        retry_after: Option<Duration>,
    },
    /// No connection was made: nothing was sent.
    Unreachable,
    /// No credentials could be resolved: nothing was sent.
    NoCredentials,
    /// It was sent, and no answer came that says what happened.
    NoAnswer,
    /// AWS answered with a failure of its own (5xx).
    ServerError,
    /// AWS rejected the call with an error that this gateway does not know.
    Rejected,
}

impl CallError {
    /// The failure, whatever it proves.
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
            FailureKind::Unreachable | FailureKind::NoCredentials | FailureKind::NoAnswer => {
                Outcome::NoResponse
            }
            _ => Outcome::Completed,
        }
    }

    /// AWS said that it carried the call out, in words that cannot be read.
    pub(super) fn unreadable(message: &str, aws_request_id: Option<String>) -> Self {
        Self::Ambiguous(AwsFailure {
            kind: FailureKind::NoAnswer,
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

/// Classifies a failed call. Every variant is named; what a later SDK may add is
/// taken for ambiguous.
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
                None => CallError::Ambiguous(failure(FailureKind::NoAnswer, message)),
            }
        }
        // Sent, and cut off: before, while or after AWS worked on it.
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => {
            CallError::Ambiguous(failure(FailureKind::NoAnswer, describe(&error)))
        }
        SdkError::ServiceError(service) => {
            let (kind, executed) = answered(service.raw(), service.err().code());
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
        _ => CallError::Ambiguous(failure(FailureKind::NoAnswer, describe(&error))),
    }
}

enum Executed {
    No,
    Maybe,
}

/// What an error that AWS answered with says. Declared errors come by their code;
/// throttling is not declared, and any status may come.
fn answered(response: &HttpResponse, code: Option<&str>) -> (FailureKind, Executed) {
    let kind = match (response.status().as_u16(), code.unwrap_or_default()) {
        (500.., _) => return (FailureKind::ServerError, Executed::Maybe),
        // A proxy gave up on a request that AWS may have had.
        (..=399 | 408, _) => return (FailureKind::NoAnswer, Executed::Maybe),
        (429, _) | (_, "ThrottlingException" | "TooManyRequestsException") => {
            FailureKind::Throttled { retry_after: retry_after(response) }
        }
        (_, "ValidationException") => FailureKind::Validation,
        (_, "ServiceQuotaExceededException") => FailureKind::ServiceQuotaExceeded,
        (_, "PendingVerification") => FailureKind::PendingVerification,
        (_, "ResourceNotFoundException") => FailureKind::NotFound,
        (_, "ConflictException") => FailureKind::Conflict,
        // The undeclared ones are about the signature: credentials, clock, region.
        (401 | 403, _) => FailureKind::AccessDenied,
        _ => FailureKind::Rejected,
    };
    (kind, Executed::No)
}

/// AWS's words. Its errors here name the member `exceptionMessage`, which the SDK's
/// own `message()` does not look for.
fn message(response: &HttpResponse) -> String {
    #[derive(serde::Deserialize)]
    struct Words {
        #[serde(alias = "exceptionMessage", alias = "Message")]
        message: String,
    }
    let body = response.body().bytes().unwrap_or_default();
    serde_json::from_slice(body).map(|Words { message }| message).unwrap_or_default()
}

fn retry_after(response: &HttpResponse) -> Option<Duration> {
    let seconds = response.headers().get("retry-after")?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The proof that no byte of the request left: no connection was made, or there were no
/// credentials to sign with. `None` without a proof. The SDK's own `is_timeout` and `is_io`
/// cannot tell: both are true of failures before and after sending.
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

/// The error and all that caused it. An `io::Error` hides its payload from
/// `source`, so it is asked for it.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| match error.downcast_ref::<io::Error>() {
        Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
        None => error.source(),
    })
}

/// The whole chain in one line. No part of it holds a response's body.
fn describe(error: &(dyn Error + 'static)) -> String {
    chain(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
