//! A client's create: `handlers::create`. Clients call again at any moment with the same
//! `request_id`, and stop at any moment.

use ivs_ingest_gateway::ledger::{Event, State, Step as RowStep};

use crate::{
    ledger::{Applied, Reserved, created},
    memory::{Call, Later},
    scene::{Part, Rule, Scene},
    sets::Arn,
    steps::{Calls, Step, Steps},
    world::{Attempt, MAX_SENDS, World},
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
                let cancel = Outcome { gateway, create, event: &Event::Cancel, attempt: None };
                let fails = |is_durable| Calls::FailsToCancel { is_durable };
                recorded(&mut add, scene, Calls::Cancels, fails, cancel);
                if scene.lacks(Rule::SendIsDurable) {
                    add(Calls::SendsBytes, &|world| {
                        world.creates[usize::from(create)].attempts[0] = Attempt::Sent { age: 0 };
                        Call::Sending { create, attempt: 0, age: 0 }
                    });
                } else if from.creates[usize::from(create)].sends() < scene.sends {
                    let send = Send { gateway, create, absent: None, step: RowStep::Send };
                    record_sending(&mut add, scene, Calls::RecordsSending, send);
                }
            }
            Call::Resending { create, absent } => {
                let absent = scene.is_of_one_sending().then_some(absent);
                let send = Send { gateway, create, absent, step: RowStep::Resend };
                record_sending(&mut add, scene, Calls::RecordsResending, send);
            }
            Call::Sending { create, attempt, age } => {
                let attempts = from.creates[usize::from(create)].attempts;
                let call = Call::Sending { create, attempt, age };
                let attempt_state = attempts[usize::from(attempt)];
                attempt_steps(&mut add, scene, gateway, call, attempt_state);
            }
        }
    }
}

/// Adds a step of a call.
type Add<'a> = dyn FnMut(Calls, &dyn Fn(&mut World) -> Call) + 'a;

/// The record of a sending.
#[derive(Clone, Copy)]
struct Send<'a> {
    gateway: usize,
    create: u8,
    absent: Option<u8>,
    step: RowStep<'a>,
}

fn record_sending(add: &mut Add<'_>, scene: &Scene, does: Calls, send: Send<'_>) {
    add(does, &|world| world.send(scene, send));
    if !scene.has(Part::FailedWrites) {
        return;
    }
    let Send { gateway, create, absent, step } = send;
    for is_durable in [false, true] {
        add(Calls::FailsToRecordSending { is_durable }, &|world| {
            if scene.lacks(Rule::FailedSendPermitsNothing) {
                let index = usize::from(world.creates[usize::from(create)].sends());
                world.creates[usize::from(create)].attempts[index] = Attempt::Permitted;
                return Call::Sending { create, attempt: u8::try_from(index).unwrap(), age: 0 };
            }
            if is_durable {
                let _ = world.apply_to(scene, create, absent, step, None);
            }
            let is_resend = matches!(step, RowStep::Resend);
            let later = if is_resend { Later::Ambiguous } else { Later::NotExecuted };
            world.record_later(scene, gateway, create, later);
            Call::None
        });
    }
}

/// The outcome of a create, which the ledger records.
#[derive(Clone, Copy)]
struct Outcome<'a> {
    gateway: usize,
    create: u8,
    event: &'a Event,
    /// The attempt that AWS executed.
    attempt: Option<u8>,
}

/// Records an outcome, which ends the call. The write may fail, and be durable nevertheless.
fn recorded(
    add: &mut Add<'_>,
    scene: &Scene,
    does: Calls,
    fails: fn(bool) -> Calls,
    outcome: Outcome<'_>,
) {
    let Outcome { gateway, create, event, attempt } = outcome;
    let arn = attempt.map(|attempt| Arn::of(usize::from(create), usize::from(attempt)));
    add(does, &|world| {
        // An outcome that the row rejects changes nothing.
        let applied = world.apply(scene, create, event, arn);
        if applied.is_ok() && arn.is_some() {
            // Without a change, the row may have another configuration of the create.
            let recorded = world.creates[usize::from(create)].arn();
            world.return_key(scene, recorded);
        }
        Call::None
    });
    if !scene.has(Part::FailedWrites) {
        return;
    }
    let later = match event {
        Event::Cancel => Later::Cancel,
        Event::Ambiguous => Later::Ambiguous,
        Event::Created(_) => Later::Created { attempt: attempt.unwrap_or(0) },
        _ => Later::NotExecuted,
    };
    for is_durable in [false, true] {
        add(fails(is_durable), &|world| {
            if is_durable {
                let _ = world.apply(scene, create, event, arn);
            }
            world.record_later(scene, gateway, create, later);
            Call::None
        });
    }
}

