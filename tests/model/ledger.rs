//! The transactions of the ledger, on the rows of the model. The decisions are the code of
//! the gateway, `ledger::decide`.

use ivs_ingest_gateway::ledger::{
    Event, Resource, State, Step,
    decide::{self, Change, Earlier},
};

use crate::{
    scene::{Part, Rule, Scene},
    sets::Arn,
    world::{Create, MAX_CREATES, NEW_REQUEST, Row, World},
};

// Times relative to a request to AWS.
pub(crate) const BEFORE: u8 = 0;
pub(crate) const AT: u8 = 1;
pub(crate) const AFTER: u8 = 2;

/// The result of [`World::reserve`].
pub(crate) enum Reserved {
    New {
        create: u8,
    },
    InDoubt {
        create: u8,
    },
    /// The configuration of an earlier call is returned.
    Replay {
        arn: Arn,
    },
    /// In progress, deleted, or over quota: the call ends without a change.
    Nothing,
}

/// The row rejects the step.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rejected;

/// Whether a step changed the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Applied {
    Changed,
    Unchanged,
}

impl World {
    /// Checks idempotency and quota, and inserts a row, in one step.
    pub(crate) fn reserve(&mut self, scene: &Scene, request: u8) -> Reserved {
        // The model's clients send the same content with the same `request_id`.
        let earlier = self.row_of(request).and_then(|(create, state)| {
            decide::earlier(state, &request, &request).map(|earlier| (create, earlier))
        });
        match earlier {
            Some((create, Earlier::InDoubt)) => return Reserved::InDoubt { create },
            Some((create, Earlier::Replay)) => {
                let arn = self.creates[usize::from(create)].arn();
                return arn.map_or(Reserved::Nothing, |arn| Reserved::Replay { arn });
            }
            Some(_) => return Reserved::Nothing,
            None => {}
        }
        // The limit on minted ids is a bound of the scene, and not a decision of the gateway.
        let has_room = decide::has_room(self.used(), scene.quota);
        let creates = self.minted().filter(|(_, create)| create.request != NEW_REQUEST).count();
        if !has_room || creates >= scene.creates || usize::from(self.minted) == MAX_CREATES {
            return Reserved::Nothing;
        }
        let create = self.mint(request);
        self.creates[usize::from(create)].row = Some(Row::new(State::Reserved));
        Reserved::New { create }
    }

    pub(crate) fn mint(&mut self, request: u8) -> u8 {
        let create = self.minted;
        self.minted += 1;
        self.creates[usize::from(create)].request = request;
        create
    }

    /// The row in the unique index on tenant and `request_id`.
    fn row_of(&self, request: u8) -> Option<(u8, State)> {
        (0..).zip(self.creates).find_map(|(index, create)| {
            let row = create.row.filter(|row| decide::holds_request_id(row.state))?;
            (create.request == request && !row.is_renamed).then_some((index, row.state))
        })
    }

    /// The other create whose row has the `request_id` of this one, and its state.
    pub(crate) fn other_holder(&self, create: u8) -> Option<(u8, State)> {
        let request = self.creates[usize::from(create)].request;
        self.row_of(request).filter(|(other, _)| *other != create && request != NEW_REQUEST)
    }

    /// Gives the row that holds the `request_id` of the create a new one.
    pub(crate) fn release_request_id(&mut self, create: u8) {
        let Some((holder, _)) = self.other_holder(create) else { return };
        if let Some(row) = &mut self.creates[usize::from(holder)].row {
            row.is_renamed = true;
        }
    }

    /// The number of rows that count against the quota.
    pub(crate) fn used(&self) -> u32 {
        let states = self.creates.iter().filter_map(Create::state);
        states.map(|state| u32::from(state.counts_against_quota())).sum()
    }

    /// Whether AWS may not show the configuration of a row to a read yet:
    /// `clock::is_younger`, by the wall clock.
    pub(crate) fn is_young(&self, scene: &Scene, index: usize) -> bool {
        let age = self.creates[index].row.map_or(0, |row| row.age);
        scene.has(Part::LateReads) && age < scene.times.retry_after
    }

    /// The row with the configuration.
    pub(crate) fn owner(&self, arn: Arn) -> Option<usize> {
        self.creates.iter().position(|create| create.arn() == Some(arn))
    }

