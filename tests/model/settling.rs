//! Settling: `settle`. The steps of a round are apart, so that everything else can
//! happen between them.

use ivs_ingest_gateway::ledger::{Event, State};

use crate::{
    ledger::found,
    steps::{Settles, Step, Steps},
    world::{
        Attempt, Doubt, Look, MAX_SENDS, MIN_EMPTY_PROBES, Rule, Scene, Schedule, Settler, World,
    },
};

/// What the probes prove that found nothing.
enum Absence {
    Unproved,
    MayResend,
    Proved,
}

pub(crate) fn steps(steps: &mut Steps<'_>, gateway: usize) {
    let (scene, from) = (steps.scene, steps.from);
    let settler = &from.gateways[gateway].settler;
    let step = |does| Step::Settler { does, gateway };
    if settler.look.is_some() {
        steps.add(step(Settles::Concludes), |world| world.conclude(scene, gateway));
        return;
    }
    if settler.round.iter().all(Option::is_none) {
        steps.add(step(Settles::ReadsDoubts), |world| world.read_doubts(gateway));
    }
    for (create, doubt) in settler.round.iter().enumerate() {
        let Some(doubt) = *doubt else { continue };
        for found in shown(scene, from, create) {
            steps.add(step(Settles::Looks { create }), |world| {
                let settler = &mut world.gateways[gateway].settler;
                settler.round[create] = None;
                let create = u8::try_from(create).unwrap();
                settler.look = Some(Look { create, doubt, found });
            });
        }
        steps.add(step(Settles::CannotLook { create }), |world| {
            world.gateways[gateway].settler.round[create] = None;
        });
    }
}

/// What a list can show of a create's configurations that have no row: all, or all
/// but some of the newest.
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
    /// Reads the rows in doubt: new ones, and those that were sent again, start anew.
    fn read_doubts(&mut self, gateway: usize) {
        let settler = &mut self.gateways[gateway].settler;
        for (index, create) in self.creates.iter().enumerate() {
            let Some(row) = create.row.filter(|row| row.state == State::InDoubt) else {
                settler.schedules[index] = None;
                settler.absent[index] = None;
                continue;
            };
            let kept = settler.schedules[index].filter(|kept| kept.sending == row.sends);
            if kept.is_none() {
                settler.absent[index] = None;
            }
            let new = Schedule { sending: row.sends, empty_probes: 0 };
            settler.schedules[index] = Some(kept.unwrap_or(new));
            settler.round[index] = Some(Doubt { sending: row.sends, age: row.age });
        }
    }

    /// Draws the conclusion from a look at AWS, which may be a while ago.
    fn conclude(&mut self, scene: &Scene, gateway: usize) {
        let Some(look) = self.gateways[gateway].settler.look.take() else { return };
        let create = look.create;
        let index = usize::from(create);
        if let Some(kept) = look.found.iter().position(|found| *found) {
            if self.apply(create, &found(), Some(kept)).is_ok() {
                self.gateways[gateway].settler.told(index);
                for orphan in (kept + 1..MAX_SENDS).filter(|orphan| look.found[*orphan]) {
                    self.creates[index].attempts[orphan] = Attempt::Nothing;
                }
            }
            return;
        }
        let settler = &mut self.gateways[gateway].settler;
        let Some(schedule) = &mut settler.schedules[index] else { return };
        schedule.empty_probes = MIN_EMPTY_PROBES.min(schedule.empty_probes + 1);
        match scene.absence(schedule.empty_probes, look.doubt.age) {
            Absence::Unproved => {}
            Absence::MayResend => settler.absent[index] = Some(look.doubt.sending),
            Absence::Proved => {
                let sending = scene.is_of_one_sending().then_some(look.doubt.sending);
                if self.apply_to(create, sending, &Event::Absent).is_ok() {
                    self.gateways[gateway].settler.told(index);
                }
            }
        }
    }
}

impl Settler {
    /// The doubt is over, and who waited knows.
    pub(crate) fn told(&mut self, create: usize) {
        self.schedules[create] = None;
        self.absent[create] = None;
    }
}
