//! Keeps the ledger consistent with AWS: resolves creates and deletes whose outcome is
//! unknown, scans the configurations at AWS, and rebuilds a lost ledger.

mod access_check;
mod completeness;
mod metrics;
mod pages;
mod problems;
mod resolutions;
mod resolver;
pub mod rules;
mod scan;
mod tags_read;
mod tags_reader;
mod ticker;

use std::sync::Arc;

use tokio::sync::watch;

pub use access_check::AccessCheck;
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
    request::account_id,
};

/// The parts that the two resolvers and the scan share.
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
    /// Whether the ledger knows everything that AWS has, as the scan publishes it. Until then
    /// nothing that AWS does not show counts as gone: the credentials may be those of another
    /// account.
    pub completeness: watch::Receiver<Completeness>,
    /// The problems that the tasks find.
    pub problems: Problems,
    /// The counters of the tasks.
    pub metrics: ReconcileMetrics,
    /// The clock.
    pub clock: Clock,
    /// The source of the ids of rows.
    pub ids: Ids,
}

/// Fails if the configuration is of another account than those of the ledger.
async fn check_account(ledger: &dyn Ledger, arn: &str) -> Result<(), ScanError> {
    let listed = account_id(arn).to_owned();
    match ledger.bind_account(listed.clone()).await? {
        Some(known) => Err(ScanError::OtherAccount { known, listed }),
        None => Ok(()),
    }
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
        "AWS lists configurations of account {listed}, and the ledger is bound to account {known}: correct the credentials or upstream.account_id; if the ledger has no rows, stop the gateway and run init-ledger --rebind"
    )]
    OtherAccount { known: String, listed: String },
}
