//! The memory of a gateway, which a crash clears.

use crate::{
    sets::{Ages, Arn, Set},
    world::{MAX_CREATES, MAX_REQUESTS},
};

/// The memory of a gateway. A crash clears it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Gateway {
    /// The running create of each `request_id`, which calls join.
    pub(crate) calls: [Call; MAX_REQUESTS],
    /// The rows whose delete waits for its response.
    pub(crate) deletes: Set,
    /// The events that will be recorded after a failed write, by create.
    pub(crate) later: [Option<Later>; MAX_CREATES],
    pub(crate) resolver: Resolver,
    pub(crate) scan: Option<ScanRun>,
    /// The comparison of the ledger with AWS, until it has ended.
    pub(crate) comparing: Option<Comparing>,
    /// Whether creates are allowed, because the ledger is complete.
    pub(crate) complete: bool,
}

/// The running create of a `request_id`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Call {
    #[default]
    None,
    /// It has reserved a row, and not sent.
    Reserved { create: u8 },
    /// The resolver found that the sending `absent` was not executed. The create requests a
    /// permission to resend.
    Resending { create: u8, absent: u8 },
    /// It holds the permission of an attempt, or waits for its response. `age` is the time since
    /// the record of the sending.
    Sending { create: u8, attempt: u8, age: u8 },
}

/// An event that a separate task records after a failed write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Later {
    Cancel,
    NotExecuted,
    Ambiguous,
    Created { attempt: u8 },
    DeleteRefused,
    DeleteConfirmed,
}

/// The memory of the resolver, by create.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Resolver {
    pub(crate) schedules: [Option<Schedule>; MAX_CREATES],
    /// The sending that is absent, so that the create may be sent again.
    pub(crate) absent: [Option<u8>; MAX_CREATES],
    /// The in-doubt creates that the round has read and not probed yet.
    pub(crate) round: [Option<InDoubt>; MAX_CREATES],
    /// The probe without a conclusion yet.
    pub(crate) probe: Option<Probe>,
    /// The time since each configuration was first read without tags. A foreign one is marked.
    pub(crate) untagged: Ages,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Schedule {
    pub(crate) sending: u8,
    pub(crate) empty_probes: u8,
    /// Time since this process first saw the create in doubt, by the monotonic clock.
    pub(crate) seen_age: u8,
}

/// A row in doubt, as the resolver read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct InDoubt {
    pub(crate) sending: u8,
    /// Time since that sending, by the wall clock.
    pub(crate) age: u8,
}

/// One probe: a list at AWS, and the tags of its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Probe {
    pub(crate) create: u8,
    pub(crate) sending: u8,
    /// The age at the start of the probe.
    pub(crate) age: u8,
    /// The attempts whose configurations have no row and carry the create's tag.
    pub(crate) found: Set,
    /// A configuration without tags may be that of the create.
    pub(crate) undecided: bool,
}

/// A scan in progress.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct ScanRun {
    pub(crate) phase: ScanPhase,
    /// The configurations of the last page.
    pub(crate) page: Set,
    /// Rows that ended since the request for that page, or for that read.
    pub(crate) ended: Set,
    /// Configurations that were listed, have no row, and were not read yet.
    pub(crate) unknown: Set,
    /// A configuration that was read, and is not recorded yet.
    pub(crate) adopting: Option<Arn>,
    /// The foreign configuration was listed, and was not read yet.
    pub(crate) foreign: bool,
    /// Live rows from before the scan that no page has shown.
    pub(crate) unseen: Set,
    /// It has listed a configuration that the ledger knows.
    pub(crate) known: bool,
    /// It has found a configuration that the ledger did not know.
    pub(crate) finds: bool,
    /// It could not read a configuration of the gateway.
    pub(crate) unreadable: bool,
    /// It began when AWS lists everything that was created before the start.
    pub(crate) is_late: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ScanPhase {
    /// A page has arrived, and is not recorded yet.
    Arrived { is_last: bool },
    /// The first page is recorded.
    FirstPage,
    /// All pages are recorded.
    #[default]
    Listed,
}

/// The comparison of the ledger with AWS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Comparing {
    /// The number of consecutive scans that found nothing, at most 2.
    pub(crate) scans_without_finds: u8,
    /// Time since the start of the process, by the monotonic clock, at most
    /// `Times::give_up_after`.
    pub(crate) since_start: u8,
}

impl ScanRun {
    /// Whether a response of AWS is not recorded yet.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.page.is_empty() || self.adopting.is_some()
    }
}
