//! The possible steps. Each part of the gateway adds its own.

use crate::{
    calls,
    deletes::{self, Read},
    faults, recording, resolving, scanning,
    scene::Scene,
    upstream,
    world::World,
};

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Time advances by a tick.
    Tick,
    /// AWS, or the network to it, acts on an attempt, or on the delete of a row.
    Aws { does: Aws, create: usize, attempt: usize },
    /// A client calls, or the create of its call takes a step.
    Call { does: Calls, gateway: usize, request: usize },
    /// A caller deletes a configuration, or its delete takes a step.
    Delete { does: Deletes, gateway: usize, create: usize },
    /// A write succeeds that had failed.
    Records { gateway: usize, create: usize },
    /// A lease expires, and another task takes over the row.
    LeaseEnds { create: usize },
    /// The resolver takes a step.
    Resolver { does: ResolutionStep, gateway: usize },
    /// The scan takes a step.
    Scan { does: ScanStep, gateway: usize },
    /// The machine, its disk, its clock or its credentials fail, or recover.
    Fault(Fault),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aws {
    Executes,
    Rejects,
    NeverReceives,
    /// An operator deletes the configuration without the gateway.
    DeletesForOperator,
    Deletes,
    RefusesToDelete,
    /// It does not have the configuration, or does not show it yet.
    FindsNothingToDelete,
    NeverReceivesDelete,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calls {
    /// A client's call reserves a row, requests the resend of an in-doubt create, or receives an
    /// earlier configuration.
    Begins,
    Cancels,
    FailsToCancel {
        is_durable: bool,
    },
    RecordsSending,
    RecordsResending,
    FailsToRecordSending {
        is_durable: bool,
    },
    SendsBytes,
    /// The record took so long that the create is not sent.
    IsTooLate,
    CannotConnect,
    RecordsResponse,
    /// AWS throttled the create, which will be sent again.
    RecordsThrottle,
    TimesOut,
    FailsToRecord {
        is_durable: bool,
    },
    FailsToRecordThrottle,
    /// The call ends without a record of its outcome.
    CannotRecord,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deletes {
    /// The row is `DELETING`, and the delete is sent.
    Begins,
    FailsToBegin,
    RecordsResponse,
    FailsToRecord,
    TimesOut,
    /// A read after the time-out does not find the configuration.
    TimesOutAndReads,
    /// The lease of the delete expires, and the resolver reads the configuration.
    IsResolved(Read),
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
    /// AWS responds to the list of all configurations, or of the first page.
    Lists,
    ListsRest,
    RecordsPage,
    Reads {
        create: usize,
        attempt: usize,
    },
    /// The configuration does not exist, or its tags are not shown.
    FindsNone {
        create: usize,
        attempt: usize,
    },
    /// Its tags are the gateway's, and a read does not find it.
    IsNotShown {
        create: usize,
        attempt: usize,
    },
    CannotRead {
        create: usize,
        attempt: usize,
    },
    CannotReadForeign,
    /// The ledger adopts the configuration that was read.
    Adopts,
    EndsScan,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A gateway is killed and restarted.
    Crash {
        gateway: usize,
    },
    /// The ledger's file is deleted while the gateway is down.
    LedgerIsLost,
    LedgerIsCopied,
    CopyIsRestored,
    ClockIsSetForward,
    ClockIsSetBack,
    AccountIsWrong,
    AccountIsCorrected,
}

impl Step {
    /// Whether the step is a fault or an action of a client. A resolved state must be reachable
    /// without such steps.
    pub(crate) fn is_fault_or_client(self) -> bool {
        match self {
            Self::Fault(fault) => fault != Fault::AccountIsCorrected,
            Self::Aws { does, .. } => matches!(
                does,
                Aws::NeverReceives | Aws::NeverReceivesDelete | Aws::DeletesForOperator
            ),
            Self::Call { does, .. } => matches!(
                does,
                Calls::Begins
                    | Calls::CannotRecord
                    | Calls::FailsToCancel { .. }
                    | Calls::FailsToRecord { .. }
                    | Calls::FailsToRecordSending { .. }
                    | Calls::FailsToRecordThrottle
            ),
            Self::Delete { does, .. } => {
                matches!(does, Deletes::Begins | Deletes::FailsToBegin | Deletes::FailsToRecord)
            }
            Self::Resolver { does, .. } => matches!(does, ResolutionStep::ProbeFails { .. }),
            Self::Scan { does, .. } => matches!(does, ScanStep::CannotRead { .. }),
            Self::Tick | Self::LeaseEnds { .. } | Self::Records { .. } => false,
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
        faults::steps(&mut steps);
        for gateway in 0..scene.gateways {
            recording::steps(&mut steps, gateway);
            calls::steps(&mut steps, gateway);
            deletes::steps(&mut steps, gateway);
            resolving::steps(&mut steps, gateway);
            scanning::steps(&mut steps, gateway);
        }
        steps.found
    }

    /// Adds the step, unless it changes nothing.
    pub(crate) fn add(&mut self, step: Step, change: impl FnOnce(&mut World)) {
        let mut world = *self.from;
        change(&mut world);
        if self.scene.gateways > 1 {
            // Gateways are interchangeable.
            world.gateways.sort_unstable();
        }
        if world != *self.from {
            self.found.push((step, world));
        }
    }
}
