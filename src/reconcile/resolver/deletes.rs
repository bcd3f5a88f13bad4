//! The resolution of deletes whose task has ended without an outcome.

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

/// The deletes of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Selection {
    /// All without an outcome. A task may still work on some.
    All,
    /// Those on which no task works.
    Abandoned,
}

/// The result of a round, or of one delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Round {
    /// Every delete has an outcome, or may still run.
    Ended,
    /// A read proved nothing.
    Undecided,
}

/// Resolves deletes whose task has ended without an outcome, by a read.
pub struct DeleteResolver {
    ledger: Arc<dyn Ledger>,
    ivs: Ivs,
    pacers: Pacers,
    completeness: watch::Sender<Completeness>,
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
            // Until then nothing is gone. The sender is a field, so the wait cannot fail.
            let mut completeness = self.completeness.subscribe();
            let _ = completeness.wait_for(Completeness::is_complete).await;
            // AWS may have executed those of the last process.
            let mut selection = Selection::All;
            loop {
                match self.round(selection).await {
                    Ok(Round::Ended) => selection = Selection::Abandoned,
                    Ok(Round::Undecided) => {}
                    Err(error) => {
                        tracing::error!(%error, "cannot resolve abandoned deletes: the ledger failed");
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

    async fn round(&mut self, selection: Selection) -> Result<Round, LedgerError> {
        let mut round = Round::Ended;
        for delete in self.ledger.deletes().await? {
            if delete.is_abandoned || selection == Selection::All {
                round = round.max(self.resolve(delete).await?);
            }
        }
        Ok(round)
    }

    /// Resolves a delete. A configuration that the read finds stays if the delete no longer runs.
    async fn resolve(&mut self, delete: UnfinishedDelete) -> Result<Round, LedgerError> {
        let UnfinishedDelete { row, is_abandoned } = delete;
        let UnconfirmedRow { operation_id, arn, sent_at } = row;
        self.reads.tick().await;
        let permit = self.pacers.get.internal_permit().await;
        // At the request: the response may arrive much later than AWS has made it.
        let is_young = is_younger(sent_at, self.clock.wall(), self.visible_after);
        let event = match self.ivs.get_ingest_configuration(permit, &arn).await {
            Ok(_) if is_abandoned => Event::DeleteRefused,
            // When its lease has expired, a later round reads it again.
            Ok(_) => return Ok(Round::Ended),
            Err(error) if error.failure().kind == FailureKind::NotFound => {
                // AWS may not show a new configuration yet, or it is another account. A later
                // round reads it again.
                if is_young || !self.completeness.borrow().is_complete() {
                    return Ok(Round::Undecided);
                }
                Event::DeleteConfirmed
            }
            Err(error) => {
                let failure = error.failure();
                tracing::warn!(%operation_id, %failure, "could not resolve an in-doubt delete");
                return Ok(Round::Undecided);
            }
        };
        let name = event.name();
        self.ledger.apply(operation_id, event).await?;
        tracing::info!(%operation_id, arn, event = name, "resolved an in-doubt delete");
        Ok(Round::Ended)
    }
}
