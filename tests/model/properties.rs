//! The invariants, and the definition of a resolved state.

use ivs_ingest_gateway::ledger::State;

use crate::world::{Attempt, Call, Create, Scene, World};

impl World {
    /// Returns the violated invariant of this state, if any.
    pub(crate) fn violation(&self, scene: &Scene) -> Option<&'static str> {
        if self.sent_twice {
            return Some("one permission was used twice");
        }
        if self.used() > scene.quota {
            return Some("more rows count than the quota allows");
        }
        // A lost ledger is incomplete until it is rebuilt. Until then the gateway creates nothing.
        let is_rebuilding =
            self.gateways.iter().take(scene.gateways).any(|gateway| !gateway.complete);
        if !is_rebuilding && self.minted().any(|(_, create)| create.is_uncounted()) {
            return Some("a configuration that exists or may be created is not counted");
        }
        for request in 0..scene.requests {
            if self.configurations_of(request) > 1 {
                return Some("two configurations of one request");
            }
        }
        if self.is_idle(scene) && !scene.operator && !self.is_one_to_one() {
            return Some("no work is running, but rows and configurations are not one to one");
        }
        None
    }

    /// Whether the state is resolved: no work is running, every live row has its configuration,
    /// and every configuration has its live row.
    pub(crate) fn is_resolved(&self, scene: &Scene) -> bool {
        self.is_idle(scene) && self.is_one_to_one()
    }

    fn configurations_of(&self, request: usize) -> usize {
        let creates = self.minted().filter(|(_, create)| usize::from(create.request) == request);
        creates.map(|(_, create)| create.made().count()).sum()
    }

    /// Whether no call is running, AWS has executed everything, lists are complete, and no row
    /// is in a transient state.
    pub(crate) fn is_idle(&self, scene: &Scene) -> bool {
        let gateways = &self.gateways[..scene.gateways];
        gateways
            .iter()
            .all(|gateway| gateway.complete && gateway.calls.iter().all(|call| *call == Call::None))
            && self.creates.iter().all(|create| create.is_idle(scene))
    }

    fn is_one_to_one(&self) -> bool {
        (0..self.creates.len()).all(|index| {
            let create = &self.creates[index];
            let is_live = create.state() == Some(State::Live);
            let owned = create.made().filter(|attempt| self.owns(index, *attempt)).count();
            create.made().count() == owned && owned == usize::from(is_live)
        })
    }
}

impl Create {
    fn is_idle(&self, scene: &Scene) -> bool {
        let row_waits = self.state().is_some_and(|state| {
            matches!(state, State::Reserved | State::Sending | State::InDoubt)
        });
        !row_waits
            && self.attempts.iter().all(|attempt| match attempt {
                Attempt::Nothing => true,
                Attempt::Made { age } => *age == scene.times.shown_after,
                _ => false,
            })
    }

    fn is_uncounted(&self) -> bool {
        let may_exist = self
            .attempts
            .iter()
            .any(|stage| matches!(stage, Attempt::Sent { .. } | Attempt::Made { .. }));
        may_exist && !self.state().is_some_and(State::counts_against_quota)
    }
}
