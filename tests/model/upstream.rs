//! AWS, time and leases.

use crate::{
    ledger,
    memory::Call,
    scene::{Part, Scene},
    sets::Arn,
    steps::{Aws, Step, Steps},
    world::{Attempt, Create, Delete, World},
};

pub(crate) fn steps(steps: &mut Steps<'_>) {
    let (scene, from) = (steps.scene, steps.from);
    if from.every_attempt_is_in_time(scene) {
        steps.add(Step::Tick, |world| world.tick(scene));
    }
    for (create, Create { attempts, row, delete, .. }) in from.minted() {
        for (attempt, attempt_state) in attempts.iter().enumerate() {
            let mut becomes = |does, next| {
                let step = Step::Aws { does, create, attempt };
                steps.add(step, |world| world.creates[create].attempts[attempt] = next);
            };
            match attempt_state {
                Attempt::Sent { .. } => {
                    becomes(Aws::Executes, Attempt::Made { age: 0 });
                    becomes(Aws::NeverReceives, Attempt::Nothing);
                    // Without a waiting call, a rejection has the same effect as a loss.
                    if from.awaits(create, attempt) {
                        becomes(Aws::Rejects, Attempt::Rejected);
                    }
                }
                Attempt::Made { .. } if scene.operator_deletes(create) => {
                    becomes(Aws::DeletesForOperator, Attempt::Nothing);
                }
                _ => {}
            }
        }
        if let Delete::Sent { arn, is_young, .. } = delete {
            delete_steps(steps, create, *arn, *is_young);
        }
        if row.and_then(|row| ledger::expires(row.state)).is_some() {
            steps.add(Step::LeaseEnds { create }, |world| world.take_over(scene, create));
        }
    }
}

/// The effects of a delete that was sent.
fn delete_steps(steps: &mut Steps<'_>, row: usize, arn: Arn, was_young: bool) {
    let (scene, from) = (steps.scene, steps.from);
    let mut add = |does, response| {
        let step = Step::Aws { does, create: row, attempt: 0 };
        steps.add(step, |world| world.execute_delete(row, arn, response));
    };
    let exists = matches!(from.attempt(arn), Attempt::Made { .. });
    let is_hidden =
        matches!(from.attempt(arn), Attempt::Made { age } if age < scene.times.shown_after);
    if exists {
        add(Aws::Deletes, Delete::Done);
        add(Aws::RefusesToDelete, Delete::Refused);
    }
    if !exists || is_hidden && scene.has(Part::LateReads) {
        add(Aws::FindsNothingToDelete, Delete::NotFound { was_young });
    }
    add(Aws::NeverReceivesDelete, Delete::Nothing);
}

impl Scene {
    /// Whether an operator deletes configurations of the create. With pages, the last one of the
    /// start stays: a gateway without any of its configurations waits for the operator.
    fn operator_deletes(&self, create: usize) -> bool {
        let stays = self.has(Part::Pages) && create + 1 >= usize::from(self.live_at_start);
        self.has(Part::Operator) && !stays
    }

    /// The time after which AWS shows everything of a configuration.
    pub(crate) fn all_shown_after(&self) -> u8 {
        self.times.shown_after.max(self.times.tags_after)
    }
}

impl World {
    /// Whether no waiting call has reached its time-out. Only then can time advance.
    fn every_attempt_is_in_time(&self, scene: &Scene) -> bool {
        self.gateways.iter().flat_map(|gateway| gateway.calls).all(|call| match call {
            Call::Sending { create, attempt, age } => {
                let attempt_state =
                    self.creates[usize::from(create)].attempts[usize::from(attempt)];
                let stalls = scene.has(Part::Stalls) && attempt_state == Attempt::Permitted;
                stalls || age < scene.times.attempt_timeout
            }
            _ => true,
        })
    }

    fn tick(&mut self, scene: &Scene) {
        let times = &scene.times;
        let rows = self.creates.iter_mut().map(|create| &mut create.row);
        let rows = rows.chain(self.copy.iter_mut().flatten());
        for row in rows.flatten() {
            row.age = scene.kept_age(row.state).min(row.age + 1);
        }
        for create in &mut self.creates {
            for attempt in &mut create.attempts {
                *attempt = match *attempt {
                    Attempt::Sent { age } if age >= times.executed_by => Attempt::Nothing,
                    Attempt::Sent { age } => Attempt::Sent { age: age + 1 },
                    Attempt::Made { age } => {
                        Attempt::Made { age: scene.all_shown_after().min(age + 1) }
                    }
                    other => other,
                };
            }
            create.delete = match create.delete {
                Delete::Sent { age, .. } if age >= times.executed_by => Delete::Nothing,
                Delete::Sent { arn, is_young, age } => Delete::Sent { arn, is_young, age: age + 1 },
                delete => delete,
            };
        }
        for gateway in &mut self.gateways {
            for call in &mut gateway.calls {
                if let Call::Sending { age, .. } = call {
                    *age = times.attempt_timeout.min(*age + 1);
                }
            }
            for create in gateway.resolver.round.iter_mut().flatten() {
                create.age = times.give_up_after.min(create.age + 1);
            }
            for schedule in gateway.resolver.schedules.iter_mut().flatten() {
                schedule.seen_age = times.give_up_after.min(schedule.seen_age + 1);
            }
            if let Some(comparing) = &mut gateway.comparing {
                comparing.since_start = times.give_up_after.min(comparing.since_start + 1);
            }
            gateway.resolver.untagged.tick(times.retry_after);
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
    pub(crate) fn take_over(&mut self, scene: &Scene, create: usize) {
        let state = self.creates[create].state().unwrap();
        let event = ledger::expires(state).unwrap();
        self.apply_at(scene, create, &event).unwrap();
    }

    /// Ends the call's wait. Drops its attempt if no byte was sent, or if AWS rejected it.
    pub(crate) fn abandon(&mut self, call: Call) {
        if let Call::Sending { create, attempt, .. } = call {
            let attempt_state =
                &mut self.creates[usize::from(create)].attempts[usize::from(attempt)];
            if matches!(attempt_state, Attempt::Permitted | Attempt::Rejected) {
                *attempt_state = Attempt::Nothing;
            }
        }
    }
}
