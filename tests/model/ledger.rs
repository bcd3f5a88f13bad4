//! The ledger: what `ledger::sqlite` does in its transactions, on the model's rows.
//! States change by the gateway's own transition function.

use ivs_ingest_gateway::ledger::{Effect, Event, Resource, State};

use crate::world::{Create, Row, Scene, World};

/// What [`World::reserve`] found.
pub(crate) enum Reserved {
    New {
        create: u8,
    },
    InDoubt {
        create: u8,
    },
    /// Replayed, in progress, or over quota: the call ends and has changed nothing.
    Nothing,
}

/// The row cannot take the event, or does not any more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused;

/// What [`World::adopt`] did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Adopted {
    Live,
    UnderWay,
    Orphan,
}

impl World {
    /// Idempotency, quota and insert in one step.
    pub(crate) fn reserve(&mut self, scene: &Scene, request: u8) -> Reserved {
        if let Some((create, state)) = self.row_of(request) {
            return match state {
                State::InDoubt => Reserved::InDoubt { create },
                _ => Reserved::Nothing,
            };
        }
        // The last is the scene's end and not the gateway's.
        if self.used() >= scene.quota || usize::from(self.minted) >= scene.creates {
            return Reserved::Nothing;
        }
        let create = self.minted;
        self.minted += 1;
        self.creates[usize::from(create)].request = request;
        self.creates[usize::from(create)].row = Some(Row::new(State::Reserved));
        Reserved::New { create }
    }

    /// The row that the unique index on tenant and `request_id` knows.
    fn row_of(&self, request: u8) -> Option<(u8, State)> {
        (0..).zip(self.creates).find_map(|(index, create)| {
            let state = create.state().filter(|state| *state != State::Rejected)?;
            (create.request == request).then_some((index, state))
        })
    }

    /// The rows that count.
    pub(crate) fn used(&self) -> usize {
        let states = self.creates.iter().filter_map(Create::state);
        states.filter(|state| state.counts_against_quota()).count()
    }

    /// Applies an event. `arn` is what the event tells of the resource.
    pub(crate) fn apply(
        &mut self,
        create: u8,
        event: &Event,
        arn: Option<usize>,
    ) -> Result<Effect, Refused> {
        let request = self.creates[usize::from(create)].request;
        let others = self.row_of(request).filter(|(other, _)| *other != create);
        let row = self.creates[usize::from(create)].row.as_mut().ok_or(Refused)?;
        let transition = row.state.after(event).map_err(|_| Refused)?;
        if transition.state == row.state {
            return Ok(transition.effect);
        }
        if row.state == State::Rejected && others.is_some() {
            return Err(Refused);
        }
        row.state = transition.state;
        row.age = 0;
        if let Some(arn) = arn {
            row.arn = u8::try_from(arn).ok();
        }
        if transition.effect == Effect::SendCreate {
            row.sends += 1;
        }
        Ok(transition.effect)
    }

    /// The end of a doubt about one sending, which a later one makes void.
    pub(crate) fn apply_to(
        &mut self,
        create: u8,
        sending: Option<u8>,
        event: &Event,
    ) -> Result<Effect, Refused> {
        let row = self.creates[usize::from(create)].row.ok_or(Refused)?;
        if sending.is_some_and(|sending| sending != row.sends) {
            return Err(Refused);
        }
        self.apply(create, event, None)
    }

    /// A configuration that no row owns gets a row, or is one too many.
    pub(crate) fn adopt(&mut self, create: u8, attempt: usize) -> Result<Adopted, Refused> {
        let index = usize::from(create);
        let Some(row) = self.creates[index].row else {
            if self.row_of(self.creates[index].request).is_some() {
                return Ok(Adopted::Orphan);
            }
            let arn = u8::try_from(attempt).ok();
            self.creates[index].row = Some(Row { arn, ..Row::new(State::Live) });
            return Ok(Adopted::Live);
        };
        match row {
            Row { arn: Some(arn), .. } if usize::from(arn) != attempt => Ok(Adopted::Orphan),
            Row { state: State::Reserved | State::Sending, .. } => Ok(Adopted::UnderWay),
            Row { state: State::Rejected, .. }
                if self.row_of(self.creates[index].request).is_some() =>
            {
                Ok(Adopted::Orphan)
            }
            _ => self.apply(create, &found(), Some(attempt)).map(|_| Adopted::Live),
        }
    }

    /// Whether a row has it.
    pub(crate) fn owns(&self, create: usize, attempt: usize) -> bool {
        let arn = self.creates[create].row.and_then(|row| row.arn);
        arn.is_some_and(|arn| usize::from(arn) == attempt)
    }
}

/// The transition function does not look into resources.
fn resource() -> Resource {
    Resource { arn: String::new(), participant_id: String::new() }
}

pub(crate) fn found() -> Event {
    Event::Found(resource())
}

pub(crate) fn created() -> Event {
    Event::Created(resource())
}
