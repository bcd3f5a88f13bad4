//! Crashes, and faults of the machine: the ledger is lost or restored, the clock is set, the
//! calls to AWS go to another account.

use ivs_ingest_gateway::ledger::Comparison;

use crate::{
    ledger,
    memory::{Comparing, Gateway},
    scene::{Part, Rule, Scene},
    steps::{Fault, Step, Steps},
    world::{Delete, MAX_CREATES, Row, World},
};

pub(crate) fn steps(steps: &mut Steps<'_>) {
    let (scene, from) = (steps.scene, steps.from);
    let mut add = |fault, change: &dyn Fn(&mut World)| steps.add(Step::Fault(fault), change);
    for gateway in 0..scene.gateways {
        if scene.has(Part::Crashes) {
            add(Fault::Crash { gateway }, &|world| world.crash(gateway));
        }
    }
    if scene.has(Part::ClockSteps) {
        add(Fault::ClockIsSetForward, &|world| world.set_clock(scene, true));
        add(Fault::ClockIsSetBack, &|world| world.set_clock(scene, false));
    }
    if scene.has(Part::OtherAccount) {
        if from.other_account {
            add(Fault::AccountIsCorrected, &|world| world.other_account = false);
        } else {
            add(Fault::AccountIsWrong, &|world| world.other_account = true);
        }
    }
    if from.ledger_lost {
        return;
    }
    if scene.has(Part::Loss) {
        let trusts = scene.lacks(Rule::CreatesWaitForTheRebuild);
        add(Fault::LedgerIsLost, &|world| {
            world.replace_ledger(scene, &[None; MAX_CREATES], trusts);
        });
    }
    if scene.has(Part::Restore) {
        match from.copy {
            None => add(Fault::LedgerIsCopied, &|world| {
                world.copy = Some(world.creates.map(|create| create.row));
            }),
            Some(copy) => add(Fault::CopyIsRestored, &|world| {
                world.replace_ledger(scene, &copy, scene.lacks(Rule::RestoredIsCompared));
            }),
        }
    }
}

impl World {
    /// Clears the memory of the process. Requests that it has sent remain.
    fn crash(&mut self, gateway: usize) {
        for call in self.gateways[gateway].calls {
            self.abandon(call);
        }
        for row in self.gateways[gateway].deletes.iter() {
            let delete = &mut self.creates[row].delete;
            if !matches!(delete, Delete::Sent { .. }) {
                *delete = Delete::Nothing;
            }
        }
        let complete = self.comparison == Comparison::NotNeeded as u8;
        let comparing = (!complete).then(Comparing::default);
        self.gateways[gateway] = Gateway { comparing, complete, ..Gateway::default() };
    }

    /// Replaces the rows while no process runs. The start takes over all creates.
    fn replace_ledger(
        &mut self,
        scene: &Scene,
        rows: &[Option<Row>; MAX_CREATES],
        is_trusted: bool,
    ) {
        for (create, row) in self.creates.iter_mut().zip(rows) {
            create.row = *row;
        }
        self.ledger_lost = true;
        self.copy = None;
        let needed = if is_trusted { Comparison::NotNeeded } else { Comparison::TwoScans };
        self.comparison = needed as u8;
        for gateway in 0..scene.gateways {
            self.crash(gateway);
        }
        for create in 0..MAX_CREATES {
            let state = self.creates[create].state();
            if state.and_then(ledger::expires).is_some() {
                self.take_over(scene, create);
            }
        }
    }

    /// Moves the wall clock: all rows become as old, or as young, as they can be.
    fn set_clock(&mut self, scene: &Scene, is_forward: bool) {
        let age = |state| if is_forward { scene.kept_age(state) } else { 0 };
        let rows = self.creates.iter_mut().map(|create| &mut create.row);
        let rows = rows.chain(self.copy.iter_mut().flatten());
        for row in rows.flatten() {
            row.age = age(row.state);
        }
        let rounds = self.gateways.iter_mut().flat_map(|gateway| &mut gateway.resolver.round);
        for in_doubt in rounds.flatten() {
            in_doubt.age = if is_forward { scene.times.give_up_after } else { 0 };
        }
    }
}
