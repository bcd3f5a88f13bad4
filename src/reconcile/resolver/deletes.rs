//! Resolves deletes without an outcome: those of an earlier process, and those whose lease has
//! expired.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    super::{Completeness, Parts, ticker::Ticker},
    EXPIRY_INTERVAL,
};
use crate::{
    clock::{Clock, is_younger},
    ivs::{FailureKind, Ivs, Pacers},
    ledger::{Event, Ledger, LedgerError, UnconfirmedRow, UnfinishedDelete},
};

/// The fraction of AWS's rate of reads that the resolution uses.
const SHARE: f64 = 0.1;

/// The deletes that a round reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Selection {
    /// All without an outcome. A task may still work on some.
    All,
    /// Those whose lease has expired.
    Abandoned,
}

/// The result of a round, or of one delete of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Progress {
    /// Nothing is left for this round.
    Done,
    /// A read proved nothing; the next round repeats it.
    Undecided,
}

/// Resolves unfinished deletes, by a read.
pub struct DeleteResolver {
    ledger: Arc<dyn Ledger>,
    ivs: Ivs,
    pacers: Pacers,
    completeness: watch::Receiver<Completeness>,
    clock: Clock,
    reads: Ticker,
    visible_after: Duration,
}

impl DeleteResolver {
    /// Returns a resolver that uses at most a tenth of AWS's call rate. AWS shows a configuration
    /// to every operation `visible_after` its create was sent.
    #[must_use]
    pub fn new(parts: Parts, visible_after: Duration, calls_per_second: f64) -> Self {
        let Parts { ledger, ivs, pacers, completeness, clock, .. } = parts;
        let reads = Ticker::per_second(calls_per_second * SHARE);
        Self { ledger, ivs, pacers, completeness, clock, reads, visible_after }
    }

    /// Resolves deletes until `shutdown` fires.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let rounds = async {
            // While the ledger is incomplete, a 404 proves nothing. The wait fails at the end of the
            // scan, which ends the process.
            let _ = self.completeness.wait_for(Completeness::is_complete).await;
            // AWS may have executed those of the last process, so the first round does not wait for
            // their leases.
            let mut selection = Selection::All;
            loop {
                match self.round(selection).await {
                    Ok(Progress::Done) => selection = Selection::Abandoned,
                    Ok(Progress::Undecided) => {}
                    Err(error) => {
                        tracing::error!(%error, "cannot resolve unfinished deletes: the ledger failed");
                    }
                }
                sleep(EXPIRY_INTERVAL).await;
            }
        };
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            () = rounds => {}
        }
    }

    async fn round(&mut self, selection: Selection) -> Result<Progress, LedgerError> {
        let mut progress = Progress::Done;
        for delete in self.ledger.unfinished_deletes().await? {
            if delete.is_abandoned || selection == Selection::All {
                progress = progress.max(self.resolve(delete).await?);
            }
        }
        Ok(progress)
    }

    /// Resolves a delete. A configuration that the read finds stays if the delete no longer runs.
    async fn resolve(&mut self, delete: UnfinishedDelete) -> Result<Progress, LedgerError> {
        let UnfinishedDelete { row, is_abandoned } = delete;
        let UnconfirmedRow { operation_id, arn, sent_at } = row;
        self.reads.tick().await;
        let permit = self.pacers.get.internal_permit().await;
        // The age at the request counts: AWS may respond 404 while the configuration is new, and the
        // response may arrive when it no longer is.
        let is_proof = !is_younger(sent_at, self.clock.wall(), self.visible_after)
            && self.completeness.borrow().is_complete();
        let event = match self.ivs.get_ingest_configuration(permit, &arn).await {
            Ok(_) if is_abandoned => Event::DeleteRefused,
            // When its lease has expired, a later round reads it again.
            Ok(_) => return Ok(Progress::Done),
            Err(error) if error.failure().kind == FailureKind::NotFound => {
                // AWS may not show a new configuration yet, or the credentials are those of another account. A later
                // round reads it again.
                if !is_proof || !self.completeness.borrow().is_complete() {
                    return Ok(Progress::Undecided);
                }
                Event::DeleteConfirmed
            }
            Err(error) => {
                let failure = error.failure();
                tracing::warn!(%operation_id, %failure, "could not resolve an unfinished delete");
                return Ok(Progress::Undecided);
            }
        };
        let name = event.name();
        self.ledger.apply(operation_id, event).await?;
        tracing::info!(%operation_id, arn, event = name, "resolved an unfinished delete");
        Ok(Progress::Done)
    }
}
