//! The transactions of the ledger, on the rows of the model. The decisions are the code of
//! the gateway, `ledger::decide`.

use ivs_ingest_gateway::ledger::{
    Event, Resource, State, Step,
    decide::{self, Adopt, Change, Earlier, Found, RowIds, RowOfCreate},
};

use crate::world::{Create, Row, Scene, World};

/// The result of [`World::reserve`].
pub(crate) enum Reserved {
    New {
        create: u8,
    },
    InDoubt {
        create: u8,
    },
    /// Replayed, in progress, or over quota: the call ends without a change.
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
            Some(_) => return Reserved::Nothing,
            None => {}
        }
        // The limit on minted ids is a bound of the scene, and not a decision of the gateway.
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

    /// The row in the unique index on tenant and `request_id`.
    fn row_of(&self, request: u8) -> Option<(u8, State)> {
        (0..).zip(self.creates).find_map(|(index, create)| {
            let row = create.row.filter(|row| decide::holds_request_id(row.state))?;
            (create.request == request && !row.is_renamed).then_some((index, row.state))
        })
    }

    /// The other create whose row has the `request_id` of this one, and its state.
    fn other_holder(&self, create: u8) -> Option<(u8, State)> {
        let request = self.creates[usize::from(create)].request;
        self.row_of(request).filter(|(other, _)| *other != create)
    }

    /// Gives the row that holds the `request_id` of the create a new one.
    fn release_request_id(&mut self, create: u8) {
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

    /// Applies a step. `arn` is the attempt that created the resource of the step.
    pub(crate) fn apply<'a>(
        &mut self,
        create: u8,
        step: impl Into<Step<'a>>,
        arn: Option<usize>,
    ) -> Result<Applied, Rejected> {
        let request_id_is_taken = self.other_holder(create).is_some();
        let row = self.creates[usize::from(create)].row.as_mut().ok_or(Rejected)?;
        let (_, change) = decide::step(row.state, row.was_resent, step).map_err(|_| Rejected)?;
        let Some(change) = change else { return Ok(Applied::Unchanged) };
        let Change { state, is_sending, is_resend, records_response, .. } = change;
        // The unique index of the ledger rejects the change.
        let takes_request_id =
            !decide::holds_request_id(row.state) && decide::holds_request_id(state);
        if takes_request_id && request_id_is_taken {
            return Err(Rejected);
        }
        row.state = state;
        row.age = 0;
        row.sends += u8::from(is_sending);
        row.was_resent |= is_resend;
        row.response_recorded |= records_response;
        if let Some(arn) = arn {
            row.arn = u8::try_from(arn).ok();
        }
        Ok(Applied::Changed)
    }

    /// Applies a conclusion about one sending. A later sending makes it void.
    pub(crate) fn apply_to<'a>(
        &mut self,
        create: u8,
        sending: Option<u8>,
        step: impl Into<Step<'a>>,
    ) -> Result<Applied, Rejected> {
        let row = self.creates[usize::from(create)].row.ok_or(Rejected)?;
        if sending.is_some_and(|sending| !decide::is_last_sending(row.sends, sending)) {
            return Err(Rejected);
        }
        self.apply(create, step, None)
    }

    /// Adopts a configuration without a row, or returns the decision against it.
    pub(crate) fn adopt(&mut self, create: u8, attempt: usize) -> Result<Adopt<u8>, Rejected> {
        let row = self.creates[usize::from(create)].row;
        let arn = u8::try_from(attempt).unwrap();
        let decision = decide::adopt(Found {
            owner: row.filter(|row| row.arn == Some(arn)).map(|row| row.state),
            create: row.filter(|row| row.arn != Some(arn)).map(|row| RowOfCreate {
                state: row.state,
                arn: row.arn,
                response_recorded: row.response_recorded,
            }),
            holder: self.other_holder(create).map(|(_, state)| state),
            ledger_is_complete: self.rebuilt,
        });
        match decision {
            Adopt::Insert(ids @ (RowIds::OfTags | RowIds::TakenBack)) => {
                if ids == RowIds::TakenBack {
                    self.release_request_id(create);
                }
                let row = Row { arn: Some(arn), ..Row::new(State::Live) };
                self.creates[usize::from(create)].row = Some(row);
            }
            Adopt::ApplyToCreate(ids @ (RowIds::OfTags | RowIds::TakenBack)) => {
                if ids == RowIds::TakenBack {
                    self.release_request_id(create);
                }
                self.apply(create, &found(), Some(attempt))?;
            }
            Adopt::ApplyToOwner => {
                self.apply(create, &found(), Some(attempt))?;
            }
            Adopt::ApplyToCreate(RowIds::NewRequestId | RowIds::New)
            | Adopt::Insert(RowIds::NewRequestId | RowIds::New)
            | Adopt::UnderWay
            | Adopt::Duplicate { .. } => {}
        }
        Ok(decision)
    }

    /// Whether a row owns the configuration.
    pub(crate) fn owns(&self, create: usize, attempt: usize) -> bool {
        let arn = self.creates[create].row.and_then(|row| row.arn);
        arn.is_some_and(|arn| usize::from(arn) == attempt)
    }
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