/// The possible outcomes of a permitted attempt.
fn attempt_steps(
    add: &mut Add<'_>,
    scene: &Scene,
    gateway: usize,
    call: Call,
    attempt_state: Attempt,
) {
    let Call::Sending { create, attempt, age } = call else { return };
    let (index, number) = (usize::from(create), usize::from(attempt));
    let mut add = |does, happens: &dyn Fn(&mut World) -> Call| {
        add(does, &|world| {
            if does != Calls::SendsBytes {
                world.abandon(call);
            }
            happens(world)
        });
    };
    // It waits for another permit, unless another task has taken over the row.
    let requeue = |world: &mut World| {
        let applied = world.apply(scene, create, &Event::Throttled, None);
        let is_reserved = world.creates[index].state() == Some(State::Reserved);
        let waits = applied == Ok(Applied::Changed) && is_reserved;
        if waits { Call::Reserved { create } } else { Call::None }
    };
    let created = created();
    let outcome = |event| Outcome { gateway, create, event, attempt: None };
    let fails = |is_durable| Calls::FailsToRecord { is_durable };
    match attempt_state {
        Attempt::Permitted => {
            if age > 0 && scene.has(Part::Stalls) && !scene.lacks(Rule::LateRecordIsNotSent) {
                add(Calls::IsTooLate, &requeue);
            } else {
                add(Calls::SendsBytes, &|world| {
                    // A record that stalls delays the sending, and not AWS.
                    let age = if scene.has(Part::Stalls) { 0 } else { age };
                    world.creates[index].attempts[number] = Attempt::Sent { age };
                    Call::Sending { create, attempt, age }
                });
            }
            recorded(&mut add, scene, Calls::CannotConnect, fails, outcome(&Event::NotExecuted));
        }
        Attempt::Rejected => {
            recorded(&mut add, scene, Calls::RecordsResponse, fails, outcome(&Event::NotExecuted));
            add(Calls::RecordsThrottle, &requeue);
            if scene.has(Part::FailedWrites) {
                add(Calls::FailsToRecordThrottle, &|world| {
                    let _ = world.apply(scene, create, &Event::Throttled, None);
                    world.record_later(scene, gateway, create, Later::NotExecuted);
                    Call::None
                });
            }
        }
        Attempt::Made { .. } => {
            let made = Outcome { attempt: Some(attempt), ..outcome(&created) };
            recorded(&mut add, scene, Calls::RecordsResponse, fails, made);
        }
        Attempt::Sent { .. } | Attempt::Nothing => {}
    }
    recorded(&mut add, scene, Calls::TimesOut, fails, outcome(&Event::Ambiguous));
    if !scene.has(Part::FailedWrites) {
        add(Calls::CannotRecord, &|world| {
            if scene.lacks(Rule::KeyNeedsARecord) && matches!(attempt_state, Attempt::Made { .. }) {
                world.return_key(scene, Some(Arn::of(index, number)));
            }
            Call::None
        });
    }
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
                let waits = !scene.lacks(Rule::ResendWaits);
                let absent = match self.gateways[gateway].resolver.absent[index] {
                    None if waits => None,
                    absent => absent.or(Some(sends)),
                };
                match absent {
                    Some(absent) if sends < scene.sends => Call::Resending { create, absent },
                    _ => Call::None,
                }
            }
            Reserved::Replay { arn } => {
                self.return_key(scene, Some(arn));
                Call::None
            }
            Reserved::Nothing => Call::None,
        }
    }

    /// Returns the stream key of a configuration that exists to the caller.
    fn return_key(&mut self, scene: &Scene, arn: Option<Arn>) {
        if let Some(arn) = arn
            && scene.has(Part::Keys)
            && matches!(self.attempt(arn), Attempt::Made { .. })
        {
            self.keys.insert(arn.index());
        }
    }

    /// Records the sending. Only the ledger returns a permission to send.
    fn send(&mut self, scene: &Scene, send: Send<'_>) -> Call {
        let Send { create, absent, step, .. } = send;
        // An adoption may have given the `request_id` to another row.
        let is_renamed = self.creates[usize::from(create)].row.is_some_and(|row| row.is_renamed);
        if is_renamed {
            return Call::None;
        }
        let permitted = self.apply_to(scene, create, absent, step, None) == Ok(Applied::Changed);
        let create_of = &mut self.creates[usize::from(create)];
        let is_sending = create_of.state() == Some(State::Sending);
        let sends_regardless = is_sending && scene.lacks(Rule::LedgerPermits);
        if !permitted && !sends_regardless {
            return Call::None;
        }
        let mut attempt = create_of.row.map_or(0, |row| row.sends - 1);
        if self.ledger_lost {
            // The ledger does not know all sendings. Every sending has an attempt of its own.
            let is_used = |attempt: &u8| self.was_sent(Arn::of(create.into(), (*attempt).into()));
            let mut attempts = 0..u8::try_from(MAX_SENDS).unwrap();
            let Some(free) = attempts.find(|attempt| !is_used(attempt)) else { return Call::None };
            attempt = free;
        }
        let attempt_state = &mut self.creates[usize::from(create)].attempts[usize::from(attempt)];
        self.sent_twice |= *attempt_state != Attempt::Nothing;
        *attempt_state = Attempt::Permitted;
        Call::Sending { create, attempt, age: 0 }
    }

    /// Whether something remains of an attempt.
    fn was_sent(&self, arn: Arn) -> bool {
        self.attempt(arn) != Attempt::Nothing
            || self.owner(arn).is_some()
            || self.keys.contains(arn.index())
            || self.confirmed.contains(arn.index())
    }
}
