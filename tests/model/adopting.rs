//! The ledger's adoption of a configuration that the scan found. The decision is the code of
//! the gateway, `ledger::decide::adopt`.

use ivs_ingest_gateway::ledger::{
    State,
    decide::{self, Adopt, Found, RowIds, RowOfCreate},
};

use crate::{
    ledger::{Rejected, found},
    scene::{Rule, Scene},
    sets::Arn,
    world::{Create, NEW_REQUEST, Row, World},
};

impl World {
    /// Adopts a configuration without a row, or returns the decision against it.
    pub(crate) fn adopt(
        &mut self,
        scene: &Scene,
        arn: Arn,
        ledger_is_complete: bool,
    ) -> Result<Adopt<Arn>, Rejected> {
        let create = u8::try_from(arn.create()).unwrap();
        let owner = self.owner(arn);
        let row = self.creates[arn.create()].row.filter(|row| row.arn != Some(arn));
        let needs_response = !scene.lacks(Rule::DuplicatesNeedAResponse);
        let decision = decide::adopt(Found {
            owner: owner.and_then(|owner| self.creates[owner].state()),
            create: row.map(|row| RowOfCreate {
                state: row.state,
                arn: row.arn,
                response_recorded: row.response_recorded || !needs_response,
            }),
            holder: self.other_holder(create).map(|(_, state)| state),
            ledger_is_complete,
        });
        let mut row =
            Row { arn: Some(arn), age: scene.kept_age(State::Live), ..Row::new(State::Live) };
        match decision {
            Adopt::Insert(RowIds::New | RowIds::NewRequestId)
            | Adopt::ApplyToCreate(RowIds::New | RowIds::NewRequestId)
                if scene.lacks(Rule::EveryConfigurationHasARow) => {}
            Adopt::Insert(RowIds::New) => {
                let unused =
                    |create: &Create| create.request == NEW_REQUEST && create.row.is_none();
                let unused = self.creates.iter().position(unused);
                let index = unused.unwrap_or_else(|| usize::from(self.mint(NEW_REQUEST)));
                self.creates[index].row = Some(row);
            }
            Adopt::Insert(ids) => {
                row.is_renamed = ids == RowIds::NewRequestId;
                if ids == RowIds::TakenBack {
                    self.release_request_id(create);
                }
                self.creates[arn.create()].row = Some(row);
            }
            Adopt::ApplyToCreate(ids) => {
                if ids == RowIds::TakenBack {
                    self.release_request_id(create);
                }
                if let Some(row) = &mut self.creates[arn.create()].row {
                    row.is_renamed |= matches!(ids, RowIds::New | RowIds::NewRequestId);
                }
                self.apply(scene, create, &found(), Some(arn))?;
            }
            Adopt::ApplyToOwner => {
                let owner = u8::try_from(owner.unwrap()).unwrap();
                self.apply(scene, owner, &found(), Some(arn))?;
            }
            Adopt::UnderWay | Adopt::Duplicate { .. } => {}
        }
        Ok(decision)
    }
}
