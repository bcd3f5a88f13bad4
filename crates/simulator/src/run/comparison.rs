//! Compares the configurations at AWS, the rows of the ledger, and what callers received.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use ivs_ingest_gateway::ledger::State;

use super::World;
use crate::{
    disk::Row,
    history::{Creation, Invariant},
    plan::Fault,
};

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
        let live = rows.iter().filter(|row| row.state == State::Live);
        let live: BTreeSet<_> = live.filter_map(|row| row.arn.clone()).collect();
        for arn in self.history.kept().difference(&live) {
            self.history
                .violated(Invariant::Recorded, format!("{arn} was returned, and is not LIVE"));
        }
    }

    /// Compares AWS with the ledger.
    pub(super) fn compare(&self) -> io::Result<()> {
        let existing = self.history.existing();
        let rows = self.disk.rows().map_err(io::Error::other)?;
        self.compare_rows(&existing, &rows);
        let mut by_request: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (arn, creation) in &existing {
            by_request.entry(&creation.request).or_default().push(arn);
        }
        for (request, arns) in by_request {
            if arns.len() > 1 {
                let detail = format!("{request:?} has {arns:?}");
                self.history.violated(Invariant::OneConfiguration, detail);
            }
        }
        for arn in self.history.kept() {
            if !existing.contains_key(&arn) {
                let detail = format!("{arn} was returned, and does not exist");
                self.history.violated(Invariant::KeyStaysValid, detail);
            }
        }
        Ok(())
    }

    fn compare_rows(&self, existing: &BTreeMap<String, Creation>, rows: &[Row]) {
        let held = rows.iter().filter(|row| row.state.counts_against_quota());
        let mut by_arn: BTreeMap<&str, &Row> = BTreeMap::new();
        for row in held {
            match &row.arn {
                Some(arn) if existing.contains_key(arn) => {
                    by_arn.insert(arn, row);
                }
                _ => self
                    .history
                    .violated(Invariant::QuotaIsTrue, format!("holds quota without AWS: {row:?}")),
            }
        }
        for (arn, creation) in existing {
            match by_arn.get(arn.as_str()) {
                Some(row) if row.tenant == creation.request.0 => {}
                _ => {
                    let detail = format!("{arn} of {:?} uses no quota", creation.request);
                    self.history.violated(Invariant::QuotaIsTrue, detail);
                }
            }
        }
    }
}

/// Whether no task must act on the row.
pub(super) fn is_resolved(row: &Row) -> bool {
    matches!(row.state, State::Live | State::Deleted | State::Rejected)
}
