//! The suspicion that AWS rejects every call of the gateway.

use std::sync::Arc;

use tokio::sync::Notify;

use super::{FailureKind, Ivs, List};
use crate::pacer::Permit;

/// Cheap to clone: all clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Suspicion(Arc<Notify>);

impl Suspicion {
    pub(super) fn report(&self) {
        self.0.notify_one();
    }

    pub(super) async fn reported(&self) {
        self.0.notified().await;
    }
}

/// Whether AWS accepts the calls of the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// AWS has accepted a call.
    Accepted,
    /// There are no credentials.
    NoCredentials,
    /// AWS has rejected a call for its credentials, its signature or its role.
    Rejected,
    /// AWS did not respond, or throttled the call.
    Unknown,
}

impl Access {
    /// Returns the access that a failed call shows.
    const fn of(kind: FailureKind) -> Self {
        match kind {
            FailureKind::NoCredentials => Self::NoCredentials,
            FailureKind::AccessDenied | FailureKind::CredentialsRejected => Self::Rejected,
            FailureKind::Throttled { .. }
            | FailureKind::Unreachable
            | FailureKind::NoResponse
            | FailureKind::ServerError => Self::Unknown,
            FailureKind::Validation
            | FailureKind::ServiceQuotaExceeded
            | FailureKind::PendingVerification
            | FailureKind::NotFound
            | FailureKind::Conflict
            | FailureKind::Rejected => Self::Accepted,
        }
    }

    /// Whether a failed call suggests that AWS rejects every call.
    pub(super) const fn is_suspicious(kind: FailureKind) -> bool {
        matches!(Self::of(kind), Self::NoCredentials | Self::Rejected)
    }
}

impl Ivs {
    /// Waits until AWS has rejected a call for its credentials, its signature or its role, or
    /// until credentials could not be loaded.
    pub async fn suspicion(&self) {
        self.suspicion.reported().await;
    }

    /// Makes a call that no tenant can cause to be rejected, because it names no resource.
    pub async fn check_access(&self, permit: Permit<List>) -> Access {
        match self.list_ingest_configurations(permit, None, None).await {
            Ok(_) => Access::Accepted,
            Err(error) => {
                let failure = error.failure();
                tracing::warn!(error = %failure, "a call that names no resource failed");
                Access::of(failure.kind)
            }
        }
    }
}
