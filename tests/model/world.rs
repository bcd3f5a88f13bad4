//! What the model consists of: everything that the create protocol reads or writes.

use ivs_ingest_gateway::ledger::State;

/// The most of each that any scene has; the state is a value of a fixed size.
pub(crate) const MAX_CREATES: usize = 3;
pub(crate) const MAX_SENDS: usize = 3;
pub(crate) const MAX_REQUESTS: usize = 2;
pub(crate) const MAX_GATEWAYS: usize = 2;

/// So many lists that found nothing are needed, at the least, to prove an absence.
pub(crate) const MIN_EMPTY_PROBES: u8 = 3;

/// How much of everything there is, and what is assumed and obeyed.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    /// Gateways that share the ledger.
    pub(crate) gateways: usize,
    /// The `request_id`s that the tenant's clients use, over and over.
    pub(crate) requests: usize,
    /// So many of them have been carried out before it begins.
    pub(crate) live_at_start: u8,
    /// How many operation ids are minted at the most, those included.
    pub(crate) creates: usize,
    /// How often one create is sent at the most.
    pub(crate) sends: u8,
    /// The most rows of the tenant that may count.
    pub(crate) quota: u32,
    /// Whether the sweep walks.
    pub(crate) scan: bool,
    /// Whether somebody deletes configurations behind the gateway's back.
    pub(crate) operator: bool,
    /// Whether, and when, the file of the ledger is lost, once.
    pub(crate) loss: Loss,
    pub(crate) times: Times,
    /// The rule that is not obeyed, to see that it is needed.
    pub(crate) broken: Option<Rule>,
}

/// When the ledger is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    Never,
    /// While no create is under way, and lists show all that there is.
    WhenQuiet,
    /// At any moment.
    Anytime,
}

/// In ticks of the model's clock since the create was sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// When the gateway stops waiting for the answer.
    pub(crate) attempt_timeout: u8,
    /// The last moment at which AWS may execute it. A time-out does not stop what is on
    /// its way.
    pub(crate) executed_by: u8,
    /// How long a list may not show it, from its execution on.
    pub(crate) shown_after: u8,
    /// `settle.retry_after_ms`.
    pub(crate) retry_after: u8,
    /// `settle.give_up_after_ms`.
    pub(crate) give_up_after: u8,
}

/// The rules whose breach must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// `SENDING` is durable before any byte goes to AWS.
    SendIsDurable,
    /// Only a step that the ledger takes as new permits to send, once.
    LedgerPermits,
    /// A create is sent again only after the window.
    ResendWaits,
    /// One empty list proves nothing.
    AbsenceTakesTime,
    /// What was found absent is one sending of a create: of a later one it says
    /// nothing.
    AbsenceIsOfOneSending,
    /// Nothing is created before a lost ledger is rebuilt.
    CreatesWaitForTheRebuild,
    /// A rebuild that was cut off starts anew.
    RebuildIsWhole,
}

/// One state of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct World {
    /// By operation id, in the order of minting.
    pub(crate) creates: [Create; MAX_CREATES],
    pub(crate) minted: u8,
    pub(crate) gateways: [Gateway; MAX_GATEWAYS],
    pub(crate) ledger_lost: bool,
    /// The ledger knows, durably, that it holds all that AWS has.
    pub(crate) rebuilt: bool,
    /// A permission to send was used twice.
    pub(crate) sent_twice: bool,
}

/// All that there is of one create: its row, and what became of it at AWS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Create {
    pub(crate) request: u8,
    pub(crate) row: Option<Row>,
    pub(crate) attempts: [Attempt; MAX_SENDS],
}

/// A row of the ledger: durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    pub(crate) state: State,
    /// How often it was sent: which sending `sent_at` is the time of.
    pub(crate) sends: u8,
    /// Time since then, no more than [`Times::give_up_after`].
    pub(crate) age: u8,
    /// Which attempt made what the row stands for.
    pub(crate) arn: Option<u8>,
    /// Walks in a row that did not see it.
    pub(crate) missed: u8,
}

