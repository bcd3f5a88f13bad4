//! Draws the plan of a run from a seed.

use std::time::Duration;

use ivs_realtime_emulator::Operation;

use crate::{
    level::Level,
    plan::{CallFault, CallerPlan, CommitFault, Fault, Outage, Plan, Step, TENANTS},
    random::Draws,
};

/// The number of callers.
const CALLERS: u64 = 40;

/// The time in which the callers start, in milliseconds.
const ACTIVE_MS: u64 = 60_000;

/// The largest step of the clock. Two steps stay below five minutes, beyond which AWS rejects
/// every signature.
const MAX_STEP_MS: u64 = 140_000;

/// The number of commits that fail while the disk is full.
const FULL_DISK_COMMITS: u32 = 60;

/// The time after which no fault begins.
const FAULTS_END: Duration = Duration::from_millis(3 * ACTIVE_MS);

/// The default of `settle.give_up_after_ms`.
const GIVE_UP_AFTER: Duration = Duration::from_mins(15);

/// The operations with faults, and the number of calls among which a faulty one is drawn.
const OPERATIONS: [(Operation, u64); 7] = [
    (Operation::CreateIngestConfiguration, 50),
    (Operation::GetIngestConfiguration, 60),
    (Operation::ListIngestConfigurations, 60),
    (Operation::UpdateIngestConfiguration, 4),
    (Operation::DeleteIngestConfiguration, 20),
    (Operation::GetStage, 10),
    (Operation::ListTagsForResource, 40),
];

/// Draws the plan of the seed.
#[must_use]
pub fn plan(seed: u64, level: Level) -> Plan {
    let draws = &mut Draws::new(seed, 1);
    let shape = match draws.below(10) {
        0 => Shape::Contended,
        1 => Shape::LateReturns,
        _ => Shape::Spread,
    };
    let mut callers: Vec<_> = (0..CALLERS).map(|number| caller(draws, seed, number)).collect();
    let mut faults = Vec::new();
    let mut give_up_after = GIVE_UP_AFTER;
    match shape {
        Shape::Spread => {}
        Shape::Contended => contend(draws, &mut callers),
        Shape::LateReturns => {
            give_up_after = Duration::from_secs(draws.between(61, 120));
            return_late(draws, give_up_after, &mut callers, &mut faults);
        }
    }
    calls(draws, level, &mut faults);
    outages(draws, &mut faults);
    consistency(draws, level, &mut faults);
    crashes(draws, &mut faults);
    if level.has_bad_machine() {
        machine(draws, &mut faults);
    }
    match level {
        Level::OldLedger => restore(draws, &mut faults),
        Level::WrongEndpoint => wrong_endpoint(draws, &mut faults),
        Level::Duplicates => duplicates(draws, &mut faults),
        _ => {}
    }
    let page_size = draws.one_of(&[4, 20, 100]);
    Plan { seed, callers, faults, faults_end: FAULTS_END, give_up_after, page_size }
}

/// The common property of the callers of a run.
enum Shape {
    /// They start within a minute.
    Spread,
    /// They start within two seconds, and wait for AWS's rate.
    Contended,
    /// Some come back when the gateway gives up their creates.
    LateReturns,
}

/// Makes tenants of different weights wait at the same time, for nothing but AWS's rate.
fn contend(draws: &mut Draws, callers: &mut [CallerPlan]) {
    for caller in callers {
        caller.starts = Duration::from_micros(draws.below(2_000_000));
        caller.deadline = Duration::from_secs(30);
        caller.has_foreign_stage = false;
        caller.has_stage = false;
    }
}

/// Lets callers come back at the moment at which absence is proved, while lists are slow, and
/// loses the responses to what they send then.
fn return_late(
    draws: &mut Draws,
    give_up_after: Duration,
    callers: &mut [CallerPlan],
    faults: &mut Vec<Fault>,
) {
    for caller in callers.iter_mut().take(10) {
        caller.leaves = Some(draws.milliseconds(50, 300));
        caller.leaves_times = 1;
        caller.gives_up = false;
        caller.returns_after = give_up_after + draws.milliseconds(0, 3000);
        let CallerPlan { tenant, request, .. } = *caller;
        let mut fault = |nth, kind| faults.push(Fault::Create { tenant, request, nth, kind });
        fault(0, CallFault::RequestLost);
        fault(1, draws.one_of(&[CallFault::ResponseLost, CallFault::Throttled]));
    }
    let kind = Outage::Slow(draws.milliseconds(500, 3500));
    let operation = Some(Operation::ListIngestConfigurations);
    faults.push(Fault::Outage { operation, from: give_up_after, to: FAULTS_END, kind });
}

