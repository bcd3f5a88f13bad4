//! The scan: `reconcile::scan`. Its end, and the comparison at a start, are in `comparing`.

use ivs_ingest_gateway::ledger::{
    Comparison, State,
    decide::{self, Adopt, RowIds},
};

use crate::{
    ledger::{AFTER, AT, BEFORE},
    memory::{Gateway, ScanPhase, ScanRun},
    scene::{Part, Rule, Scene},
    sets::{Arn, Set},
    steps::{ScanStep, Step, Steps},
    world::{Attempt, World},
};

pub(crate) fn steps(steps: &mut Steps<'_>, gateway: usize) {
    let (scene, from) = (steps.scene, steps.from);
    if !scene.has(Part::Scan) {
        return;
    }
    let mut add = |does, change: &dyn Fn(&mut World)| {
        steps.add(Step::Scan { does, gateway }, change);
    };
    let Some(scan) = from.gateways[gateway].scan else {
        for listed in lists(scene, from) {
            add(ScanStep::Lists, &|world| {
                let page = if scene.has(Part::Pages) { listed.first() } else { listed };
                world.gateways[gateway].scan = Some(world.begin_scan(scene, gateway));
                world.receive(scene, gateway, page, !scene.has(Part::Pages));
            });
        }
        return;
    };
    match scan.phase {
        ScanPhase::Arrived { .. } => {
            add(ScanStep::RecordsPage, &|world| world.observe(scene, gateway));
        }
        ScanPhase::FirstPage => {
            // The token of the second page is the number of the configurations before it.
            for listed in lists(scene, from) {
                add(ScanStep::ListsRest, &|world| {
                    world.receive(scene, gateway, listed.without_first(), true);
                });
            }
        }
        ScanPhase::Listed => {
            if let Some(arn) = scan.adopting {
                add(ScanStep::Adopts, &|world| world.adopt_unknown(scene, gateway, arn));
                return;
            }
            for arn in scan.unknown.arns() {
                read_steps(&mut add, scene, from, gateway, arn);
            }
            if scan.foreign {
                add(ScanStep::CannotReadForeign, &|world| {
                    let scan = &mut world.gateways[gateway].scan;
                    match scan {
                        Some(scan) if !scene.lacks(Rule::UnreadableIsSkipped) => {
                            scan.foreign = false;
                        }
                        _ => *scan = None,
                    }
                });
            } else if scan.unknown.is_empty() {
                add(ScanStep::EndsScan, &|world| world.end_scan(scene, gateway, &scan));
            }
        }
    }
}

/// The possible lists: all configurations, or all but some of the newest.
fn lists(scene: &Scene, from: &World) -> Vec<Set> {
    let mut lists = vec![Set::default()];
    if from.other_account {
        return lists;
    }
    for (arn, age) in from.made() {
        let without = lists.clone();
        for list in &mut lists {
            list.insert(arn.index());
        }
        if age < scene.times.shown_after {
            lists.extend(without);
        }
    }
    lists
}

/// Adds a step of the scan.
type Add<'a> = dyn FnMut(ScanStep, &dyn Fn(&mut World)) + 'a;

/// The reads of the tags and then of the fields of a configuration without a row, and its
/// adoption if it carries the gateway's tags.
fn read_steps(add: &mut Add<'_>, scene: &Scene, from: &World, gateway: usize, arn: Arn) {
    let (create, attempt) = (arn.create(), arn.attempt());
    let Attempt::Made { age } = from.attempt(arn) else {
        add(ScanStep::FindsNone { create, attempt }, &|world| world.read(gateway, arn, false));
        return;
    };
    if from.other_account || age < scene.times.tags_after {
        add(ScanStep::FindsNone { create, attempt }, &|world| world.read(gateway, arn, false));
    }
    if scene.has(Part::LateReads) && age < scene.times.shown_after {
        add(ScanStep::IsNotShown { create, attempt }, &|world| world.read(gateway, arn, true));
    }
    if scene.has(Part::FailingReads) {
        let counts = !scene.lacks(Rule::UnreadableIsNoProof);
        add(ScanStep::CannotRead { create, attempt }, &|world| world.read(gateway, arn, counts));
    }
    if !from.other_account {
        add(ScanStep::Reads { create, attempt }, &|world| {
            world.read(gateway, arn, false);
            if let Some(scan) = &mut world.gateways[gateway].scan {
                scan.adopting = Some(arn);
            }
            // Without deletes, no step between the read and the adoption matters.
            if !scene.has(Part::Deletes) {
                world.adopt_unknown(scene, gateway, arn);
            }
        });
    }
}

