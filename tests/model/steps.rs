//! The possible steps. Each part of the gateway adds its own.

use crate::{calls, resolving, scanning, upstream, world::Scene, world::World};

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Time advances by a tick.
    Tick,
    /// AWS, or the network to it, acts on an attempt.
    Aws { does: Aws, create: usize, attempt: usize },
    /// A client calls, or the create of its call takes a step.
    Call { does: Calls, gateway: usize, request: usize },
    /// A lease expires, and another task takes over the row.
    LeaseEnds { create: usize },
    /// The resolver takes a step.
    Resolver { does: ResolutionStep, gateway: usize },
    /// The scan takes a step.
    Scan { does: ScanStep, gateway: usize },
    /// A gateway is killed and restarted.
    Crash { gateway: usize },
    /// The ledger's file is deleted while the gateway is down.
    LedgerIsLost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aws {
    Executes,
    Rejects,
    NeverReceives,
    /// An operator deletes the configuration without the gateway.
    DeletesForOperator,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calls {
    /// A client's call reserves a row, or requests the resend of an in-doubt create.
    Begins,
    Cancels,
    RecordsSending,
    RecordsResending,
    SendsBytes,
    CannotConnect,
    RecordsResponse,
    /// AWS throttled the create, which will be sent again.
    RecordsThrottle,
    TimesOut,
    /// The call ends without a record of its outcome.
    CannotRecord,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResolutionStep {
    ReadsInDoubt,
    Probes { create: usize },
    ProbeFails { create: usize },
    Concludes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScanStep {
    Lists,
    Reads { create: usize, attempt: usize },
    EndsScan,
}

impl Step {
    /// Whether the step is a fault or an action of a client. A resolved state must be reachable
    /// without such steps.
    pub(crate) fn is_fault_or_client(self) -> bool {
        match self {
            Self::Crash { .. } | Self::LedgerIsLost => true,
            Self::Aws { does, .. } => matches!(does, Aws::NeverReceives | Aws::DeletesForOperator),
            Self::Call { does, .. } => matches!(does, Calls::Begins | Calls::CannotRecord),
            Self::Resolver { does, .. } => matches!(does, ResolutionStep::ProbeFails { .. }),
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
    pub(crate) fn add(&mut self, step: Step, change: impl FnOnce(&mut World)) {
        let mut world = *self.from;
        change(&mut world);
        // Gateways are interchangeable.
        world.gateways[..self.scene.gateways].sort_unstable();
        if world != *self.from {
            self.found.push((step, world));
        }
    }
}
