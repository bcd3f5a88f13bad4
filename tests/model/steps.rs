//! The possible steps. Each part of the gateway adds its own.

use crate::{calls, resolving, scanning, upstream, world::Scene, world::World};

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Time advances by a tick.
    Tick,
    /// AWS, and the network to it.
    Aws { does: Aws, create: usize, attempt: usize },
    /// A client calls, or the create of its call takes a step.
    Call { does: Calls, gateway: usize, request: usize },
    /// A lease expires, and another task takes over the row.
    LeaseEnds { create: usize },
    /// The resolver takes a step.
    Resolver { does: ResolutionStep, gateway: usize },
    /// The scan takes a step.
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
    /// An operator deletes the configuration without the gateway.
    IsToldToDelete,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calls {
    /// A client's call reserves a row, or joins an in-doubt create.
    Begins,
    Cancels,
    RecordsSending,
    RecordsSendingAgain,
    SendsBytes,
    CannotConnect,
    RecordsAnswer,
    /// AWS throttled the create, which is to be sent again.
    RecordsThrottle,
    TimesOut,
    /// The ledger rejects the outcome.
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
    /// Whether a resolved state must be reachable without this step: faults and clients.
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

/// The steps from one state, each with its successor.
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

    /// Adds the step, unless it changes nothing.
    pub(crate) fn add(&mut self, step: Step, happens: impl FnOnce(&mut World)) {
        let mut world = *self.from;
        happens(&mut world);
        // Gateways are interchangeable.
        world.gateways[..self.scene.gateways].sort_unstable();
        if world != *self.from {
            self.found.push((step, world));
        }
    }
}
