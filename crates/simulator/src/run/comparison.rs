//! Compares the configurations at AWS, the rows of the ledger, and what callers received.

use std::{collections::BTreeSet, io};

use invariants::{End, Invariant};

use super::World;
use crate::plan::Fault;

impl World {
    /// Checks after a start that the ledger has what callers have received.
    pub(super) fn check_recorded(&self) {
        let can_lose = |fault: &Fault| {
            matches!(
                fault,
                Fault::Commit { .. } | Fault::Restore { .. } | Fault::WrongEndpoint { .. }
            )
        };
        if self.plan.faults.iter().any(can_lose) {
            return;
        }
        let rows = self.disk.rows().unwrap_or_default();
        let live = rows.into_iter().filter(|row| row.is_resolved && row.uses_quota);
        let live: BTreeSet<_> = live.filter_map(|row| row.arn).collect();
        for received in self.history.kept() {
            if !live.contains(&received.arn) {
                let detail = format!("{} was returned, and is not LIVE", received.arn);
                self.history.violated(Invariant::Recorded, detail);
            }
        }
    }

    /// Compares AWS, the ledger and the callers.
    pub(super) fn compare(&self) -> io::Result<()> {
        let end = End {
            configurations: &self.history.existing(),
            rows: &self.disk.rows().map_err(io::Error::other)?,
            received: &self.history.kept(),
            // Checked at each response, because a later create may be executed.
            rejected: &[],
        };
        for violation in end.violations() {
            self.history.violated(violation.invariant, violation.detail);
        }
        Ok(())
    }
}
