//! The handlers, one file for each RPC. A handler takes the context of an authenticated call
//! and a parsed request, and returns types of the gateway.
//!
//! `rpc` calls the handlers. This module uses neither gRPC nor SQL nor the AWS SDK.

mod context;
mod create;
mod delete;
mod get;
mod get_quota;
mod list;
mod paced;
mod recording;
mod single_flight;
mod stages;
mod update;
mod view;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{sync::watch, time::Instant};

pub use context::{CallContext, permitted};
pub use create::Created;
pub use get_quota::Quota;
pub use list::Listed;
pub use view::{CallersConfiguration, StreamKeys};

use crate::{
    clock::{Clock, is_younger},
    error::{Error, whole_milliseconds},
    ids::Ids,
    ivs::{AwsFailure, FailureKind, Ivs, Pacers},
    ledger::{Ledger, LedgerError},
    reconcile::{Completeness, Resolutions},
    request::{Fingerprint, RequestId},
    tasks::Tasks,
    tenancy::{StageOwnership, TenantId},
};
use single_flight::SingleFlight;

/// The shortest delay before a retry of a call that needs a complete ledger.
const MIN_COMPARISON_DELAY: Duration = Duration::from_secs(1);

/// The state that all workers share.
pub struct Shared {
    /// The ledger: idempotency and quota.
    pub ledger: Arc<dyn Ledger>,
    /// The owners of stages.
    pub stages: StageOwnership<Error>,
    /// Running creates with a `request_id`. A call with the same `request_id` joins the first.
    creates: SingleFlight<(TenantId, RequestId), Fingerprint, Created>,
    /// Running reads from AWS. Concurrent calls for the same ARN share one read.
    reads: SingleFlight<String, (), get::Shown>,
    /// The pacers of the calls to AWS, one for each AWS operation.
    pub pacers: Pacers,
    /// Handle for submitting in-doubt creates and awaiting their resolution.
    pub resolutions: Resolutions,
    /// How long a call waits for a resolution before it returns `OUTCOME_UNKNOWN`.
    pub resolution_wait: Duration,
    /// The time after which AWS shows a configuration to every operation: until then its
    /// response that a configuration does not exist is not believed.
    pub visible_after: Duration,
    /// Whether the ledger knows all configurations at AWS. Until then creates, lists, quotas and
    /// calls without a row are rejected.
    pub completeness: watch::Receiver<Completeness>,
    /// The source of the ids of creates, which are the keys of the ledger's rows.
    pub ids: Ids,
    /// The clock.
    pub clock: Clock,
}

impl Shared {
    /// Returns the state of a gateway without running calls.
    #[expect(clippy::too_many_arguments, reason = "each is a component that the gateway starts")]
    #[must_use]
    pub fn new(
        ledger: Arc<dyn Ledger>,
        stages: StageOwnership<Error>,
        resolutions: Resolutions,
        resolution_wait: Duration,
        visible_after: Duration,
        completeness: watch::Receiver<Completeness>,
        pacers: Pacers,
        clock: Clock,
        ids: Ids,
    ) -> Self {
        Self {
            ledger,
            stages,
            creates: SingleFlight::default(),
            reads: SingleFlight::default(),
            pacers,
            resolutions,
            resolution_wait,
            visible_after,
            completeness,
            ids,
            clock,
        }
    }
}

impl Shared {
    /// Rejects a call whose response depends on everything that AWS has, until the ledger knows it.
    fn require_complete(&self) -> Result<(), Error> {
        match *self.completeness.borrow() {
            Completeness::Complete => Ok(()),
            Completeness::Incomplete { not_before, .. } => {
                let left = not_before.saturating_duration_since(Instant::now());
                let retry_after = whole_milliseconds(left.max(MIN_COMPARISON_DELAY));
                Err(Error::LedgerIncomplete { retry_after })
            }
        }
    }

    /// The error of a call about a configuration that has no row.
    fn no_row(&self, arn: &str) -> Error {
        let not_found = || Error::NotFound { arn: arn.to_owned() };
        self.require_complete().err().unwrap_or_else(not_found)
    }

    /// Whether a 404 to a request that is sent now proves that the configuration of a create that was
    /// sent at `sent_at` does not exist. AWS may not show it to every operation yet, and the
    /// credentials may be those of another account.
    fn not_found_is_proof(&self, sent_at: SystemTime) -> bool {
        !is_younger(sent_at, self.clock.wall(), self.visible_after)
            && self.completeness.borrow().is_complete()
    }
}

/// The handlers of one worker, which use the worker's connections to AWS.
#[derive(Clone)]
pub struct Handlers {
    shared: Arc<Shared>,
    ivs: Ivs,
    mutations: Tasks,
}

impl Handlers {
    /// Returns handlers that call AWS through `ivs`. `mutations` spawns the mutations:
    /// they continue after their callers disconnect, and a drain waits for them.
    #[must_use]
    pub const fn new(shared: Arc<Shared>, ivs: Ivs, mutations: Tasks) -> Self {
        Self { shared, ivs, mutations }
    }
}

/// Returns the error for the caller after an AWS call for the configuration `arn` failed.
fn aws_failed(arn: &str, failure: &AwsFailure) -> Error {
    match failure.kind {
        FailureKind::NotFound => Error::NotFound { arn: arn.to_owned() },
        _ => Error::Aws(failure.clone()),
    }
}

/// Returns the error of a call about the configuration of a live row. `NOT_FOUND` is final only if
/// it is a proof.
fn unless_invisible(not_found_is_proof: bool, error: Error) -> Error {
    match error {
        Error::NotFound { .. } if !not_found_is_proof => Error::NotVisibleYet,
        error => error,
    }
}

/// Logs a failure of the ledger and returns the error for the caller. `action` is the failed
/// method or event.
fn ledger_failed(error: &LedgerError, action: &'static str) -> Error {
    tracing::error!(%error, action, "the ledger failed");
    match error {
        LedgerError::Unavailable(_) | LedgerError::Damaged(_) | LedgerError::QueueFull => {
            Error::LedgerUnavailable
        }
        LedgerError::NoSuchRow(_) | LedgerError::Illegal(_) | LedgerError::Conflict => {
            Error::Internal
        }
    }
}
