//! The bounds, parts, times and rules of an exploration.

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
    /// The parts and faults of the scene.
    pub(crate) parts: Parts,
    pub(crate) times: Times,
    /// The violations that the faults of the scene may cause.
    pub(crate) tolerated: &'static [&'static str],
    /// A rule that is violated, to show that it is necessary.
    pub(crate) broken: Option<Rule>,
}

/// A part of the gateway or a fault that a scene may have. A scene without it has fewer states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The scan runs.
    Scan,
    /// Gateways are killed, and start again.
    Crashes,
    /// Callers delete configurations, one call for each configuration at a time.
    Deletes,
    /// The keys that callers have received are recorded.
    Keys,
    /// A list has two pages, the first one with one configuration.
    Pages,
    /// An operator deletes configurations without the gateway.
    Operator,
    /// Reads and deletes do not find a configuration that lists may not show yet.
    LateReads,
    /// The scan fails to read configurations of the gateway.
    FailingReads,
    /// The account has a configuration of another program, which cannot be read.
    Foreign,
    /// The wall clock is set forward or back.
    ClockSteps,
    /// The disk stalls, so that the record of a sending takes any time.
    Stalls,
    /// Writes of the ledger fail. The failed write may be durable nevertheless.
    FailedWrites,
    /// The file of the ledger is lost at any moment, once.
    Loss,
    /// The ledger is copied at any moment, and the copy is restored later.
    Restore,
    /// The calls to AWS go to another account, which is empty, for any time.
    OtherAccount,
}

/// A set of parts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts(u32);

impl Parts {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) const fn with(self, part: Part) -> Self {
        Self(self.0 | 1 << part as u32)
    }

    pub(crate) const fn without(self, part: Part) -> Self {
        Self(self.0 & !(1 << part as u32))
    }
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
    /// Time from the execution to the moment when a read of the tags shows them.
    pub(crate) tags_after: u8,
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
    /// A conclusion from a probe changes only a row that is still in doubt.
    OutcomeIsFinal,
    /// The smaller of the ages on both clocks counts.
    AgeIsOfBothClocks,
    /// A create whose record took long is not sent.
    LateRecordIsNotSent,
    /// A create that was sent again stays in doubt when AWS throttles it.
    ResendIsRemembered,
    /// A configuration without tags may be that of any create, until its tags cannot be late.
    TagsMayBeLate,
    /// Nothing is created before a lost ledger is rebuilt.
    CreatesWaitForTheRebuild,
    /// Nothing is created before a restored ledger is compared with AWS.
    RestoredIsCompared,
    /// An interrupted rebuild starts from the beginning.
    RebuildIsWhole,
    /// Two consecutive scans must find nothing.
    TwoScansCompare,
    /// The last scan of a comparison begins [`Times::retry_after`] after the start.
    ComparisonWaits,
    /// A configuration that cannot be read does not end the scan.
    UnreadableIsSkipped,
    /// A scan that could not read a configuration of the gateway proves nothing.
    UnreadableIsNoProof,
    /// Every configuration gets a row, also a second one of a create or of a `request_id`.
    EveryConfigurationHasARow,
    /// Only a configuration whose create has a recorded response is a duplicate.
    DuplicatesNeedAResponse,
    /// A stream key is returned only after its record.
    KeyNeedsARecord,
    /// A row that had ended is restored if AWS lists its configuration.
    EndedRowsAreRestored,
    /// A row that ended after the scan has read its configuration stays as it is.
    AdoptionIsOfTheRead,
    /// A row is released only if a read does not find its configuration.
    MissingIsRead,
    /// The scan does not release a new row whose configuration a read does not find.
    NewRowsAreKept,
    /// A 404 does not confirm a caller's delete of a new configuration.
    EarlyNotFoundDeletesNothing,
    /// The age of a configuration is that at the request, and not that at the response.
    AgeIsOfTheRequest,
    /// A 404 does not let the resolver confirm the delete of a new configuration.
    AbandonedDeletesWait,
    /// A delete without a response is not confirmed.
    UnclearDeleteIsRead,
    /// A failed write of the sending permits nothing.
    FailedSendPermitsNothing,
    /// A failed write is repeated.
    FailedWritesAreRepeated,
    /// A scan that misses all rows releases none.
    MostMissingReleasesNone,
}

impl Scene {
    pub(crate) const fn with(mut self, part: Part) -> Self {
        self.parts = self.parts.with(part);
        self
    }

    pub(crate) const fn without(mut self, part: Part) -> Self {
        self.parts = self.parts.without(part);
        self
    }

    pub(crate) fn has(&self, part: Part) -> bool {
        self.parts.0 & 1 << part as u32 != 0
    }

    pub(crate) fn lacks(&self, rule: Rule) -> bool {
        self.broken == Some(rule)
    }

    /// Whether a conclusion of the resolver is about one sending.
    pub(crate) fn is_of_one_sending(&self) -> bool {
        !self.lacks(Rule::AbsenceIsOfOneSending)
    }

    /// Whether the model counts the time since the resolver first saw a create. Without steps of
    /// the clock, the time since its sending decides: the model's resolver then concludes earlier
    /// than the gateway's resolver, so that the model finds more violations.
    pub(crate) fn counts_seen_age(&self) -> bool {
        self.has(Part::ClockSteps)
    }
}
