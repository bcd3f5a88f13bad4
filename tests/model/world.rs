//! The state of the model: everything that the protocol reads or writes.

use std::hash::{Hash, Hasher};

use ivs_ingest_gateway::ledger::{Comparison, State};

use crate::{
    scene::Scene,
    sets::{Ages, Arn, Set},
};

// The upper bounds of every scene. They are constants, so that a state has a fixed size.
pub(crate) const MAX_CREATES: usize = 4;
pub(crate) const MAX_SENDS: usize = 3;
pub(crate) const MAX_REQUESTS: usize = 2;
pub(crate) const MAX_GATEWAYS: usize = 2;

/// The `request_id` of a row for a second configuration, which no client uses.
pub(crate) const NEW_REQUEST: u8 = u8::MAX;

/// One state of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct World {
    /// The creates, by operation id.
    pub(crate) creates: [Create; MAX_CREATES],
    pub(crate) minted: u8,
    pub(crate) gateways: [Gateway; MAX_GATEWAYS],
    /// The number of gateways of the scene.
    pub(crate) running: u8,
    /// The ledger was lost, or replaced by its copy.
    pub(crate) ledger_lost: bool,
    /// The rows of the copy of the ledger.
    pub(crate) copy: Option<[Option<Row>; MAX_CREATES]>,
    /// The number of the durable `ledger::Comparison`.
    pub(crate) comparison: u8,
    /// The calls to AWS go to another account.
    pub(crate) other_account: bool,
    /// A permission to send was used twice.
    pub(crate) sent_twice: bool,
    /// The configurations whose stream key a caller has received.
    pub(crate) keys: Set,
    /// The gateway deleted a configuration whose key a caller had received.
    pub(crate) key_deleted: bool,
    /// The configurations whose delete a caller got confirmed.
    pub(crate) confirmed: Set,
}

/// One create: its row, and its attempts at AWS. The row of a second configuration has an
/// operation id of its own, without attempts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Create {
    pub(crate) request: u8,
    pub(crate) row: Option<Row>,
    pub(crate) attempts: [Attempt; MAX_SENDS],
    /// The delete of the configuration of the row.
    pub(crate) delete: Delete,
}

/// A row of the ledger, which is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    pub(crate) state: State,
    /// The number of sendings so far.
    pub(crate) sends: u8,
    /// Whether an earlier sending may have been executed.
    pub(crate) was_resent: bool,
    /// Whether the row has another `request_id` than its create.
    pub(crate) is_renamed: bool,
    /// Whether the row records AWS's response.
    pub(crate) response_recorded: bool,
    /// Time since the last sending by the wall clock, at most `Times::give_up_after`; 0 in a
    /// state in which it is irrelevant.
    pub(crate) age: u8,
    /// The configuration that the row owns.
    pub(crate) arn: Option<Arn>,
    /// Number of consecutive scans that did not list the configuration.
    pub(crate) missed: u8,
}

/// One sending, from its permission to its configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) enum Attempt {
    /// Not sent, lost, rejected, or deleted after its creation.
    #[default]
    Nothing,
    /// Permitted; no byte has left the gateway.
    Permitted,
    /// Sent: AWS may execute it. Holds the time since it was sent.
    Sent { age: u8 },
    /// AWS rejected it, and the response has not arrived yet.
    Rejected,
    /// The configuration exists. Holds the time since its creation, at most the time until AWS
    /// shows everything of it.
    Made { age: u8 },
}

/// One delete, from its sending to the end of the call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) enum Delete {
    /// Not sent, lost, or its response has no receiver.
    #[default]
    Nothing,
    /// Sent: AWS may execute it. Holds the time since it was sent.
    /// `is_young`: AWS may not show the configuration yet.
    Sent { arn: Arn, is_young: bool, age: u8 },
    /// AWS has deleted the configuration.
    Done,
    /// AWS has responded that it does not have the configuration.
    NotFound { was_young: bool },
    /// AWS has rejected the delete.
    Refused,
}

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
pub(crate) struct ScanRun {
    pub(crate) stage: ScanStage,
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
pub(crate) enum ScanStage {
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

impl World {
    /// The initial state, without running work.
    pub(crate) fn new(scene: &Scene) -> Self {
        let gateway = Gateway { complete: true, ..Gateway::default() };
        let mut creates = [Create::default(); MAX_CREATES];
        for (request, create) in (0..scene.live_at_start).zip(&mut creates) {
            create.request = request;
            let arn = Some(Arn::of(usize::from(request), 0));
            create.row =
                Some(Row { arn, age: scene.kept_age(State::Live), ..Row::new(State::Live) });
            create.attempts[0] = Attempt::Made { age: scene.all_shown_after() };
        }
        Self {
            creates,
            minted: scene.live_at_start,
            gateways: [gateway; MAX_GATEWAYS],
            running: u8::try_from(scene.gateways).unwrap(),
            ledger_lost: false,
            copy: None,
            comparison: Comparison::NotNeeded as u8,
            other_account: false,
            sent_twice: false,
            keys: Set::default(),
            key_deleted: false,
            confirmed: Set::default(),
        }
    }

    /// The existing creates, by operation id.
    pub(crate) fn minted(&self) -> impl Iterator<Item = (usize, &Create)> {
        self.creates.iter().enumerate().take(usize::from(self.minted))
    }

    pub(crate) fn attempt(&self, arn: Arn) -> Attempt {
        self.creates[arn.create()].attempts[arn.attempt()]
    }

    /// The configurations at AWS, each with its age, in the order of lists.
    pub(crate) fn made(&self) -> impl Iterator<Item = (Arn, u8)> {
        self.minted().flat_map(|(index, create)| create.made(index))
    }
}

/// Leaves out creates and gateways that do not exist: an unoptimised hash takes most of the time.
impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { creates, minted, gateways, running, comparison, keys, confirmed, .. } = self;
        creates[..usize::from(*minted)].hash(state);
        gateways[..usize::from(*running)].hash(state);
        self.copy.hash(state);
        (*comparison, *keys, *confirmed).hash(state);
        let flags = [self.ledger_lost, self.other_account, self.sent_twice, self.key_deleted];
        let flags = flags.iter().fold(0, |flags, flag| flags * 2 + u8::from(*flag));
        flags.hash(state);
    }
}
