//! The invariants, and the definition of a resolved state.

use ivs_ingest_gateway::ledger::State;

use crate::{
    memory::Call,
    scene::{Part, Scene},
    sets::Arn,
    world::{Attempt, Create, Delete, World},
};

pub(crate) const SENT_TWICE: &str = "one permission was used twice";
pub(crate) const KEY_DELETED: &str = "the gateway deleted a configuration whose key a caller has";
pub(crate) const TWO_KEYS: &str = "callers of one request have keys of two configurations";
pub(crate) const NOT_DELETED: &str = "a configuration exists whose delete was confirmed";
pub(crate) const UNCOUNTED: &str = "a configuration that exists or may be created is not counted";
pub(crate) const TWO: &str = "two configurations of one request";
pub(crate) const OVER_QUOTA: &str = "more rows count than the quota allows";
pub(crate) const NOT_ONE_TO_ONE: &str =
    "no work is running, but rows and configurations are not one to one";
pub(crate) const WAITS_FOR_ITS_LEASE: &str =
    "a row waits for the end of its lease, and no gateway was killed";

/// Whether a state violates an invariant.
type Check = fn(&World, &Scene) -> bool;

impl World {
    /// Returns the first violated invariant of this state that the scene does not tolerate.
    pub(crate) fn violation(&self, scene: &Scene) -> Option<&'static str> {
        let checks: [(&'static str, Check); 9] = [
            (SENT_TWICE, |world, _| world.sent_twice),
            (KEY_DELETED, |world, _| world.key_deleted),
            (TWO_KEYS, Self::has_two_keys),
            (NOT_DELETED, |world, _| world.confirmed.arns().any(|arn| world.exists(arn))),
            (UNCOUNTED, Self::has_uncounted),
            (TWO, |world, scene| (0..scene.requests).any(|it| world.configurations_of(it) > 1)),
            (OVER_QUOTA, |world, scene| world.used() > scene.quota),
            (NOT_ONE_TO_ONE, |world, scene| {
                !scene.has(Part::Operator) && world.is_idle(scene) && !world.is_one_to_one()
            }),
            (WAITS_FOR_ITS_LEASE, Self::has_row_without_task),
        ];
        let violated = |(wrong, is_violated): &(&'static str, Check)| {
            is_violated(self, scene) && !scene.tolerated.contains(wrong)
        };
        checks.into_iter().find(violated).map(|(wrong, _)| wrong)
    }

    /// Whether the state is resolved: no work is running, every live row has its configuration,
    /// and every configuration has its live row.
    pub(crate) fn is_resolved(&self, scene: &Scene) -> bool {
        self.is_idle(scene) && self.is_one_to_one()
    }

    fn exists(&self, arn: Arn) -> bool {
        matches!(self.attempt(arn), Attempt::Made { .. })
    }

    fn configurations_of(&self, request: usize) -> usize {
        let creates = self.minted().filter(|(_, create)| usize::from(create.request) == request);
        creates.map(|(index, create)| create.made(index).count()).sum()
    }

    fn has_two_keys(&self, scene: &Scene) -> bool {
        let keys_of = |request: usize| {
            let is_of = |arn: &Arn| usize::from(self.creates[arn.create()].request) == request;
            self.keys.arns().filter(is_of).filter(|arn| self.exists(*arn)).count()
        };
        !self.keys.is_empty() && (0..scene.requests).any(|request| keys_of(request) > 1)
    }

    /// A ledger that is not compared with AWS yet may lack rows. Until then the gateway creates
    /// nothing.
    fn has_uncounted(&self, scene: &Scene) -> bool {
        let is_complete = self.gateways.iter().take(scene.gateways).all(|it| it.complete);
        is_complete
            && self.minted().any(|(index, create)| {
                let may_exist = |attempt: &(usize, &Attempt)| {
                    matches!(attempt.1, Attempt::Sent { .. } | Attempt::Made { .. })
                };
                let counts =
                    |row: usize| self.creates[row].state().is_some_and(State::counts_against_quota);
                let mut existing = create.attempts.iter().enumerate().filter(may_exist);
                !counts(index)
                    && existing.any(|(attempt, _)| {
                        !self.owner(Arn::of(index, attempt)).is_some_and(counts)
                    })
            })
    }

    /// Whether a create waits for its lease, because no task will record its outcome.
    fn has_row_without_task(&self, scene: &Scene) -> bool {
        if scene.has(Part::Crashes) || !scene.has(Part::FailedWrites) {
            return false;
        }
        let is_running = |index: usize| {
            self.gateways.iter().any(|gateway| {
                let of = |call: &Call| match *call {
                    Call::None => false,
                    Call::Reserved { create }
                    | Call::Resending { create, .. }
                    | Call::Sending { create, .. } => usize::from(create) == index,
                };
                gateway.calls.iter().any(of) || gateway.later[index].is_some()
            })
        };
        self.minted().any(|(index, create)| {
            matches!(create.state(), Some(State::Reserved | State::Sending)) && !is_running(index)
        })
    }

    /// Whether no call is running, AWS has executed everything, lists are complete, and no row
    /// is in a transient state.
    pub(crate) fn is_idle(&self, scene: &Scene) -> bool {
        let mut gateways = self.gateways[..scene.gateways].iter();
        !self.other_account
            && gateways.all(|gateway| {
                gateway.complete
                    && gateway.calls.iter().all(|call| *call == Call::None)
                    && gateway.later.iter().all(Option::is_none)
                    && gateway.deletes.is_empty()
            })
            && self.creates.iter().all(|create| create.is_idle(scene))
    }

    fn is_one_to_one(&self) -> bool {
        let has_its_row = |(arn, _)| {
            self.owner(arn).and_then(|row| self.creates[row].state()) == Some(State::Live)
        };
        let has_its_configuration = |(_, create): (usize, &Create)| {
            create.state() != Some(State::Live) || create.arn().is_some_and(|arn| self.exists(arn))
        };
        self.made().all(has_its_row) && self.minted().all(has_its_configuration)
    }
}

impl Create {
    /// The configurations that the create has made, each with its age.
    pub(crate) fn made(&self, index: usize) -> impl Iterator<Item = (Arn, u8)> {
        self.attempts.iter().enumerate().filter_map(move |(attempt, attempt_state)| {
            match attempt_state {
                Attempt::Made { age } => Some((Arn::of(index, attempt), *age)),
                _ => None,
            }
        })
    }

    fn is_idle(&self, scene: &Scene) -> bool {
        let row_waits = self.state().is_some_and(|state| {
            matches!(state, State::Reserved | State::Sending | State::InDoubt | State::Deleting)
        });
        !row_waits
            && self.delete == Delete::Nothing
            && self.attempts.iter().all(|attempt| match attempt {
                Attempt::Nothing => true,
                Attempt::Made { age } => *age == scene.all_shown_after(),
                _ => false,
            })
    }
}