fn caller(draws: &mut Draws, seed: u64, number: u64) -> CallerPlan {
    // Some callers repeat the request of another one.
    let request = if draws.percent(10) { draws.below(CALLERS) } else { number };
    let mut of_request = Draws::new(seed, 1_000_000 + request);
    let leaves = draws.percent(30);
    // Some use the `request_id` of another tenant's caller.
    let tenant = if draws.percent(10) { draws.next() } else { of_request.next() };
    CallerPlan {
        number,
        starts: Duration::from_micros(draws.below(ACTIVE_MS * 1000)),
        tenant: usize::try_from(tenant % TENANTS.len() as u64).unwrap_or(0),
        request: u32::try_from(request).unwrap_or(0),
        has_stage: of_request.percent(70),
        has_foreign_stage: draws.percent(2),
        has_other_fields: draws.percent(3),
        name: of_request.one_of(&["", "studio", "camera-1"]),
        deadline: Duration::from_secs(draws.one_of(&[2, 5, 10, 30])),
        leaves: leaves.then(|| Duration::from_millis(draws.magnitude(1, 8000))),
        returns_after: Duration::from_millis(draws.magnitude(100, 60_000)),
        leaves_times: u32::try_from(draws.between(1, 3)).unwrap_or(1),
        gives_up: draws.percent(30),
        is_twin: draws.percent(8),
        then: steps(draws),
    }
}

fn steps(draws: &mut Draws) -> Vec<Step> {
    let mut steps = Vec::new();
    let wait = |draws: &mut Draws| Step::Wait(Duration::from_millis(draws.magnitude(10, 120_000)));
    if draws.percent(40) {
        steps.extend([wait(draws), Step::Repeat]);
    }
    if draws.percent(15) {
        steps.extend([wait(draws), draws.one_of(&[Step::Get, Step::List, Step::Update])]);
    }
    if draws.percent(5) {
        steps.extend([wait(draws), Step::Foreign]);
    }
    if draws.percent(35) {
        steps.extend([wait(draws), Step::Delete]);
        if draws.percent(50) {
            steps.extend([wait(draws), Step::Repeat]);
        }
    }
    steps
}

fn calls(draws: &mut Draws, level: Level, faults: &mut Vec<Fault>) {
    // A third of the runs has few faults, so that each one shows its own effect.
    let percent = draws.one_of(&[3, 10, 25]);
    let execution = u64::try_from(level.aws().execution.as_millis()).unwrap_or(0);
    for (operation, count) in OPERATIONS {
        for nth in 0..count {
            if !draws.percent(percent) {
                continue;
            }
            let kind = match draws.below(11) {
                0 => CallFault::RequestLost,
                1 => CallFault::ResponseLost,
                2 => CallFault::ResponseDelayed(Duration::from_millis(draws.magnitude(50, 20_000))),
                3 | 4 => {
                    CallFault::ExecutedLate(Duration::from_millis(draws.magnitude(10, execution)))
                }
                5 => CallFault::ResponseGarbled,
                6 => CallFault::Throttled,
                7 => CallFault::ErrorBefore(draws.one_of(&[500, 503])),
                // To the SDK, such a response is an empty list, or no tags.
                8 if is_list(operation) && !level.has_slow_aws() => CallFault::ResponseGarbled,
                8 => CallFault::ResponseEmpty,
                9 => {
                    let delay = Duration::from_millis(draws.magnitude(50, 20_000));
                    CallFault::ErrorDelayed(draws.one_of(&[429, 500, 503]), delay)
                }
                _ => CallFault::ErrorAfter(draws.one_of(&[500, 503])),
            };
            let nth = u32::try_from(nth).unwrap_or(0);
            faults.push(Fault::Call { operation, nth, kind });
        }
    }
}

const fn is_list(operation: Operation) -> bool {
    matches!(operation, Operation::ListIngestConfigurations | Operation::ListTagsForResource)
}

