//! The resolver: `reconcile::resolver`. The steps of a round are separate, so that all
//! other steps can occur between them.

use ivs_ingest_gateway::ledger::{Event, State};

use crate::{
    ledger::found,
    steps::{ResolutionStep, Step, Steps},
    world::{
        Attempt, InDoubt, MAX_SENDS, MIN_EMPTY_PROBES, Probe, Resolver, Rule, Scene, Schedule,
        World,
    },
};

/// The conclusion from probes that found nothing.
enum Absence {
    Unproved,
    MayResend,
    Proved,
}

pub(crate) fn steps(steps: &mut Steps<'_>, gateway: usize) {
    let (scene, from) = (steps.scene, steps.from);
    let resolver = &from.gateways[gateway].resolver;
    let step = |does| Step::Resolver { does, gateway };
    if resolver.probe.is_some() {
        steps.add(step(ResolutionStep::Concludes), |world| world.conclude(scene, gateway));
        return;
    }
    if resolver.round.iter().all(Option::is_none) {
        steps.add(step(ResolutionStep::ReadsInDoubt), |world| world.read_in_doubt(gateway));
    }
    for (create, in_doubt) in resolver.round.iter().enumerate() {
        let Some(in_doubt) = *in_doubt else { continue };
        for found in shown(scene, from, create) {
            steps.add(step(ResolutionStep::Probes { create }), |world| {
                let resolver = &mut world.gateways[gateway].resolver;
                resolver.round[create] = None;
                let create = u8::try_from(create).unwrap();
                resolver.probe = Some(Probe { create, in_doubt, found });
            });
        }
        steps.add(step(ResolutionStep::ProbeFails { create }), |world| {
            world.gateways[gateway].resolver.round[create] = None;
        });
    }
}

/// The possible lists of a create's configurations without a row: all of them, or all but
/// some of the newest.
fn shown(scene: &Scene, from: &World, create: usize) -> Vec<[bool; MAX_SENDS]> {
    let mut lists = vec![[false; MAX_SENDS]];
    for (attempt, stage) in from.creates[create].attempts.iter().enumerate() {
        let Attempt::Made { age } = stage else { continue };
        if from.owns(create, attempt) {
            continue;
        }
        let without = lists.clone();
        for list in &mut lists {
            list[attempt] = true;
        }
        if *age < scene.times.shown_after {
            lists.extend(without);
        }
    }
    lists
}

impl Scene {
    pub(crate) fn is_of_one_sending(&self) -> bool {
        self.broken != Some(Rule::AbsenceIsOfOneSending)
    }

    fn absence(&self, empty_probes: u8, age: u8) -> Absence {
        let times = &self.times;
        if self.broken == Some(Rule::AbsenceTakesTime) {
            Absence::Proved
        } else if empty_probes < MIN_EMPTY_PROBES || age < times.retry_after {
            Absence::Unproved
        } else if age < times.give_up_after {
            Absence::MayResend
        } else {
            Absence::Proved
        }
    }
}

impl World {
    /// Reads the rows in doubt. New rows, and rows that were sent again, get a new schedule.
    fn read_in_doubt(&mut self, gateway: usize) {
        let resolver = &mut self.gateways[gateway].resolver;
        for (index, create) in self.creates.iter().enumerate() {
            let Some(row) = create.row.filter(|row| row.state == State::InDoubt) else {
                resolver.schedules[index] = None;
                resolver.absent[index] = None;
                continue;
            };
            let kept = resolver.schedules[index].filter(|kept| kept.sending == row.sends);
            if kept.is_none() {
                resolver.absent[index] = None;
            }
            let new = Schedule { sending: row.sends, empty_probes: 0 };
            resolver.schedules[index] = Some(kept.unwrap_or(new));
            resolver.round[index] = Some(InDoubt { sending: row.sends, age: row.age });
        }
    }

    /// Applies the conclusion of a probe. Other steps may have occurred since the probe.
    fn conclude(&mut self, scene: &Scene, gateway: usize) {
        let Some(probe) = self.gateways[gateway].resolver.probe.take() else { return };
        let create = probe.create;
        let index = usize::from(create);
        if let Some(kept) = probe.found.iter().position(|found| *found) {
            if self.apply(create, &found(), Some(kept)).is_ok() {
                self.gateways[gateway].resolver.forget(index);
            }
            return;
        }
        let resolver = &mut self.gateways[gateway].resolver;
        let Some(schedule) = &mut resolver.schedules[index] else { return };
        schedule.empty_probes = MIN_EMPTY_PROBES.min(schedule.empty_probes + 1);
        match scene.absence(schedule.empty_probes, probe.in_doubt.age) {
            Absence::Unproved => {}
            Absence::MayResend => resolver.absent[index] = Some(probe.in_doubt.sending),
            Absence::Proved => {
                let sending = scene.is_of_one_sending().then_some(probe.in_doubt.sending);
                if self.apply_to(create, sending, &Event::Absent).is_ok() {
                    self.gateways[gateway].resolver.forget(index);
                }
            }
        }
    }
}

impl Resolver {
    /// Clears the memory of a create that is resolved.
    pub(crate) fn forget(&mut self, create: usize) {
        self.schedules[create] = None;
        self.absent[create] = None;
    }
}
