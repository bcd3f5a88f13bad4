//! The plan of a run: every caller and every fault. A seed and a level determine it. The
//! shrinker removes parts of it.

use std::{fmt, time::Duration};

use ivs_realtime_emulator::Operation;

/// One run, before it begins.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The seed of ids, stream keys, latencies and the callers' jitter.
    pub seed: u64,
    /// The callers.
    pub callers: Vec<CallerPlan>,
    /// The faults.
    pub faults: Vec<Fault>,
    /// The time after which no fault begins.
    pub faults_end: Duration,
    /// `settle.give_up_after_ms` of the gateway.
    pub give_up_after: Duration,
    /// The most configurations on a page of AWS's lists.
    pub page_size: usize,
}

impl Plan {
    /// Returns the sum of the steps of the clock, regardless of their direction.
    #[must_use]
    pub fn clock_steps(&self) -> Duration {
        let steps = self.faults.iter().map(|fault| match fault {
            Fault::ClockStep { by_ms, .. } => Duration::from_millis(by_ms.unsigned_abs()),
            _ => Duration::ZERO,
        });
        steps.sum()
    }
}

/// One caller, which wants one configuration.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is drawn on its own")]
pub struct CallerPlan {
    /// Its number, which the trace shows and which determines its jitter.
    pub number: u64,
    /// The time of its first call.
    pub starts: Duration,
    /// The index of its tenant in [`TENANTS`].
    pub tenant: usize,
    /// Its `request_id`. Another caller may have the same one.
    pub request: u32,
    /// Whether the create names the stage of the tenant.
    pub has_stage: bool,
    /// Whether the create names the stage of another tenant instead.
    pub has_foreign_stage: bool,
    /// Whether its fields differ from those of other callers with its `request_id`.
    pub has_other_fields: bool,
    /// The name in the request. Many requests have equal fields.
    pub name: &'static str,
    /// The deadline of each call.
    pub deadline: Duration,
    /// The time after which it disconnects from its first calls.
    pub leaves: Option<Duration>,
    /// The time until it calls again after it has disconnected.
    pub returns_after: Duration,
    /// The number of calls from which it disconnects.
    pub leaves_times: u32,
    /// Whether it does not retry after it has disconnected.
    pub gives_up: bool,
    /// Whether it sends each create twice, concurrently.
    pub is_twin: bool,
    /// Its steps after the create has an outcome.
    pub then: Vec<Step>,
}

/// A step of a caller after its create.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It does nothing for that time.
    Wait(Duration),
    /// It repeats the create.
    Repeat,
    /// It reads the configuration from AWS.
    Get,
    /// It lists its tenant's configurations.
    List,
    /// It changes redundant ingest.
    Update,
    /// It deletes the configuration, and retries until that has an outcome.
    Delete,
    /// It tries to read, to change and to delete a configuration of another tenant.
    Foreign,
}

/// One fault. Times are virtual times since the start of the run.
#[derive(Debug, Clone)]
pub enum Fault {
    /// One call fails.
    Call {
        /// The operation.
        operation: Operation,
        /// The number of the call among those of the operation, counted from 0.
        nth: u32,
        /// The fault.
        kind: CallFault,
    },
    /// One create of a request fails.
    Create {
        /// The index of the tenant in [`TENANTS`].
        tenant: usize,
        /// The request.
        request: u32,
        /// The number of the create among those of the request, counted from 0.
        nth: u32,
        /// The fault.
        kind: CallFault,
    },
    /// All calls fail for some time.
    Outage {
        /// The operation; `None` means all.
        operation: Option<Operation>,
        /// The begin.
        from: Duration,
        /// The end.
        to: Duration,
        /// The fault.
        kind: Outage,
    },
    /// AWS shows the configurations late that it creates in some time.
    Consistency {
        /// The begin.
        from: Duration,
        /// The end.
        to: Duration,
        /// The delay of lists.
        lists: Duration,
        /// The delay of all operations that name the configuration.
        reads: Duration,
        /// The delay of the tags.
        tags: Duration,
    },
    /// A delete lets a list that is running skip a configuration.
    PagesByOffset,
    /// One commit of the ledger fails.
    Commit {
        /// The number of the commit, counted from 0.
        nth: u32,
        /// The fault.
        kind: CommitFault,
    },
    /// The wall clock jumps.
    ClockStep {
        /// The time.
        at: Duration,
        /// The step, in milliseconds.
        by_ms: i64,
    },
    /// The process ends at an await point, and starts again later.
    Crash {
        /// The time from which the polls count.
        at: Duration,
        /// The number of polls of its tasks before it ends.
        polls: u32,
        /// The time until it starts again.
        down: Duration,
    },
    /// The process ends, and the ledger is replaced by an earlier copy.
    Restore {
        /// The time of the copy.
        copied: Duration,
        /// The time of the crash.
        at: Duration,
        /// The time until it starts again.
        down: Duration,
    },
    /// All calls go to an empty account.
    WrongEndpoint {
        /// The begin.
        from: Duration,
        /// The end.
        to: Duration,
    },
    /// A second process tries to open the ledger, which must be refused.
    SecondProcess {
        /// The time.
        at: Duration,
    },
}

/// Returns the name of the variant.
#[must_use]
pub fn kind(fault: impl fmt::Debug) -> String {
    let text = format!("{fault:?}");
    text.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

/// A fault of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallFault {
    /// The connection closes before AWS receives the request.
    RequestLost,
    /// AWS executes the call, and the connection closes.
    ResponseLost,
    /// AWS executes the call and responds after that time.
    ResponseDelayed(Duration),
    /// The connection closes, and AWS executes the call after that time.
    ExecutedLate(Duration),
    /// AWS executes the call, and the response is not valid JSON.
    ResponseGarbled,
    /// AWS executes the call, and the response has none of its members.
    ResponseEmpty,
    /// AWS does not execute the call, and responds with this status after that time.
    ErrorDelayed(u16, Duration),
    /// AWS executes the call twice.
    Duplicated,
    /// AWS throttles the call.
    Throttled,
    /// AWS responds with this status and does not execute the call.
    ErrorBefore(u16),
    /// AWS executes the call and responds with this status.
    ErrorAfter(u16),
}

/// A fault of all calls in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// Each connection closes before AWS receives the request.
    Closed,
    /// No response arrives.
    Silent,
    /// AWS responds 503.
    Unavailable,
    /// AWS responds 403.
    Denied,
    /// AWS throttles.
    Throttled,
    /// AWS responds after that time.
    Slow(Duration),
}

/// A fault of one commit of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitFault {
    /// Nothing is durable, and an error is reported.
    Fails,
    /// The changes are durable, and an error is reported.
    FailsButDurable,
    /// The commit takes that long.
    Stalls(Duration),
}

/// Returns the `request_id` of a request.
#[must_use]
pub fn request_id(request: u32) -> String {
    format!("request-{request}")
}

/// A tenant of the simulation.
#[derive(Debug)]
pub struct TenantPlan {
    /// Its id.
    pub id: &'static str,
    /// Its quota.
    pub quota: u32,
    /// Its weight.
    pub weight: u32,
}

/// The tenants.
pub const TENANTS: [TenantPlan; 3] = [
    TenantPlan { id: "acme", quota: 200, weight: 1 },
    TenantPlan { id: "globex", quota: 6, weight: 1 },
    TenantPlan { id: "initech", quota: 200, weight: 3 },
];
