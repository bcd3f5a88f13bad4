//! Everything that can happen next. Each part of the gateway adds its steps.

use crate::{calls, resolving, scanning, upstream, world::Scene, world::World};

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Time goes by.
    Tick,
    /// AWS, and the network to it.
    Aws { does: Aws, create: usize, attempt: usize },
    /// A client calls, or the create that carries its call out goes on.
    Call { does: Calls, gateway: usize, request: usize },
    /// A lease is over: somebody takes the row over.
    LeaseEnds { create: usize },
    /// The settler goes on.
    Resolver { does: ResolutionStep, gateway: usize },
    /// The sweep goes on.
    Scan { does: ScanStep, gateway: usize },
    /// A gateway is killed, and starts again.
    Crash { gateway: usize },
    /// The ledger's file is deleted while the gateway is down.
    LedgerIsLost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aws {
    Executes,
    Refuses,
    NeverGets,
    /// Somebody deletes it behind the gateway's back.
    IsToldToDelete,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calls {
    /// A client's call reserves, or joins a doubt.
    Begins,
    Cancels,
    RecordsSending,
    RecordsSendingAgain,
    SendsBytes,
    CannotConnect,
    RecordsAnswer,
    /// AWS throttled it, and it is to be sent again.
    RecordsThrottle,
    TimesOut,
    /// The ledger does not take the outcome, whatever it was.
    CannotRecord,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResolutionStep {
    ReadsInDoubt,
    Looks { create: usize },
    CannotLook { create: usize },
    Concludes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScanStep {
    Lists,
    LooksInto { create: usize, attempt: usize },
    EndsScan,
}

impl Step {
    /// What must not be needed for everything to settle: faults, and the clients.
    pub(crate) fn is_fault_or_client(self) -> bool {
        match self {
            Self::Crash { .. } | Self::LedgerIsLost => true,
            Self::Aws { does, .. } => matches!(does, Aws::NeverGets | Aws::IsToldToDelete),
            Self::Call { does, .. } => matches!(does, Calls::Begins | Calls::CannotRecord),
            Self::Resolver { does, .. } => matches!(does, ResolutionStep::CannotLook { .. }),
            Self::Tick | Self::LeaseEnds { .. } | Self::Scan { .. } => false,
        }
    }
}

/// The steps from one state, each with the state that it leads to.
pub(crate) struct Steps<'a> {
    pub(crate) scene: &'a Scene,
    pub(crate) from: &'a World,
    pub(crate) found: Vec<(Step, World)>,
}

impl<'a> Steps<'a> {
    pub(crate) fn from(scene: &'a Scene, from: &'a World) -> Vec<(Step, World)> {
        let mut steps = Self { scene, from, found: Vec::with_capacity(16) };
        upstream::steps(&mut steps);
        for gateway in 0..scene.gateways {
            calls::steps(&mut steps, gateway);
            resolving::steps(&mut steps, gateway);
            scanning::steps(&mut steps, gateway);
            steps.add(Step::Crash { gateway }, |world| world.crash(gateway));
        }
        steps.found
    }

    /// Adds what `happens`, unless it changes nothing.
    pub(crate) fn add(&mut self, step: Step, happens: impl FnOnce(&mut World)) {
        let mut world = *self.from;
        happens(&mut world);
        // Which gateway is which makes no difference.
        world.gateways[..self.scene.gateways].sort_unstable();
        if world != *self.from {
            self.found.push((step, world));
        }
    }
}
