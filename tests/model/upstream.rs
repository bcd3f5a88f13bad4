//! AWS, time, leases, crashes, and the loss of the ledger.

use ivs_ingest_gateway::ledger::{State, decide};

use crate::{
    steps::{Aws, Step, Steps},
    world::{Attempt, Call, Create, Gateway, Loss, Rule, Scene, World},
};

pub(crate) fn steps(steps: &mut Steps<'_>) {
    let (scene, from) = (steps.scene, steps.from);
    if from.every_attempt_is_in_time(scene) {
        steps.add(Step::Tick, |world| world.tick(scene));
    }
    for (create, Create { attempts, row, .. }) in from.minted() {
        for (attempt, stage) in attempts.iter().enumerate() {
            let mut becomes = |does, stage| {
                let step = Step::Aws { does, create, attempt };
                steps.add(step, |world| world.creates[create].attempts[attempt] = stage);
            };
            match stage {
                Attempt::Sent { .. } => {
                    becomes(Aws::Executes, Attempt::Made { age: 0 });
                    becomes(Aws::NeverGets, Attempt::Nothing);
                    // Without a waiter a rejection equals a loss.
                    if from.awaits(create, attempt) {
                        becomes(Aws::Refuses, Attempt::Refused);
                    }
                }
                Attempt::Made { .. } if scene.operator => {
                    becomes(Aws::IsToldToDelete, Attempt::Nothing);
                }
                _ => {}
            }
        }
        if row.is_some_and(|row| decide::take_over(row.state, 0, 1).is_some()) {
            steps.add(Step::LeaseEnds { create }, |world| world.take_over(create));
        }
    }
    let lost = match scene.loss {
        Loss::Never => false,
        Loss::WhenQuiet => from.is_quiet(scene),
        Loss::Anytime => true,
    };
    if lost && !from.ledger_lost {
        steps.add(Step::LedgerIsLost, |world| world.lose_ledger(scene));
    }
}

impl World {
    /// Whether an attempt reaches its time-out before time can advance.
    fn every_attempt_is_in_time(&self, scene: &Scene) -> bool {
        self.gateways.iter().flat_map(|gateway| gateway.calls).all(|call| match call {
            Call::Sending { age, .. } => age < scene.times.attempt_timeout,
            _ => true,
        })
    }

    fn tick(&mut self, scene: &Scene) {
        let times = &scene.times;
        for create in &mut self.creates {
            if let Some(row) = &mut create.row
                && matches!(row.state, State::Sending | State::InDoubt)
            {
                row.age = times.give_up_after.min(row.age + 1);
            }
            for attempt in &mut create.attempts {
                *attempt = match *attempt {
                    Attempt::Sent { age } if age >= times.executed_by => Attempt::Nothing,
                    Attempt::Sent { age } => Attempt::Sent { age: age + 1 },
                    Attempt::Made { age } => Attempt::Made { age: times.shown_after.min(age + 1) },
                    stage => stage,
                };
            }
        }
        for gateway in &mut self.gateways {
            for call in &mut gateway.calls {
                if let Call::Sending { age, .. } = call {
                    *age += 1;
                }
            }
            for create in gateway.resolver.round.iter_mut().flatten() {
                create.age = times.give_up_after.min(create.age + 1);
            }
        }
    }

    fn awaits(&self, create: usize, attempt: usize) -> bool {
        self.gateways.iter().flat_map(|gateway| gateway.calls).any(|call| match call {
            Call::Sending { create: of, attempt: which, .. } => {
                (usize::from(of), usize::from(which)) == (create, attempt)
            }
            _ => false,
        })
    }

    /// `Ledger::expire`, on one row. It can occur at any moment, which includes every lease and
    /// every start.
    fn take_over(&mut self, create: usize) {
        // The lease ends now, so it has expired a moment later.
        let (lease_until, now) = (0, 1);
        let state = self.creates[create].state().unwrap();
        let event = decide::take_over(state, lease_until, now).unwrap();
        let create = u8::try_from(create).unwrap();
        self.apply(create, &event, None).unwrap();
    }

    /// A crash loses the memory of the process, and not the bytes that it has sent.
    pub(crate) fn crash(&mut self, gateway: usize) {
        for call in self.gateways[gateway].calls {
            self.abandon(call);
        }
        self.gateways[gateway] = Gateway { complete: self.rebuilt, ..Gateway::default() };
    }

    /// The call stops waiting for its attempt.
    pub(crate) fn abandon(&mut self, call: Call) {
        if let Call::Sending { create, attempt, .. } = call {
            let stage = &mut self.creates[usize::from(create)].attempts[usize::from(attempt)];
            if matches!(stage, Attempt::Permitted | Attempt::Refused) {
                *stage = Attempt::Nothing;
            }
        }
    }

    fn lose_ledger(&mut self, scene: &Scene) {
        for create in &mut self.creates {
            create.row = None;
        }
        self.ledger_lost = true;
        self.rebuilt = scene.broken == Some(Rule::CreatesWaitForTheRebuild);
        for gateway in 0..scene.gateways {
            self.crash(gateway);
        }
    }
}
