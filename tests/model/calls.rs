//! A client's create: `handlers::create`. Clients call again at any moment with the same
//! `request_id`, and stop at any moment.

use ivs_ingest_gateway::ledger::{Event, State, Step as RowStep};

use crate::{
    ledger::{Applied, Reserved, created},
    steps::{Calls, Step, Steps},
    world::{Attempt, Call, Rule, Scene, World},
};

pub(crate) fn steps(steps: &mut Steps<'_>, gateway: usize) {
    let (scene, from) = (steps.scene, steps.from);
    for request in 0..scene.requests {
        let mut add = |does, happens: &dyn Fn(&mut World) -> Call| {
            steps.add(Step::Call { does, gateway, request }, |world| {
                let call = happens(world);
                world.gateways[gateway].calls[request] = call;
            });
        };
        match from.gateways[gateway].calls[request] {
            Call::None if from.gateways[gateway].complete => {
                add(Calls::Begins, &|world| world.begin(scene, gateway, request));
            }
            Call::None => {}
            Call::Reserved { create } => {
                add(Calls::Cancels, &|world| world.end(create, &Event::Cancel));
                if scene.broken == Some(Rule::SendIsDurable) {
                    add(Calls::SendsBytes, &|world| {
                        world.creates[usize::from(create)].attempts[0] = Attempt::Sent { age: 0 };
                        Call::Sending { create, attempt: 0, age: 0 }
                    });
                } else if from.creates[usize::from(create)].sends() < scene.sends {
                    add(Calls::RecordsSending, &|world| {
                        world.send(scene, create, None, RowStep::Send)
                    });
                }
            }
            Call::Resending { create, absent } => {
                add(Calls::RecordsResending, &|world| {
                    let absent = scene.is_of_one_sending().then_some(absent);
                    world.send(scene, create, absent, RowStep::Resend)
                });
            }
            Call::Sending { create, attempt, age } => {
                let stage = from.creates[usize::from(create)].attempts[usize::from(attempt)];
                attempt_steps(&mut add, Call::Sending { create, attempt, age }, stage);
            }
        }
    }
}

/// The possible outcomes of a permitted attempt.
fn attempt_steps(
    add: &mut impl FnMut(Calls, &dyn Fn(&mut World) -> Call),
    call: Call,
    stage: Attempt,
) {
    let Call::Sending { create, attempt, age } = call else { return };
    let index = usize::from(attempt);
    let ends = |event: &Event, arn: Option<usize>, world: &mut World| {
        world.abandon(call);
        // An outcome that the row rejects changes nothing.
        let _ = world.apply(create, event, arn);
        Call::None
    };
    match stage {
        Attempt::Permitted => {
            add(Calls::SendsBytes, &|world| {
                let stage = &mut world.creates[usize::from(create)].attempts[index];
                *stage = Attempt::Sent { age };
                call
            });
            add(Calls::CannotConnect, &|world| ends(&Event::NotExecuted, None, world));
        }
        Attempt::Rejected => {
            add(Calls::RecordsResponse, &|world| ends(&Event::NotExecuted, None, world));
            // It waits for another permit, unless another task has taken over the row.
            add(Calls::RecordsThrottle, &|world| {
                world.abandon(call);
                match world.apply(create, &Event::Throttled, None) {
                    Ok(Applied::Changed) => Call::Reserved { create },
                    _ => Call::None,
                }
            });
        }
        Attempt::Made { .. } => {
            add(Calls::RecordsResponse, &|world| ends(&created(), Some(index), world));
        }
        Attempt::Sent { .. } | Attempt::Nothing => {}
    }
    add(Calls::TimesOut, &|world| ends(&Event::Ambiguous, None, world));
    add(Calls::CannotRecord, &|world| {
        world.abandon(call);
        Call::None
    });
}

impl World {
    /// Starts a call, and returns its next state. A call that gets an immediate response, or
    /// that joins another call, changes nothing.
    fn begin(&mut self, scene: &Scene, gateway: usize, request: usize) -> Call {
        match self.reserve(scene, u8::try_from(request).unwrap()) {
            Reserved::New { create } => Call::Reserved { create },
            Reserved::InDoubt { create } => {
                let index = usize::from(create);
                let sends = self.creates[index].sends();
                let waits = scene.broken != Some(Rule::ResendWaits);
                let absent = match self.gateways[gateway].resolver.absent[index] {
                    None if waits => None,
                    absent => absent.or(Some(sends)),
                };
                match absent {
                    Some(absent) if sends < scene.sends => Call::Resending { create, absent },
                    _ => Call::None,
                }
            }
            Reserved::Nothing => Call::None,
        }
    }

    fn end(&mut self, create: u8, event: &Event) -> Call {
        // Another task may have taken over the row since.
        let _ = self.apply(create, event, None);
        Call::None
    }

    /// Records the sending. Only the ledger returns a permission to send.
    fn send(&mut self, scene: &Scene, create: u8, absent: Option<u8>, step: RowStep<'_>) -> Call {
        let permitted = self.apply_to(create, absent, step) == Ok(Applied::Changed);
        let create_of = &mut self.creates[usize::from(create)];
        let is_sending = create_of.state() == Some(State::Sending);
        let sends_regardless = is_sending && scene.broken == Some(Rule::LedgerPermits);
        if !permitted && !sends_regardless {
            return Call::None;
        }
        let attempt = create_of.row.map_or(0, |row| row.sends - 1);
        let stage = &mut create_of.attempts[usize::from(attempt)];
        self.sent_twice |= *stage != Attempt::Nothing;
        *stage = Attempt::Permitted;
        Call::Sending { create, attempt, age: 0 }
    }
}
