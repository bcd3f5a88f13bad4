//! The end of a scan, and the comparison at a start: `reconcile::scan`.

use ivs_ingest_gateway::{
    ledger::{
        Comparison, Event, State,
        decide::{self, AfterScan, MAX_MISSED_SCANS, Scanned},
    },
    reconcile::rules,
};

use crate::{
    deletes::Read,
    ledger::{AFTER, AT, BEFORE},
    memory::{Comparing, Gateway, ScanRun},
    scene::{Part, Rule, Scene},
    sets::Set,
    world::World,
};

impl World {
    /// `Ledger::finish_scan`, a read of each row that two scans have not listed, and the
    /// conclusion about the ledger.
    pub(crate) fn end_scan(&mut self, scene: &Scene, gateway: usize, scan: &ScanRun) {
        self.gateways[gateway].scan = None;
        let missing = self.missing(scan);
        // A row that AWS may not show yet does not count as missing.
        let counted = missing.iter().filter(|row| !self.is_young(scene, *row)).count();
        let live = self.minted().filter(|(_, it)| it.state() == Some(State::Live)).count();
        let most_are_missing = rules::most_are_missing(counted, live, usize::from(scan.known))
            && !scene.lacks(Rule::MostMissingReleasesNone);
        if !most_are_missing {
            for row in missing.iter() {
                self.confirm_gone(scene, row);
            }
        }
        self.record_comparison(scene, gateway, scan, most_are_missing);
    }

    /// Counts the scans that missed each row. Returns the rows that must be read.
    fn missing(&mut self, scan: &ScanRun) -> Set {
        let mut missing = Set::default();
        for (index, create) in self.creates.iter_mut().enumerate() {
            let Some(row) = create.row.as_mut().filter(|row| row.arn.is_some()) else { continue };
            // An unseen row was live before the scan, which did not list it.
            let updated_at = if scan.unseen.contains(index) { BEFORE } else { AFTER };
            let missed_scans = u32::from(row.missed);
            let scanned = Scanned { state: row.state, updated_at, observed_at: None, missed_scans };
            let AfterScan { missed_scans, is_missing } = decide::finish_scan(&scanned, AT);
            row.missed = u8::try_from(missed_scans.min(MAX_MISSED_SCANS)).unwrap();
            if is_missing {
                missing.insert(index);
            }
        }
        missing
    }

    fn confirm_gone(&mut self, scene: &Scene, index: usize) {
        let not_found = self.reads(scene, index).contains(&Read::NotFound);
        let is_kept = self.is_young(scene, index) && !scene.lacks(Rule::NewRowsAreKept);
        if (not_found && !is_kept) || scene.lacks(Rule::MissingIsRead) {
            let _ = self.apply_at(scene, index, &Event::Vanished);
        } else if !not_found && let Some(row) = &mut self.creates[index].row {
            row.missed = 0;
        }
    }

    /// `Comparing::record` at a start, and `Scan::publish` later.
    fn record_comparison(
        &mut self,
        scene: &Scene,
        gateway: usize,
        scan: &ScanRun,
        most_are_missing: bool,
    ) {
        let Gateway { comparing, complete, .. } = &mut self.gateways[gateway];
        let Some(Comparing { scans_without_finds, since_start }) = comparing else {
            *complete = !most_are_missing;
            return;
        };
        // A configuration that cannot be read is ignored after a time.
        let is_ignored = !scene.has(Part::Foreign) || *since_start >= scene.times.give_up_after;
        let is_proof = !scan.finds && !scan.unreadable && !most_are_missing && is_ignored;
        *scans_without_finds = if is_proof { 2.min(*scans_without_finds + 1) } else { 0 };
        if scan.finds {
            self.comparison = Comparison::TwoScans as u8;
        }
        let one_suffices = scene.lacks(Rule::TwoScansCompare) && *scans_without_finds > 0;
        let scans = if one_suffices { 2 } else { u32::from(*scans_without_finds) };
        let is_late = scan.is_late || scene.lacks(Rule::ComparisonWaits);
        if Comparison::from_code(self.comparison).is_met(scans, is_late) {
            *comparing = None;
            *complete = true;
            self.comparison = Comparison::NotNeeded as u8;
        }
    }
}
