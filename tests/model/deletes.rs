//! A caller's delete: `handlers::delete`, and the resolution of one whose call has ended:
//! `reconcile::resolver::deletes`.

use ivs_ingest_gateway::ledger::{Event, State};

use crate::{
    ledger,
    memory::Later,
    scene::{Part, Rule, Scene},
    sets::Arn,
    steps::{Deletes, Step, Steps},
    world::{Attempt, Create, Delete, World},
};

/// The response to a read of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    Found,
    NotFound,
}

pub(crate) fn steps(steps: &mut Steps<'_>, gateway: usize) {
    let (scene, from) = (steps.scene, steps.from);
    if !scene.has(Part::Deletes) {
        return;
    }
    for (index, create) in from.minted() {
        let Create { row: Some(row), delete, .. } = create else { continue };
        let mut add = |does, change: &dyn Fn(&mut World)| {
            steps.add(Step::Delete { does, gateway, create: index }, change);
        };
        if from.gateways[gateway].deletes.contains(index) {
            call_steps(&mut add, scene, from, gateway, index);
        } else if *delete == Delete::Nothing {
            let may_be_deleted = matches!(row.state, State::Live | State::Deleting);
            if may_be_deleted && row.arn.is_some() {
                add(Deletes::Begins, &|world| world.begin_delete(scene, gateway, index));
                if scene.has(Part::FailedWrites) {
                    add(Deletes::FailsToBegin, &|world| {
                        let _ = world.apply_at(scene, index, &Event::Delete);
                        let create = u8::try_from(index).unwrap();
                        world.record_later(scene, gateway, create, Later::DeleteRefused);
                    });
                }
            }
        }
        // The resolver waits until the ledger is complete.
        if row.state == State::Deleting && from.gateways[gateway].complete {
            for read in from.reads(scene, index) {
                add(Deletes::IsResolved(read), &|world| world.resolve_delete(scene, index, read));
            }
        }
    }
}

/// The steps of a call that has sent its delete.
fn call_steps(
    add: &mut impl FnMut(Deletes, &dyn Fn(&mut World)),
    scene: &Scene,
    from: &World,
    gateway: usize,
    index: usize,
) {
    let ends = |world: &mut World, event: Option<&Event>| {
        world.gateways[gateway].deletes.remove(index);
        let delete = &mut world.creates[index].delete;
        if !matches!(delete, Delete::Sent { .. }) {
            *delete = Delete::Nothing;
        }
        if event == Some(&Event::DeleteConfirmed) {
            world.confirm_delete(scene, index);
        } else if let Some(event) = event {
            let _ = world.apply_at(scene, index, event);
        }
    };
    let not_found = |was_young: bool| {
        let is_young = if scene.lacks(Rule::AgeIsOfTheRequest) {
            from.is_young(scene, index)
        } else {
            was_young
        };
        let believed = !is_young && from.gateways[gateway].complete;
        let believed = believed || scene.lacks(Rule::EarlyNotFoundDeletesNothing);
        believed.then_some(Event::DeleteConfirmed)
    };
    let outcome = match from.creates[index].delete {
        Delete::Done => Some(Event::DeleteConfirmed),
        Delete::Refused => Some(Event::DeleteRefused),
        Delete::NotFound { was_young } => not_found(was_young),
        Delete::Sent { .. } | Delete::Nothing => None,
    };
    if !matches!(from.creates[index].delete, Delete::Sent { .. } | Delete::Nothing) {
        add(Deletes::RecordsResponse, &|world| ends(world, outcome.as_ref()));
        if scene.has(Part::FailedWrites) && outcome.is_some() {
            let is_refused = outcome == Some(Event::DeleteRefused);
            let later = if is_refused { Later::DeleteRefused } else { Later::DeleteConfirmed };
            add(Deletes::FailsToRecord, &|world| {
                ends(world, None);
                let create = u8::try_from(index).unwrap();
                world.record_later(scene, gateway, create, later);
            });
        }
    }
    if scene.lacks(Rule::UnclearDeleteIsRead) {
        add(Deletes::TimesOut, &|world| ends(world, Some(&Event::DeleteConfirmed)));
        return;
    }
    add(Deletes::TimesOut, &|world| ends(world, None));
    if from.reads(scene, index).contains(&Read::NotFound) {
        let event = not_found(from.is_young(scene, index));
        add(Deletes::TimesOutAndReads, &|world| ends(world, event.as_ref()));
    }
}

impl World {
    /// The possible responses to a read of the configuration of a row.
    pub(crate) fn reads(&self, scene: &Scene, row: usize) -> Vec<Read> {
        let exists = self.creates[row].arn().map(|arn| self.attempt(arn));
        match exists {
            Some(Attempt::Made { age }) if !self.other_account => {
                let is_late = scene.has(Part::LateReads) && age < scene.times.shown_after;
                if is_late { vec![Read::Found, Read::NotFound] } else { vec![Read::Found] }
            }
            _ => vec![Read::NotFound],
        }
    }

    fn begin_delete(&mut self, scene: &Scene, gateway: usize, index: usize) {
        let Some(arn) = self.creates[index].arn() else { return };
        let _ = self.apply_at(scene, index, &Event::Delete);
        let is_young = self.is_young(scene, index) || !self.gateways[gateway].complete;
        self.creates[index].delete = Delete::Sent { arn, is_young, age: 0 };
        self.gateways[gateway].deletes.insert(index);
    }

    /// Records that AWS no longer has the configuration. The caller receives that.
    fn confirm_delete(&mut self, scene: &Scene, index: usize) {
        let applied = self.apply_at(scene, index, &Event::DeleteConfirmed);
        if let Some(arn) = self.creates[index].arn().filter(|_| applied.is_ok()) {
            self.confirmed.insert(arn.index());
        }
    }

    fn resolve_delete(&mut self, scene: &Scene, index: usize, read: Read) {
        let is_kept = self.is_young(scene, index) && !scene.lacks(Rule::AbandonedDeletesWait);
        // The lease is longer than a delete can take.
        let runs = self.creates[index].delete != Delete::Nothing;
        let is_abandoned = !runs && ledger::is_abandoned_delete(State::Deleting);
        match read {
            Read::Found if is_abandoned => drop(self.apply_at(scene, index, &Event::DeleteRefused)),
            Read::Found => {}
            Read::NotFound if is_kept => {}
            Read::NotFound => drop(self.apply_at(scene, index, &Event::DeleteConfirmed)),
        }
    }

    /// AWS executes a delete, or rejects it. A call that has ended receives no response.
    pub(crate) fn execute_delete(&mut self, index: usize, arn: Arn, response: Delete) {
        if response == Delete::Done {
            self.creates[arn.create()].attempts[arn.attempt()] = Attempt::Nothing;
        }
        let is_awaited = self.gateways.iter().any(|gateway| gateway.deletes.contains(index));
        self.creates[index].delete = if is_awaited { response } else { Delete::Nothing };
    }
}
