//! The messages that depend on the cause of an error.

use std::borrow::Cow;

use super::UnfinishedCreate;
use crate::ivs::{AwsFailure, FailureKind};

/// The message of a failed call to AWS. It contains AWS's text only if that is about the
/// caller's input: other texts may name roles and hosts.
pub(super) fn aws_message(failure: &AwsFailure) -> Cow<'static, str> {
    let message = match failure.kind {
        FailureKind::Validation => {
            return Cow::Owned(format!("AWS rejected the request: {}", failure.message));
        }
        FailureKind::AccessDenied => {
            "AWS denied access to the gateway; its operator must correct the IAM role"
        }
        FailureKind::ServiceQuotaExceeded => "the AWS account has reached a service quota",
        FailureKind::PendingVerification => "the AWS account is pending verification by AWS",
        FailureKind::NotFound => "the ingest configuration does not exist or is not the tenant's",
        FailureKind::Conflict => "the ingest configuration is active: an encoder publishes",
        FailureKind::Throttled { .. } => "AWS throttled the account; nothing was executed",
        FailureKind::Unreachable => "the gateway cannot connect to AWS; nothing was sent",
        FailureKind::NoCredentials => {
            "the gateway has no AWS credentials at present; nothing was sent"
        }
        FailureKind::CredentialsRejected => {
            "AWS rejected the gateway's credentials; nothing was executed"
        }
        FailureKind::NoResponse | FailureKind::ServerError => "AWS failed or did not respond",
        FailureKind::Rejected => {
            "AWS rejected the request with an error that the gateway does not know"
        }
    };
    Cow::Borrowed(message)
}

pub(super) const fn deadline_message(unfinished: Option<UnfinishedCreate>) -> &'static str {
    match unfinished {
        None => "the deadline passed before the response",
        Some(UnfinishedCreate { has_request_id: true, .. }) => {
            "the deadline passed and the create continues; retry with the same request_id to join it"
        }
        Some(_) => {
            "the deadline passed and the create continues; retry with the operation_id of the details as the request_id to join it"
        }
    }
}

pub(super) const fn unknown_outcome_message(repeatable: bool) -> &'static str {
    if repeatable {
        "AWS may or may not have created the configuration; retry with the same request_id to learn which"
    } else {
        "AWS may or may not have created the configuration; retry with the operation_id of the details as the request_id to learn which"
    }
}
