//! The reason of each error.

use super::Error;
use crate::{ivs::FailureKind, proto::v1::ErrorReason};

impl Error {
    /// The reason, which the API publishes.
    #[must_use]
    pub const fn error_reason(&self) -> ErrorReason {
        match self {
            Self::InvalidFields(_) => ErrorReason::InvalidFields,
            Self::InvalidMessage(_) | Self::MessageTooLarge { .. } => ErrorReason::InvalidMessage,
            Self::RequestIdReused => ErrorReason::RequestIdReused,
            Self::CredentialMissing { .. } => ErrorReason::CredentialMissing,
            Self::CredentialInvalid(_) => ErrorReason::CredentialInvalid,
            Self::TenantForbidden => ErrorReason::TenantForbidden,
            Self::StageForbidden => ErrorReason::StageForbidden,
            Self::ProtocolForbidden(_) => ErrorReason::ProtocolForbidden,
            Self::NotFound { .. } | Self::CreatedConfigurationGone { .. } => ErrorReason::NotFound,
            Self::TenantCountQuota { .. } => ErrorReason::TenantCountQuota,
            Self::TenantRequestRate { .. } => ErrorReason::TenantRequestRate,
            Self::TenantCreateRate { .. } => ErrorReason::TenantCreateRate,
            Self::TenantConcurrency { .. } => ErrorReason::TenantConcurrency,
            Self::TenantQueueFull { .. } => ErrorReason::TenantQueueFull,
            Self::DeadlineTooShort { .. } => ErrorReason::DeadlineTooShort,
            Self::Aws(failure) => aws_reason(failure.kind),
            Self::InProgress { .. } => ErrorReason::InProgress,
            Self::OutcomeUnknown { .. }
            | Self::DeleteOutcomeUnknown { .. }
            | Self::UpdateOutcomeUnknown { .. } => ErrorReason::OutcomeUnknown,
            Self::NotVisibleYet => ErrorReason::AwsUnavailable,
            Self::DeadlineExceeded { .. } => ErrorReason::DeadlineExceeded,
            Self::LedgerUnavailable | Self::LedgerIncomplete { .. } => {
                ErrorReason::LedgerUnavailable
            }
            Self::Draining => ErrorReason::Draining,
            Self::Overloaded => ErrorReason::Overloaded,
            Self::Internal => ErrorReason::Internal,
            Self::Unimplemented | Self::MessageCompressed => ErrorReason::Unimplemented,
        }
    }
}

const fn aws_reason(kind: FailureKind) -> ErrorReason {
    match kind {
        FailureKind::Validation => ErrorReason::AwsValidation,
        FailureKind::AccessDenied => ErrorReason::AwsAccessDenied,
        FailureKind::ServiceQuotaExceeded => ErrorReason::AwsServiceQuota,
        FailureKind::PendingVerification => ErrorReason::AwsPendingVerification,
        FailureKind::NotFound => ErrorReason::NotFound,
        FailureKind::Conflict => ErrorReason::AwsConflict,
        FailureKind::Throttled { .. } => ErrorReason::AwsThrottled,
        FailureKind::Unreachable => ErrorReason::AwsUnreachable,
        FailureKind::NoCredentials | FailureKind::CredentialsRejected => {
            ErrorReason::CredentialsUnavailable
        }
        FailureKind::NoResponse | FailureKind::ServerError => ErrorReason::AwsUnavailable,
        FailureKind::Rejected => ErrorReason::AwsRejected,
    }
}
