//! The rows whose configuration AWS no longer has.

use std::time::SystemTime;

use super::{super::rules, Problem, Scan};
use crate::{
    clock::is_younger,
    ivs::FailureKind,
    ledger::{Event, LedgerError, UnconfirmedRow},
};

impl Scan {
    /// Releases the rows that two scans have missed, and that a read does not find. Releases none,
    /// and returns true, if [`rules::most_are_missing`].
    pub(super) async fn release_all(
        &mut self,
        scan_began: SystemTime,
        known: usize,
    ) -> Result<bool, LedgerError> {
        let missed = self.ledger.finish_scan(scan_began).await?;
        let live = self.ledger.count_live().await?;
        let missing = missed.iter().filter(|row| !self.may_be_invisible(row)).count();
        let all = usize::try_from(live).unwrap_or(0);
        let most_are_missing = rules::most_are_missing(missing, all, known);
        self.metrics.missing.set(i64::try_from(missing).unwrap_or(i64::MAX));
        self.problems.set(Problem::MostAreMissing, most_are_missing);
        if most_are_missing {
            tracing::error!(
                missing,
                live,
                "AWS does not list most of the configurations of the ledger, so no row is released; correct the endpoint, the region or the credentials, or, if the configurations were deleted without the gateway, stop it and move the ledger away"
            );
            return Ok(true);
        }
        for missed in missed {
            self.confirm_gone(missed).await?;
        }
        Ok(false)
    }

    /// Whether AWS may not show the configuration of the row yet, because it is new.
    fn may_be_invisible(&self, row: &UnconfirmedRow) -> bool {
        is_younger(row.sent_at, self.clock.wall(), self.config.visible_after)
    }

    /// Reads a configuration that two scans have not listed. Only a read that does not find it
    /// releases its quota: an empty list may be a list of the wrong account or region.
    async fn confirm_gone(&mut self, missed: UnconfirmedRow) -> Result<(), LedgerError> {
        let may_be_invisible = self.may_be_invisible(&missed);
        let UnconfirmedRow { operation_id, arn, .. } = missed;
        let at = self.clock.wall();
        match self.read(&arn).await {
            Ok(response) => {
                self.ledger.observe(vec![response.value.summary().observation(at)]).await?;
            }
            Err(error) if error.failure().kind == FailureKind::NotFound => {
                if may_be_invisible {
                    return Ok(());
                }
                self.ledger.apply(operation_id, Event::Vanished).await?;
                self.metrics.vanished.inc();
                tracing::warn!(%operation_id, arn, "a configuration no longer exists at AWS; its quota is released");
            }
            Err(error) => {
                let failure = error.failure();
                tracing::warn!(%operation_id, arn, %failure, "could not read a configuration that AWS does not list");
            }
        }
        Ok(())
    }
}