/// One sending, from its permission to the configuration that it made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) enum Attempt {
    /// Not made, executed without effect, lost, or deleted since.
    #[default]
    Nothing,
    /// Permitted; no byte has left the gateway.
    Permitted,
    /// AWS has it or will have it, and may execute it. The time since it was sent.
    Sent { age: u8 },
    /// AWS refused it, and has not answered yet.
    Refused,
    /// The configuration exists. The time since it was made, no more than
    /// [`Times::shown_after`].
    Made { age: u8 },
}

/// What a gateway has in memory: a crash loses it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Gateway {
    /// By request: calls with the same `request_id` join.
    pub(crate) calls: [Call; MAX_REQUESTS],
    pub(crate) resolver: Resolver,
    pub(crate) scan: Option<ScanRun>,
    /// Creates are allowed: the ledger holds all that AWS has.
    pub(crate) complete: bool,
}

/// The create that carries out a `request_id`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Call {
    #[default]
    None,
    /// It has reserved, and not sent.
    Reserved { create: u8 },
    /// It was told that this sending is absent, and asks to send once more.
    Resending { create: u8, absent: u8 },
    /// It holds the permission of an attempt, or waits for its answer.
    Sending { create: u8, attempt: u8, age: u8 },
}

/// What a list and its tags show.
pub(crate) type Configurations = [[bool; MAX_SENDS]; MAX_CREATES];

/// The settler's memory, by create.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Resolver {
    pub(crate) schedules: [Option<Schedule>; MAX_CREATES],
    /// What may be sent again: which sending is absent.
    pub(crate) absent: [Option<u8>; MAX_CREATES],
    /// The doubts that the round has read from the ledger and not looked into yet.
    pub(crate) round: [Option<InDoubt>; MAX_CREATES],
    /// The look that was taken and not drawn conclusions from yet.
    pub(crate) look: Option<Look>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Schedule {
    pub(crate) sending: u8,
    pub(crate) empty_probes: u8,
}

/// A row in doubt as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct InDoubt {
    pub(crate) sending: u8,
    /// Time since that sending.
    pub(crate) age: u8,
}

/// One list at AWS, and the tags of what it showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Look {
    pub(crate) create: u8,
    /// The doubt, with the age that it had when the look began.
    pub(crate) in_doubt: InDoubt,
    /// The attempts whose configurations have no row and bear the create's tag.
    pub(crate) found: [bool; MAX_SENDS],
}

/// A walk of the sweep, after its lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ScanRun {
    /// Listed, without a row, and not looked into yet.
    pub(crate) unknown: Configurations,
    /// Live rows from before the walk that no list showed.
    pub(crate) unseen: [bool; MAX_CREATES],
}

impl World {
    /// Where the scene begins: all is quiet.
    pub(crate) fn new(scene: &Scene) -> Self {
        let gateway = Gateway { complete: true, ..Gateway::default() };
        let mut creates = [Create::default(); MAX_CREATES];
        for (request, create) in (0..scene.live_at_start).zip(&mut creates) {
            create.request = request;
            create.row = Some(Row { arn: Some(0), ..Row::new(State::Live) });
            create.attempts[0] = Attempt::Made { age: scene.times.shown_after };
        }
        Self {
            creates,
            minted: scene.live_at_start,
            gateways: [gateway; MAX_GATEWAYS],
            ledger_lost: false,
            rebuilt: true,
            sent_twice: false,
        }
    }

    /// The creates that were minted, by operation id.
    pub(crate) fn minted(&self) -> impl Iterator<Item = (usize, &Create)> {
        self.creates.iter().enumerate().take(usize::from(self.minted))
    }
}

impl Row {
    pub(crate) fn new(state: State) -> Self {
        Self { state, sends: 0, age: 0, arn: None, missed: 0 }
    }
}

impl Create {
    pub(crate) fn made(&self) -> impl Iterator<Item = usize> {
        let attempts = self.attempts.iter().enumerate();
        attempts
            .filter_map(|(index, attempt)| matches!(attempt, Attempt::Made { .. }).then_some(index))
    }

    pub(crate) fn state(&self) -> Option<State> {
        self.row.map(|row| row.state)
    }

    /// How often it was sent.
    pub(crate) fn sends(&self) -> u8 {
        self.row.map_or(0, |row| row.sends)
    }
}
