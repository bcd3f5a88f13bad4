//! Compares the configurations at AWS, the rows of the ledger, and what callers received.

use std::{collections::BTreeSet, io};

use invariants::{Configuration, FinalState, Invariant};
use ivs_ingest_gateway::request::MANAGED_TAG_PREFIX;

use super::Simulation;
use crate::plan::Fault;

impl Simulation {
    /// Checks after a start that the ledger has what callers have received. A failed commit may
    /// lose an outcome, an earlier copy does not have it, and an empty account releases it.
    pub(super) fn check_recorded(&self) {
        let now = self.clock.elapsed();
        let is_elsewhere =
            |fault: &Fault| matches!(fault, Fault::WrongEndpoint { from, .. } if *from <= now);
        let may_miss =
            self.disk.has_failed() || self.is_restored || self.plan.faults.iter().any(is_elsewhere);
        if may_miss {
            return;
        }
        let rows = self.disk.rows().unwrap_or_default();
        let live = rows.into_iter().filter(|row| row.is_resolved() && row.uses_quota());
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
        let at_aws = self.account.snapshot().ingest_configurations.into_iter();
        let configurations = at_aws.map(|it| {
            let tag = |name: &str| {
                it.tags.get(&format!("{MANAGED_TAG_PREFIX}{name}")).cloned().unwrap_or_default()
            };
            Configuration {
                request: (tag("tenant"), tag("request-id")),
                stream_key: it.stream_keys.first().cloned().unwrap_or_default(),
                arn: it.arn,
            }
        });
        let state = FinalState {
            configurations: &configurations.collect::<Vec<_>>(),
            rows: &self.disk.rows().map_err(io::Error::other)?,
            received: &self.history.kept(),
            rejected: &self.history.rejected(),
        };
        for violation in state.violations() {
            self.history.violated(violation.invariant, violation.detail);
        }
        Ok(())
    }
}
