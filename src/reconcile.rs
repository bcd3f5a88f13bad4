//! Keeps the ledger consistent with AWS: resolves creates and deletes whose outcome is
//! unknown, scans the configurations at AWS, and rebuilds a lost ledger.

mod completeness;
mod metrics;
mod pages;
mod problems;
mod resolutions;
mod resolver;
pub mod rules;
mod scan;
mod tags_read;
mod ticker;

use std::sync::Arc;

use tokio::sync::watch;

pub use completeness::{Completeness, Reading};
pub use metrics::ReconcileMetrics;
pub use problems::{Problem, Problems};
pub use resolutions::{Resolution, Resolutions};
pub use resolver::{DeleteResolver, Resolver};
pub use scan::{Scan, ScanConfig};

use crate::{
    clock::Clock,
    ids::Ids,
    ivs::{CallError, Ivs, Pacers},
    ledger::{Ledger, LedgerError},
};

/// The parts that the resolver and the scan share.
#[derive(Clone)]
pub struct Parts {
    /// The ledger to keep consistent with AWS.
    pub ledger: Arc<dyn Ledger>,
    /// The client of AWS.
    pub ivs: Ivs,
    /// The pacers of the calls to AWS.
    pub pacers: Pacers,
    /// The callers that wait for a resolution.
    pub resolutions: Resolutions,
    /// Whether the ledger knows everything that AWS has. The scan finds that out. Until then
    /// nothing that AWS does not show counts as gone: it may be another account.
    pub completeness: watch::Sender<Completeness>,
    /// The problems that both see.
    pub problems: Problems,
    /// The counters of both.
    pub metrics: ReconcileMetrics,
    /// The clock of both.
    pub clock: Clock,
    /// The source of the ids of rows.
    pub ids: Ids,
}

/// The error that ended a scan or a probe.
#[derive(Debug, thiserror::Error)]
enum ScanError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("{}", .0.failure())]
    Aws(CallError),
    #[error("AWS returned the token of an earlier page")]
    RepeatedToken,
    #[error(
        "AWS lists configurations of account {listed}, and the ledger records those of account {known}: correct the credentials, or run `init-ledger --rebind` if the ledger has no rows"
    )]
    OtherAccount { known: String, listed: String },
}