fn outages(draws: &mut Draws, faults: &mut Vec<Fault>) {
    for _ in 0..draws.below(3) {
        let operation = draws.percent(70).then(|| draws.one_of(&OPERATIONS).0);
        let from = Duration::from_millis(draws.below(2 * ACTIVE_MS));
        let to = from + Duration::from_millis(draws.magnitude(2000, 120_000));
        let kinds = [
            Outage::Slow(draws.milliseconds(200, 6000)),
            Outage::Closed,
            Outage::Silent,
            Outage::Unavailable,
            Outage::Denied,
            Outage::Throttled,
        ];
        faults.push(Fault::Outage { operation, from, to, kind: draws.one_of(&kinds) });
    }
}

fn consistency(draws: &mut Draws, level: Level, faults: &mut Vec<Fault>) {
    let bounds = level.aws();
    for _ in 0..draws.between(1, 4) {
        let from = Duration::from_millis(draws.below(2 * ACTIVE_MS));
        let to = from + Duration::from_millis(draws.between(1000, ACTIVE_MS));
        let mut up_to = |bound: Duration| match u64::try_from(bound.as_millis()) {
            Ok(most @ 1..) if draws.percent(60) => Duration::from_millis(draws.magnitude(1, most)),
            _ => Duration::ZERO,
        };
        let (lists, reads, tags) = (up_to(bounds.lists), up_to(bounds.reads), up_to(bounds.tags));
        faults.push(Fault::Consistency { from, to, lists, reads, tags });
    }
    if level.has_slow_aws() && draws.percent(30) {
        faults.push(Fault::PagesByOffset);
    }
}

fn crashes(draws: &mut Draws, faults: &mut Vec<Fault>) {
    for _ in 0..draws.below(5) {
        let at = Duration::from_micros(draws.below(2 * ACTIVE_MS * 1000));
        let polls = u32::try_from(draws.magnitude(1, 2000)).unwrap_or(1);
        let down = Duration::from_millis(draws.magnitude(10, 30_000));
        faults.push(Fault::Crash { at, polls, down });
    }
    if draws.percent(10) {
        faults.push(Fault::SecondProcess { at: Duration::from_millis(draws.below(ACTIVE_MS)) });
    }
}

fn machine(draws: &mut Draws, faults: &mut Vec<Fault>) {
    for _ in 0..draws.below(8) {
        let kind = match draws.below(3) {
            0 => CommitFault::Fails,
            1 => CommitFault::FailsButDurable,
            _ => CommitFault::Stalls(Duration::from_millis(draws.magnitude(10, 20_000))),
        };
        faults.push(Fault::Commit { nth: u32::try_from(draws.below(200)).unwrap_or(0), kind });
    }
    for _ in 0..draws.below(3) {
        let by_ms = if draws.percent(50) {
            draws.magnitude(100, MAX_STEP_MS)
        } else {
            draws.between(MAX_STEP_MS / 4, MAX_STEP_MS)
        };
        let by_ms = i64::try_from(by_ms).unwrap_or(0);
        let by_ms = if draws.percent(50) { by_ms } else { -by_ms };
        let at = Duration::from_millis(draws.below(2 * ACTIVE_MS));
        faults.push(Fault::ClockStep { at, by_ms });
    }
    // A full disk.
    if draws.percent(10) {
        let first = u32::try_from(draws.below(200)).unwrap_or(0);
        let fails = |nth| Fault::Commit { nth, kind: CommitFault::Fails };
        faults.extend((first..first + FULL_DISK_COMMITS).map(fails));
    }
}

fn restore(draws: &mut Draws, faults: &mut Vec<Fault>) {
    let copied = Duration::from_millis(draws.below(ACTIVE_MS));
    let at = copied + Duration::from_millis(draws.magnitude(100, ACTIVE_MS));
    let down = Duration::from_millis(draws.magnitude(10, 30_000));
    faults.push(Fault::Restore { copied, at, down });
}

fn wrong_endpoint(draws: &mut Draws, faults: &mut Vec<Fault>) {
    let from = Duration::from_millis(draws.below(ACTIVE_MS));
    let to = from + Duration::from_millis(draws.magnitude(1000, 300_000));
    faults.push(Fault::WrongEndpoint { from, to });
}

fn duplicates(draws: &mut Draws, faults: &mut Vec<Fault>) {
    for _ in 0..draws.between(1, 5) {
        let operation = Operation::CreateIngestConfiguration;
        let nth = u32::try_from(draws.below(40)).unwrap_or(0);
        faults.push(Fault::Call { operation, nth, kind: CallFault::Duplicated });
    }
}