    /// Applies a step. `arn` is the resource of the step.
    pub(crate) fn apply<'a>(
        &mut self,
        scene: &Scene,
        create: u8,
        step: impl Into<Step<'a>>,
        arn: Option<Arn>,
    ) -> Result<Applied, Rejected> {
        let index = usize::from(create);
        let request_id_is_taken = self.other_holder(create).is_some();
        let arn_is_taken = arn.and_then(|arn| self.owner(arn)).is_some_and(|owner| owner != index);
        let row = self.creates[index].row.as_mut().ok_or(Rejected)?;
        let was_resent = row.was_resent && !scene.lacks(Rule::ResendIsRemembered);
        let (_, change) = decide::step(row.state, was_resent, step).map_err(|_| Rejected)?;
        let Some(change) = change else { return Ok(Applied::Unchanged) };
        let Change { state, is_sending, is_resend, records_response, .. } = change;
        // The unique indexes of the ledger reject the change.
        let takes_request_id = !row.is_renamed
            && !decide::holds_request_id(row.state)
            && decide::holds_request_id(state);
        if takes_request_id && request_id_is_taken || arn_is_taken {
            return Err(Rejected);
        }
        row.state = state;
        row.age = if is_sending { 0 } else { row.age.min(scene.kept_age(state)) };
        row.sends += u8::from(is_sending);
        row.was_resent |= is_resend;
        row.response_recorded |= records_response;
        row.arn = arn.or(row.arn);
        for scan in self.gateways.iter_mut().filter_map(|gateway| gateway.scan.as_mut()) {
            scan.unseen.remove(index);
            if matches!(state, State::Deleted | State::Rejected) && scan.is_waiting() {
                scan.ended.insert(index);
            }
        }
        Ok(Applied::Changed)
    }

    /// Applies an event to a row.
    pub(crate) fn apply_at(
        &mut self,
        scene: &Scene,
        create: usize,
        event: &Event,
    ) -> Result<Applied, Rejected> {
        self.apply(scene, u8::try_from(create).unwrap(), event, None)
    }

    /// Applies a conclusion about one sending. A later sending makes it void.
    pub(crate) fn apply_to<'a>(
        &mut self,
        scene: &Scene,
        create: u8,
        sending: Option<u8>,
        step: impl Into<Step<'a>>,
        arn: Option<Arn>,
    ) -> Result<Applied, Rejected> {
        let row = self.creates[usize::from(create)].row.ok_or(Rejected)?;
        let is_final = !scene.lacks(Rule::OutcomeIsFinal);
        let state = if is_final { row.state } else { State::InDoubt };
        let applies = |sending| decide::is_in_doubt_since(state, row.sends, sending);
        if sending.is_some_and(|sending| !applies(sending)) {
            return Err(Rejected);
        }
        self.apply(scene, create, step, arn)
    }
}

impl Scene {
    /// The greatest age that the row of a state keeps. An age that no decision reads is 0. The
    /// row of a configuration that the scan has found is old: it has the time of its operation
    /// id, which may be long before the sending.
    pub(crate) fn kept_age(&self, state: State) -> u8 {
        let is_read = match state {
            State::Sending | State::InDoubt => true,
            State::Live | State::Deleting | State::Deleted => self.has(Part::LateReads),
            State::Reserved | State::Rejected => false,
        };
        if is_read { self.times.give_up_after } else { 0 }
    }
}

impl Row {
    pub(crate) fn new(state: State) -> Self {
        Self {
            state,
            sends: 0,
            was_resent: false,
            is_renamed: false,
            response_recorded: false,
            age: 0,
            arn: None,
            missed: 0,
        }
    }
}

impl Create {
    pub(crate) fn state(&self) -> Option<State> {
        self.row.map(|row| row.state)
    }

    pub(crate) fn arn(&self) -> Option<Arn> {
        self.row.and_then(|row| row.arn)
    }

    /// The number of sendings.
    pub(crate) fn sends(&self) -> u8 {
        self.row.map_or(0, |row| row.sends)
    }
}

/// Returns the event that ends the lease of a row in `state`. A lease can end at any moment: one
/// that ends [`BEFORE`] the request has expired.
pub(crate) fn expires(state: State) -> Option<Event> {
    decide::take_over(state, BEFORE, AT)
}

/// Whether the task of a delete has ended, if its lease can have expired.
pub(crate) fn is_abandoned_delete(state: State) -> bool {
    decide::is_abandoned_delete(state, BEFORE, AT)
}

/// An empty resource. The transition function does not read resources.
fn resource() -> Resource {
    Resource { arn: String::new(), participant_id: None }
}

pub(crate) fn found() -> Event {
    Event::Found(resource())
}

pub(crate) fn created() -> Event {
    Event::Created(resource())
}
