//! The records that follow a failed write: `handlers::recording`.

use ivs_ingest_gateway::ledger::Event;

use crate::{
    ledger::created,
    memory::Later,
    scene::{Rule, Scene},
    sets::Arn,
    steps::{Step, Steps},
    world::{MAX_CREATES, World},
};

pub(crate) fn steps(steps: &mut Steps<'_>, gateway: usize) {
    let (scene, from) = (steps.scene, steps.from);
    for create in 0..MAX_CREATES {
        if from.gateways[gateway].later[create].is_some() {
            let step = Step::Records { gateway, create };
            steps.add(step, |world| world.record_now(scene, gateway, create));
        }
    }
}

impl World {
    /// Starts a task that records the event after a failed write.
    pub(crate) fn record_later(&mut self, scene: &Scene, gateway: usize, create: u8, later: Later) {
        if !scene.lacks(Rule::FailedWritesAreRepeated) {
            self.gateways[gateway].later[usize::from(create)] = Some(later);
        }
    }

    /// The write succeeds. A row that rejects the event has another outcome since.
    fn record_now(&mut self, scene: &Scene, gateway: usize, create: usize) {
        let Some(later) = self.gateways[gateway].later[create].take() else { return };
        let arn = match later {
            Later::Created { attempt } => Some(Arn::of(create, usize::from(attempt))),
            _ => None,
        };
        let event = match later {
            Later::Cancel => Event::Cancel,
            Later::NotExecuted => Event::NotExecuted,
            Later::Ambiguous => Event::Ambiguous,
            Later::Created { .. } => created(),
            Later::DeleteRefused => Event::DeleteRefused,
            Later::DeleteConfirmed => Event::DeleteConfirmed,
        };
        let _ = self.apply(scene, u8::try_from(create).unwrap(), &event, arn);
    }
}
