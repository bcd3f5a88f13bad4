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
                    becomes(Aws::NeverReceives, Attempt::Nothing);
                    // Without a waiting call, a rejection has the same effect as a loss.
                    if from.awaits(create, attempt) {
                        becomes(Aws::Rejects, Attempt::Rejected);
                    }
                }
                Attempt::Made { .. } if scene.operator => {
                    becomes(Aws::DeletesForOperator, Attempt::Nothing);
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
        Loss::WhenIdle => from.is_idle(scene),
        Loss::Anytime => true,
    };
    if lost && !from.ledger_lost {
        steps.add(Step::LedgerIsLost, |world| world.lose_ledger(scene));
    }
}

impl World {
    /// Whether no waiting call has reached its time-out. Only then can time advance.
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

    /// Models `Ledger::expire` for one row. It can occur at any moment, which covers leases of
    /// any length and every restart.
    fn take_over(&mut self, create: usize) {
        // A lease that ends at 0 has expired at 1.
        let (lease_until, now) = (0, 1);
        let state = self.creates[create].state().unwrap();
        let event = decide::take_over(state, lease_until, now).unwrap();
        let create = u8::try_from(create).unwrap();
        self.apply(create, &event, None).unwrap();
    }

    /// Clears the memory of the process. Requests that it has sent remain.
    pub(crate) fn crash(&mut self, gateway: usize) {
        for call in self.gateways[gateway].calls {
            self.abandon(call);
        }
        self.gateways[gateway] = Gateway { complete: self.rebuilt, ..Gateway::default() };
    }

    /// Ends the call's wait. Drops its attempt if no byte was sent, or if AWS rejected it.
    pub(crate) fn abandon(&mut self, call: Call) {
        if let Call::Sending { create, attempt, .. } = call {
            let stage = &mut self.creates[usize::from(create)].attempts[usize::from(attempt)];
            if matches!(stage, Attempt::Permitted | Attempt::Rejected) {
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
