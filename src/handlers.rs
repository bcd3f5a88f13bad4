//! What the gateway does, one file an RPC. Each takes the proof of who calls and
//! a parsed request, and answers in the gateway's own terms.
//!
//! Called by `rpc`. gRPC, SQL and the AWS SDK must never be named here.

mod context;
mod create;
mod delete;
mod get;
mod get_quota;
mod list;
mod paced;
mod single_flight;
mod stages;
mod update;
mod view;

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::task::TaskTracker;

pub use context::{CallContext, permitted};
pub use create::Created;
pub use get_quota::Quota;
pub use list::Listed;
pub use view::{CallersConfiguration, StreamKeys};

use crate::{
    clock::Clock,
    error::Error,
    ids::Ids,
    ivs::{AwsFailure, FailureKind, Ivs, Pacers},
    ledger::{Ledger, LedgerError},
    reconcile::Resolutions,
    request::{Fingerprint, RequestId},
    tenancy::{StageOwnership, TenantId},
};
use single_flight::SingleFlight;

/// What all workers share.
pub struct Shared {
    /// Idempotency and quota.
    pub ledger: Arc<dyn Ledger>,
    /// The owners of stages.
    pub stages: StageOwnership,
    /// The creates under way, so that a second call with the same `request_id`
    /// joins the first.
    running: SingleFlight<(TenantId, RequestId), Fingerprint, Created>,
    /// The reads of AWS under way, so that one serves all who ask for the same.
    reads: SingleFlight<String, (), get::Read>,
    /// Who may call AWS, and when.
    pub pacers: Pacers,
    /// Where creates of unknown outcome are settled.
    pub resolutions: Resolutions,
    /// How long a call waits for that before it answers that the outcome is unknown.
    pub resolution_wait: Duration,
    /// Whether the ledger knows all that AWS has; until then nothing is created.
    pub ledger_complete: watch::Receiver<bool>,
    /// Source of the keys of the ledger's rows.
    pub ids: Ids,
    /// The time.
    pub clock: Clock,
}

impl Shared {
    /// Nothing under way yet.
    #[expect(clippy::too_many_arguments, reason = "each is a part that the gateway starts")]
    #[must_use]
    pub fn new(
        ledger: Arc<dyn Ledger>,
        stages: StageOwnership,
        resolutions: Resolutions,
        resolution_wait: Duration,
        ledger_complete: watch::Receiver<bool>,
        pacers: Pacers,
        clock: Clock,
        ids: Ids,
    ) -> Self {
        Self {
            ledger,
            stages,
            running: SingleFlight::default(),
            reads: SingleFlight::default(),
            pacers,
            resolutions,
            resolution_wait,
            ledger_complete,
            ids,
            clock,
        }
    }
}

/// The operations, on one worker's connections to AWS.
#[derive(Clone)]
pub struct Handlers {
    shared: Arc<Shared>,
    ivs: Ivs,
    mutations: TaskTracker,
}

impl Handlers {
    /// Handlers that call AWS through `ivs`. `mutations` tracks those under way:
    /// they outlive their callers, and a drain waits for them.
    #[must_use]
    pub const fn new(shared: Arc<Shared>, ivs: Ivs, mutations: TaskTracker) -> Self {
        Self { shared, ivs, mutations }
    }
}

/// What the caller is told of a failed call that was about this configuration.
fn aws_failed(arn: &str, failure: &AwsFailure) -> Error {
    match failure.kind {
        FailureKind::NotFound => Error::NotFound { arn: arn.to_owned() },
        _ => Error::Aws(failure.clone()),
    }
}

/// Logs a ledger's failure, once, and answers what the caller is told.
fn ledger_failed(error: &LedgerError, doing: &'static str) -> Error {
    tracing::error!(%error, doing, "the ledger failed");
    match error {
        LedgerError::Unavailable(_) => Error::LedgerUnavailable,
        LedgerError::NoSuchRow(_) | LedgerError::Illegal(_) | LedgerError::Conflict => {
            Error::Internal
        }
    }
}
