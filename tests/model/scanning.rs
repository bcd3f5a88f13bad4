//! The scan: `reconcile::scan`.

use ivs_ingest_gateway::ledger::{
    Event, State,
    decide::{self, Adopt, AfterScan, RowIds, Scanned},
};

use crate::{
    steps::{ScanStep, Step, Steps},
    world::{Attempt, Configurations, MAX_CREATES, MAX_SENDS, Rule, ScanRun, Scene, World},
};

pub(crate) fn steps(steps: &mut Steps<'_>, gateway: usize) {
    let (scene, from) = (steps.scene, steps.from);
    if !scene.scan {
        return;
    }
    let step = |does| Step::Scan { does, gateway };
    let Some(scan) = from.gateways[gateway].scan else {
        for listed in lists(scene, from) {
            steps.add(step(ScanStep::Lists), |world| {
                world.gateways[gateway].scan = Some(world.scan(&listed));
            });
        }
        return;
    };
    let mut read_all = true;
    for create in 0..MAX_CREATES {
        for attempt in (0..MAX_SENDS).filter(|attempt| scan.unknown[create][*attempt]) {
            read_all = false;
            steps.add(step(ScanStep::Reads { create, attempt }), |world| {
                world.read_unknown(scene, gateway, create, attempt);
            });
        }
    }
    if read_all {
        steps.add(step(ScanStep::EndsScan), |world| world.end_scan(scene, gateway, &scan));
    }
}

/// The possible lists: all configurations, or all but some of the newest.
fn lists(scene: &Scene, from: &World) -> Vec<Configurations> {
    let mut lists = vec![[[false; MAX_SENDS]; MAX_CREATES]];
    for (index, create) in from.minted() {
        for attempt in create.made() {
            let without = lists.clone();
            for list in &mut lists {
                list[index][attempt] = true;
            }
            let is_new =
                |stage| matches!(stage, Attempt::Made { age } if age < scene.times.shown_after);
            if is_new(create.attempts[attempt]) {
                lists.extend(without);
            }
        }
    }
    lists
}

impl World {
    /// A scan after its lists: `Ledger::observe`.
    fn scan(&mut self, listed: &Configurations) -> ScanRun {
        let mut scan = ScanRun { unknown: *listed, unseen: [false; MAX_CREATES] };
        for (index, listed) in listed.iter().enumerate() {
            let Some(row) = &mut self.creates[index].row else { continue };
            let Some(arn) = row.arn.map(usize::from) else { continue };
            scan.unknown[index][arn] = false;
            if listed[arn] {
                row.missed = 0;
            }
            scan.unseen[index] = row.state == State::Live && !listed[arn];
        }
        scan
    }

    /// Reads a configuration without a row, and adopts it if it carries the gateway's tags.
    fn read_unknown(&mut self, scene: &Scene, gateway: usize, create: usize, attempt: usize) {
        if let Some(scan) = &mut self.gateways[gateway].scan {
            scan.unknown[create][attempt] = false;
        }
        if !matches!(self.creates[create].attempts[attempt], Attempt::Made { .. }) {
            return;
        }
        match self.adopt(u8::try_from(create).unwrap(), attempt) {
            // The gateway deletes a duplicate. A second configuration gets a row of its own, which
            // the tenant deletes.
            Ok(
                Adopt::Duplicate { .. }
                | Adopt::Insert(RowIds::New | RowIds::NewRequestId)
                | Adopt::ApplyToCreate(RowIds::New | RowIds::NewRequestId),
            ) => {
                self.creates[create].attempts[attempt] = Attempt::Nothing;
            }
            Ok(Adopt::Insert(_) | Adopt::ApplyToOwner | Adopt::ApplyToCreate(_)) => {
                self.gateways[gateway].resolver.absent[create] = None;
            }
            Ok(Adopt::UnderWay) => {}
            // The scan fails, and the next one starts from the beginning.
            Err(_) => self.gateways[gateway].scan = None,
        }
        if scene.broken == Some(Rule::RebuildIsWhole) {
            // A ledger that is not empty counts as one that was never lost.
            self.rebuilt |= self.creates.iter().any(|create| create.row.is_some());
        }
    }

    /// `Ledger::finish_scan`, and a read of each row that two scans have not listed.
    fn end_scan(&mut self, scene: &Scene, gateway: usize, scan: &ScanRun) {
        self.gateways[gateway].scan = None;
        self.gateways[gateway].complete = true;
        self.rebuilt = true;
        for index in (0..scene.creates).filter(|index| scan.unseen[*index]) {
            let create = &mut self.creates[index];
            let Some(row) = create.row.as_mut() else { continue };
            // The row was live before the scan, which did not list it.
            let (updated_at, scan_began) = (0, 1);
            let missed_scans = u32::from(row.missed);
            let scanned = Scanned { state: row.state, updated_at, observed_at: None, missed_scans };
            let AfterScan { missed_scans, is_missing } = decide::finish_scan(&scanned, scan_began);
            row.missed = u8::try_from(missed_scans).unwrap();
            if !is_missing {
                continue;
            }
            row.missed = 0;
            let arn = row.arn.map_or(0, usize::from);
            if create.attempts[arn] == Attempt::Nothing {
                let _ = self.apply(u8::try_from(index).unwrap(), &Event::Vanished, None);
            }
        }
    }
}
