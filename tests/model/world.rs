//! The state of the model: everything that the create protocol reads or writes.

use ivs_ingest_gateway::ledger::State;

// The upper bounds of every scene. They are constants, so that a state has a fixed size.
pub(crate) const MAX_CREATES: usize = 3;
pub(crate) const MAX_SENDS: usize = 3;
pub(crate) const MAX_REQUESTS: usize = 2;
pub(crate) const MAX_GATEWAYS: usize = 2;

/// Minimum number of lists without the configuration that prove its absence.
pub(crate) const MIN_EMPTY_PROBES: u8 = 3;

/// The bounds, assumptions and rules of an exploration.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    /// Number of gateways that share the ledger.
    pub(crate) gateways: usize,
    /// Number of `request_id`s, which the clients of the tenant use repeatedly.
    pub(crate) requests: usize,
    /// Number of these requests that are live at the start.
    pub(crate) live_at_start: u8,
    /// Maximum number of operation ids, including those that are live at the start.
    pub(crate) creates: usize,
    /// Maximum number of sendings of a create.
    pub(crate) sends: u8,
    /// The quota of the tenant.
    pub(crate) quota: u32,
    /// Whether the scan runs.
    pub(crate) scan: bool,
    /// Whether an operator deletes configurations without the gateway.
    pub(crate) operator: bool,
    /// Whether and when the file of the ledger is lost.
    pub(crate) loss: Loss,
    pub(crate) times: Times,
    /// A rule that is violated, to show that it is necessary.
    pub(crate) broken: Option<Rule>,
}

/// The moment at which the ledger is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    Never,
    /// While no create is running and lists are complete.
    WhenIdle,
    /// At any moment.
    Anytime,
}

/// Times in ticks since the create was sent, unless stated otherwise.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// The time at which the gateway stops waiting for the response.
    pub(crate) attempt_timeout: u8,
    /// The last moment at which AWS may execute the create. A time-out does not stop bytes that
    /// were sent.
    pub(crate) executed_by: u8,
    /// Time from the execution to the moment when every list shows the configuration.
    pub(crate) shown_after: u8,
    /// `settle.retry_after_ms`.
    pub(crate) retry_after: u8,
    /// `settle.give_up_after_ms`.
    pub(crate) give_up_after: u8,
}

/// The rules whose violation the explorer must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// `SENDING` is durable before any byte goes to AWS.
    SendIsDurable,
    /// Only a step that changes the row permits a sending.
    LedgerPermits,
    /// A create is resent only after [`Times::retry_after`].
    ResendWaits,
    /// One empty list proves nothing.
    AbsenceTakesTime,
    /// Absence is a conclusion about one sending of a create, and not about a later one.
    AbsenceIsOfOneSending,
    /// Nothing is created before a lost ledger is rebuilt.
    CreatesWaitForTheRebuild,
    /// An interrupted rebuild starts from the beginning.
    RebuildIsWhole,
}

/// One state of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct World {
    /// The creates, by operation id.
    pub(crate) creates: [Create; MAX_CREATES],
    pub(crate) minted: u8,
    pub(crate) gateways: [Gateway; MAX_GATEWAYS],
    pub(crate) ledger_lost: bool,
    /// The ledger is durably marked as complete.
    pub(crate) rebuilt: bool,
    /// A permission to send was used twice.
    pub(crate) sent_twice: bool,
}

/// One create: its row, and its attempts at AWS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Create {
    pub(crate) request: u8,
    pub(crate) row: Option<Row>,
    pub(crate) attempts: [Attempt; MAX_SENDS],
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
    /// Time since the last sending, at most [`Times::give_up_after`].
    pub(crate) age: u8,
    /// The attempt whose configuration the row owns.
    pub(crate) arn: Option<u8>,
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
    /// The configuration exists. Holds the time since its creation, at most
    /// [`Times::shown_after`].
    Made { age: u8 },
}

/// The memory of a gateway. A crash clears it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Gateway {
    /// The running create of each `request_id`, which calls join.
    pub(crate) calls: [Call; MAX_REQUESTS],
    pub(crate) resolver: Resolver,
    pub(crate) scan: Option<ScanRun>,
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
    /// It holds the permission of an attempt, or waits for its response.
    Sending { create: u8, attempt: u8, age: u8 },
}

/// The configurations that a list and its tags show.
pub(crate) type Configurations = [[bool; MAX_SENDS]; MAX_CREATES];

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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Schedule {
    pub(crate) sending: u8,
    pub(crate) empty_probes: u8,
}

/// A row in doubt, as the resolver read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct InDoubt {
    pub(crate) sending: u8,
    /// Time since that sending.
    pub(crate) age: u8,
}

/// One probe: a list at AWS, and the tags of its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Probe {
    pub(crate) create: u8,
    /// The in-doubt create, with its age at the start of the probe.
    pub(crate) in_doubt: InDoubt,
    /// The attempts whose configurations have no row and carry the create's tag.
    pub(crate) found: [bool; MAX_SENDS],
}

/// A scan after its lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ScanRun {
    /// Configurations that were listed, have no row, and were not read yet.
    pub(crate) unknown: Configurations,
    /// Live rows from before the scan that no list showed.
    pub(crate) unseen: [bool; MAX_CREATES],
}

impl World {
    /// The initial state, without running work.
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

    /// The existing creates, by operation id.
    pub(crate) fn minted(&self) -> impl Iterator<Item = (usize, &Create)> {
        self.creates.iter().enumerate().take(usize::from(self.minted))
    }
}

impl Row {
    pub(crate) fn new(state: State) -> Self {
        Self {
            state,
            sends: 0,
            was_resent: false,
            is_renamed: false,
            response_recorded: false,
            age: 0,
            arn: None,
            missed: 0,
        }
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

    /// The number of sendings.
    pub(crate) fn sends(&self) -> u8 {
        self.row.map_or(0, |row| row.sends)
    }
}
