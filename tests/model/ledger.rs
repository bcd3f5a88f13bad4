//! The ledger: what an engine does in its transactions, on the model's rows. Every decision
//! is the gateway's own, from `ledger::decide`.

use ivs_ingest_gateway::ledger::{
    Event, Resource, State, Step,
    decide::{self, Adopt, Change, Earlier, Found},
};

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

/// The row cannot take the step, or does not any more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused;

/// Whether a step changed the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Applied {
    Changed,
    KnownBefore,
}

impl World {
    /// Idempotency, quota and insert in one step.
    pub(crate) fn reserve(&mut self, scene: &Scene, request: u8) -> Reserved {
        // The model's clients send the same content with the same `request_id`.
        let earlier = self.row_of(request).and_then(|(create, state)| {
            decide::earlier(state, &request, &request).map(|earlier| (create, earlier))
        });
        match earlier {
            Some((create, Earlier::InDoubt)) => return Reserved::InDoubt { create },
            Some(_) => return Reserved::Nothing,
            None => {}
        }
        // The last is the scene's end and not the gateway's.
        let has_room = decide::has_room(self.used(), scene.quota);
        if !has_room || usize::from(self.minted) >= scene.creates {
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
            let state = create.state().filter(|state| decide::holds_request_id(*state))?;
            (create.request == request).then_some((index, state))
        })
    }

    /// Whether another create's row has the `request_id` of this one.
    fn request_id_is_taken(&self, create: u8) -> bool {
        let request = self.creates[usize::from(create)].request;
        self.row_of(request).is_some_and(|(other, _)| other != create)
    }

    /// The number of rows that count.
    pub(crate) fn used(&self) -> u32 {
        let states = self.creates.iter().filter_map(Create::state);
        states.map(|state| u32::from(state.counts_against_quota())).sum()
    }

    /// Applies a step. `arn` is what the step tells of the resource.
    pub(crate) fn apply<'a>(
        &mut self,
        create: u8,
        step: impl Into<Step<'a>>,
        arn: Option<usize>,
    ) -> Result<Applied, Refused> {
        let request_id_is_taken = self.request_id_is_taken(create);
        let row = self.creates[usize::from(create)].row.as_mut().ok_or(Refused)?;
        let (_, change) = decide::step(row.state, step).map_err(|_| Refused)?;
        let Some(Change { state, is_sending, takes_request_id, .. }) = change else {
            return Ok(Applied::KnownBefore);
        };
        // The unique index refuses it.
        if takes_request_id && request_id_is_taken {
            return Err(Refused);
        }
        row.state = state;
        row.age = 0;
        row.sends += u8::from(is_sending);
        if let Some(arn) = arn {
            row.arn = u8::try_from(arn).ok();
        }
        Ok(Applied::Changed)
    }

    /// A conclusion about one sending, which a later one makes void.
    pub(crate) fn apply_to<'a>(
        &mut self,
        create: u8,
        sending: Option<u8>,
        step: impl Into<Step<'a>>,
    ) -> Result<Applied, Refused> {
        let row = self.creates[usize::from(create)].row.ok_or(Refused)?;
        if sending.is_some_and(|sending| !decide::is_last_sending(row.sends, sending)) {
            return Err(Refused);
        }
        self.apply(create, step, None)
    }

    /// A configuration that no row owns gets a row, or the decision why not.
    pub(crate) fn adopt(&mut self, create: u8, attempt: usize) -> Result<Adopt<u8>, Refused> {
        let row = self.creates[usize::from(create)].row;
        let arn = u8::try_from(attempt).unwrap();
        let decision = decide::adopt(Found {
            arn,
            row: row.map(|row| (row.state, row.arn)),
            request_id_is_taken: self.request_id_is_taken(create),
            // Each configuration is one attempt of one create.
            arn_is_taken: false,
        });
        match decision {
            Adopt::Insert => {
                let row = Row { arn: Some(arn), ..Row::new(State::Live) };
                self.creates[usize::from(create)].row = Some(row);
            }
            Adopt::Apply => {
                self.apply(create, &found(), Some(attempt))?;
            }
            Adopt::UnderWay | Adopt::Displaced | Adopt::Orphan { .. } => {}
        }
        Ok(decision)
    }

    /// Whether a row has it.
    pub(crate) fn owns(&self, create: usize, attempt: usize) -> bool {
        let arn = self.creates[create].row.and_then(|row| row.arn);
        arn.is_some_and(|arn| usize::from(arn) == attempt)
    }
}

/// The transition function does not look into resources.
fn resource() -> Resource {
    Resource { arn: String::new(), participant_id: None }
}

pub(crate) fn found() -> Event {
    Event::Found(resource())
}

pub(crate) fn created() -> Event {
    Event::Created(resource())
}
