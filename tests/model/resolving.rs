//! The resolver: `reconcile::resolver`. The steps of a round are separate, so that all
//! other steps can occur between them.

use ivs_ingest_gateway::{
    ledger::{Event, State},
    reconcile::rules::{self, Absence, MIN_EMPTY_PROBES},
};

use crate::{
    ledger::found,
    memory::{InDoubt, Probe, Resolver, Schedule},
    scene::{Rule, Scene},
    sets::{Arn, Set},
    steps::{ResolutionStep, Step, Steps},
    world::{Attempt, World},
};

pub(crate) fn steps(steps: &mut Steps<'_>, gateway: usize) {
    let (scene, from) = (steps.scene, steps.from);
    let resolver = &from.gateways[gateway].resolver;
    let step = |does| Step::Resolver { does, gateway };
    if resolver.probe.is_some() {
        steps.add(step(ResolutionStep::Concludes), |world| world.conclude(scene, gateway));
        return;
    }
    if resolver.round.iter().all(Option::is_none) {
        steps.add(step(ResolutionStep::ReadsInDoubt), |world| world.read_in_doubt(scene, gateway));
    }
    for (create, in_doubt) in resolver.round.iter().enumerate() {
        let Some(in_doubt) = *in_doubt else { continue };
        for shown in shown(scene, from, create) {
            steps.add(step(ResolutionStep::Probes { create }), |world| {
                let resolver = &mut world.gateways[gateway].resolver;
                resolver.round[create] = None;
                resolver.probe = Some(resolver.probe(scene, create, in_doubt, shown));
            });
        }
        steps.add(step(ResolutionStep::ProbeFails { create }), |world| {
            world.gateways[gateway].resolver.round[create] = None;
        });
    }
}

/// The configurations of a create, as a list and reads of tags show them.
#[derive(Debug, Clone, Copy, Default)]
struct Shown {
    tagged: Set,
    untagged: Set,
}

/// The possible lists of a create's configurations without a row: all of them, or all but
/// some of the newest. A read may not show the tags of the newest yet.
fn shown(scene: &Scene, from: &World, create: usize) -> Vec<Shown> {
    let mut lists = vec![Shown::default()];
    for (attempt, attempt_state) in from.creates[create].attempts.iter().enumerate() {
        let Attempt::Made { age } = attempt_state else { continue };
        if from.owner(Arn::of(create, attempt)).is_some() {
            continue;
        }
        let without = lists.clone();
        for list in &mut lists {
            list.tagged.insert(attempt);
        }
        if *age < scene.times.tags_after {
            lists.extend(without.iter().map(|list| {
                let mut list = *list;
                list.untagged.insert(attempt);
                list
            }));
        }
        if *age < scene.times.shown_after {
            lists.extend(without);
        }
    }
    lists
}

impl Scene {
    fn absence(&self, empty_probes: u8, age: u8) -> Absence {
        if self.lacks(Rule::AbsenceTakesTime) {
            return Absence::Proved;
        }
        let times = &self.times;
        rules::absence(empty_probes.into(), &age, &times.retry_after, &times.give_up_after)
    }
}

impl Resolver {
    /// Reads the tags of the listed configurations. One without tags is foreign if two reads did
    /// not find them, with so much time between that they cannot be late: `reconcile::tags_read`.
    /// The tags of a foreign one are not read again.
    fn probe(&mut self, scene: &Scene, create: usize, in_doubt: InDoubt, shown: Shown) -> Probe {
        let Shown { mut tagged, untagged } = shown;
        let mut undecided = false;
        let waits = !scene.lacks(Rule::TagsMayBeLate);
        for attempt in untagged.iter() {
            let arn = Arn::of(create, attempt);
            let age = self.untagged.get(arn).unwrap_or(0);
            if waits && age < scene.times.retry_after {
                self.untagged.set(arn, age);
                undecided = true;
            } else {
                self.untagged.mark(arn);
            }
        }
        for attempt in tagged.iter() {
            let arn = Arn::of(create, attempt);
            if self.untagged.is_marked(arn) {
                tagged.remove(attempt);
            } else {
                self.untagged.remove(arn);
            }
        }
        let InDoubt { sending, age } = in_doubt;
        let seen_age = self.schedules[create].map_or(0, |schedule| schedule.seen_age);
        let of_both = !scene.lacks(Rule::AgeIsOfBothClocks);
        let age = if of_both { rules::age(age, seen_age) } else { age };
        let create = u8::try_from(create).unwrap();
        Probe { create, sending, age, found: tagged, undecided }
    }

    /// Clears the memory of a create that is resolved.
    pub(crate) fn forget(&mut self, create: usize) {
        self.schedules[create] = None;
        self.absent[create] = None;
    }
}

impl World {
    /// Reads the rows in doubt. New rows, and rows that were sent again, get a new schedule.
    fn read_in_doubt(&mut self, scene: &Scene, gateway: usize) {
        let resolver = &mut self.gateways[gateway].resolver;
        for (index, create) in self.creates.iter().enumerate() {
            let Some(row) = create.row.filter(|row| row.state == State::InDoubt) else {
                resolver.forget(index);
                continue;
            };
            let kept = resolver.schedules[index].filter(|kept| kept.sending == row.sends);
            if kept.is_none() {
                resolver.absent[index] = None;
            }
            let seen_age = if scene.counts_seen_age() { 0 } else { scene.times.give_up_after };
            let new = Schedule { sending: row.sends, empty_probes: 0, seen_age };
            resolver.schedules[index] = Some(kept.unwrap_or(new));
            resolver.round[index] = Some(InDoubt { sending: row.sends, age: row.age });
        }
    }

    /// Applies the conclusion of a probe. Other steps may have occurred since the probe.
    fn conclude(&mut self, scene: &Scene, gateway: usize) {
        let Some(probe) = self.gateways[gateway].resolver.probe.take() else { return };
        let Probe { create, sending, age, found: found_at, undecided } = probe;
        let index = usize::from(create);
        let sending = scene.is_of_one_sending().then_some(sending);
        if let Some(kept) = found_at.iter().next() {
            let arn = Some(Arn::of(index, kept));
            if self.apply_to(scene, create, sending, &found(), arn).is_ok() {
                self.gateways[gateway].resolver.forget(index);
            }
            return;
        }
        let resolver = &mut self.gateways[gateway].resolver;
        let Some(schedule) = &mut resolver.schedules[index] else { return };
        if undecided {
            return;
        }
        let empty_probes = u8::try_from(MIN_EMPTY_PROBES).unwrap();
        schedule.empty_probes = empty_probes.min(schedule.empty_probes + 1);
        match scene.absence(schedule.empty_probes, age) {
            Absence::Unproved => {}
            Absence::MayResend => resolver.absent[index] = Some(probe.sending),
            Absence::Proved => {
                if self.apply_to(scene, create, sending, &Event::Absent, None).is_ok() {
                    self.gateways[gateway].resolver.forget(index);
                }
            }
        }
    }
}
