//! The sweep: `sweep`.

use ivs_ingest_gateway::ledger::{
    Event, State,
    decide::{self, Adopt, AfterScan, Scanned},
};

use crate::{
    steps::{Step, Steps, Sweeps},
    world::{Attempt, Configurations, MAX_CREATES, MAX_SENDS, Rule, Scene, Walk, World},
};

pub(crate) fn steps(steps: &mut Steps<'_>, gateway: usize) {
    let (scene, from) = (steps.scene, steps.from);
    if !scene.sweep {
        return;
    }
    let step = |does| Step::Sweep { does, gateway };
    let Some(walk) = from.gateways[gateway].sweep else {
        for listed in lists(scene, from) {
            steps.add(step(Sweeps::Lists), |world| {
                world.gateways[gateway].sweep = Some(world.walk(&listed));
            });
        }
        return;
    };
    let mut looked_into_all = true;
    for create in 0..MAX_CREATES {
        for attempt in (0..MAX_SENDS).filter(|attempt| walk.unknown[create][*attempt]) {
            looked_into_all = false;
            steps.add(step(Sweeps::LooksInto { create, attempt }), |world| {
                world.look_into(scene, gateway, create, attempt);
            });
        }
    }
    if looked_into_all {
        steps.add(step(Sweeps::EndsWalk), |world| world.end_walk(scene, gateway, &walk));
    }
}

/// What a list can show: all, or all but some of the newest.
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
    /// A walk that has listed: `Ledger::observe`.
    fn walk(&mut self, listed: &Configurations) -> Walk {
        let mut walk = Walk { unknown: *listed, unseen: [false; MAX_CREATES] };
        for (index, listed) in listed.iter().enumerate() {
            let Some(row) = &mut self.creates[index].row else { continue };
            let Some(arn) = row.arn.map(usize::from) else { continue };
            walk.unknown[index][arn] = false;
            if listed[arn] {
                row.missed = 0;
            }
            walk.unseen[index] = row.state == State::Live && !listed[arn];
        }
        walk
    }

    /// Reads one that has no row, and adopts it if it is ours.
    fn look_into(&mut self, scene: &Scene, gateway: usize, create: usize, attempt: usize) {
        if let Some(walk) = &mut self.gateways[gateway].sweep {
            walk.unknown[create][attempt] = false;
        }
        if !matches!(self.creates[create].attempts[attempt], Attempt::Made { .. }) {
            return;
        }
        match self.adopt(u8::try_from(create).unwrap(), attempt) {
            Ok(Adopt::Insert | Adopt::Apply) => {
                self.gateways[gateway].settler.absent[create] = None;
            }
            // The gateway deletes the one and reports the other, which an operator deletes.
            Ok(Adopt::Orphan { .. } | Adopt::Displaced) => {
                self.creates[create].attempts[attempt] = Attempt::Nothing;
            }
            Ok(Adopt::UnderWay) => {}
            // The walk ends early, and the next one begins anew.
            Err(_) => self.gateways[gateway].sweep = None,
        }
        if scene.broken == Some(Rule::RebuildIsWhole) {
            // A ledger that is not empty passes for one that was never lost.
            self.rebuilt |= self.creates.iter().any(|create| create.row.is_some());
        }
    }

    /// `Ledger::finish_scan`, and a read of each row that two walks have missed.
    fn end_walk(&mut self, scene: &Scene, gateway: usize, walk: &Walk) {
        self.gateways[gateway].sweep = None;
        self.gateways[gateway].complete = true;
        self.rebuilt = true;
        for index in (0..scene.creates).filter(|index| walk.unseen[*index]) {
            let create = &mut self.creates[index];
            let Some(row) = create.row.as_mut() else { continue };
            // It was live before the scan, which did not see it.
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