impl World {
    fn begin_scan(&self, scene: &Scene, gateway: usize) -> ScanRun {
        let mut unseen = Set::default();
        for (index, create) in self.minted() {
            if create.state() == Some(State::Live) && create.arn().is_some() {
                unseen.insert(index);
            }
        }
        let foreign = scene.has(Part::Foreign);
        let comparing = self.gateways[gateway].comparing;
        let is_late =
            comparing.is_some_and(|comparing| comparing.since_start >= scene.times.retry_after);
        ScanRun { foreign, unseen, is_late, ..ScanRun::default() }
    }

    /// A page arrives. Without deletes, no step between its arrival and its record matters.
    fn receive(&mut self, scene: &Scene, gateway: usize, page: Set, is_last: bool) {
        let Some(scan) = &mut self.gateways[gateway].scan else { return };
        scan.page = page;
        scan.phase = ScanPhase::Arrived { is_last };
        if !scene.has(Part::Deletes) {
            self.observe(scene, gateway);
        }
    }

    /// Records a page: `Ledger::observe`.
    fn observe(&mut self, scene: &Scene, gateway: usize) {
        let Some(mut scan) = self.gateways[gateway].scan else { return };
        for arn in scan.page.arns() {
            let Some(owner) = self.owner(arn) else {
                scan.unknown.insert(arn.index());
                continue;
            };
            scan.unseen.remove(owner);
            let Some(row) = &mut self.creates[owner].row else { continue };
            row.missed = 0;
            let updated_at = if scan.ended.contains(owner) { AFTER } else { BEFORE };
            let restores = !scene.lacks(Rule::EndedRowsAreRestored);
            if decide::contradicts_end(row.state, updated_at, AT) && restores {
                scan.unknown.insert(arn.index());
            } else {
                scan.known = true;
            }
        }
        let is_last = scan.phase != ScanPhase::Arrived { is_last: false };
        scan.phase = if is_last { ScanPhase::Listed } else { ScanPhase::FirstPage };
        scan.page = Set::default();
        scan.ended = Set::default();
        self.gateways[gateway].scan = Some(scan);
    }

    /// Ends the read of a configuration. `is_unreadable`: it is the gateway's, and was not read.
    fn read(&mut self, gateway: usize, arn: Arn, is_unreadable: bool) {
        if let Some(scan) = &mut self.gateways[gateway].scan {
            scan.unknown.remove(arn.index());
            scan.unreadable |= is_unreadable;
        }
    }

    /// Whether the configuration has a row that has not ended before the read.
    fn has_current_row(&self, scene: &Scene, gateway: usize, arn: Arn) -> bool {
        let ended = self.gateways[gateway].scan.map_or(Set::default(), |scan| scan.ended);
        self.owner(arn).is_some_and(|owner| {
            let updated_at = if ended.contains(owner) { AFTER } else { BEFORE };
            let state = self.creates[owner].state();
            !state.is_some_and(|state| decide::contradicts_end(state, updated_at, AT))
                && !scene.lacks(Rule::AdoptionIsOfTheRead)
        })
    }

    /// Adopts a configuration, or deletes it as a duplicate.
    fn adopt_unknown(&mut self, scene: &Scene, gateway: usize, arn: Arn) {
        let had_row = self.owner(arn).or(self.creates[arn.create()].row.map(|_| arn.create()));
        let had_ended = had_row
            .and_then(|row| self.creates[row].state())
            .is_some_and(|state| !state.counts_against_quota());
        let is_complete = self.gateways[gateway].complete;
        if self.has_current_row(scene, gateway, arn) {
            if let Some(scan) = &mut self.gateways[gateway].scan {
                scan.adopting = None;
                scan.ended = Set::default();
            }
            return;
        }
        let adopted = self.adopt(scene, arn, is_complete);
        let Gateway { scan, resolver, .. } = &mut self.gateways[gateway];
        let Some(run) = scan else { return };
        run.adopting = None;
        run.ended = Set::default();
        match adopted {
            Ok(Adopt::Duplicate { .. }) => {
                self.creates[arn.create()].attempts[arn.attempt()] = Attempt::Nothing;
                self.key_deleted |= self.keys.contains(arn.index());
            }
            Ok(Adopt::Insert(ids)) => {
                run.finds = true;
                if ids != RowIds::New {
                    resolver.absent[arn.create()] = None;
                }
            }
            Ok(Adopt::ApplyToOwner | Adopt::ApplyToCreate(_)) => {
                run.finds |= had_ended;
                resolver.absent[arn.create()] = None;
            }
            Ok(Adopt::UnderWay) => {}
            // The scan fails, and the next one starts from the beginning.
            Err(_) => *scan = None,
        }
        if scene.lacks(Rule::RebuildIsWhole)
            && self.creates.iter().any(|create| create.row.is_some())
        {
            // A ledger that is not empty counts as one that was never lost.
            self.comparison = Comparison::NotNeeded as u8;
        }
    }
}
