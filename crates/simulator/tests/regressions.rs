//! Schedules that broke a promise once, each as a small plan.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use ivs_realtime_emulator::Operation;
use simulator::{
    plan::{CallFault, CallerPlan, CommitFault, Fault, Outage, Plan, Step},
    run::{Report, run},
};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// One caller, which repeats its create after ten seconds.
fn repeating_caller() -> CallerPlan {
    CallerPlan {
        number: 0,
        starts: Duration::ZERO,
        tenant: 0,
        request: 1,
        has_stage: true,
        has_foreign_stage: false,
        has_other_fields: false,
        name: "",
        deadline: seconds(10),
        leaves: None,
        returns_after: seconds(1),
        leaves_times: 0,
        gives_up: false,
        is_twin: false,
        then: vec![Step::Wait(seconds(10)), Step::Repeat],
    }
}

fn report(callers: Vec<CallerPlan>, faults: Vec<Fault>) -> Report {
    let plan = Plan {
        seed: 1,
        callers,
        faults,
        faults_end: seconds(60),
        give_up_after: seconds(900),
        page_size: 100,
    };
    run(&plan, true).unwrap()
}

fn is_denied(operation: Operation) -> Fault {
    let (from, to) = (seconds(5), seconds(60));
    Fault::Outage { operation: Some(operation), from, to, kind: Outage::Denied }
}

/// A replay whose read AWS denies was rejected with a final error, although the configuration
/// exists.
#[test]
fn a_denied_read_of_a_created_configuration_is_an_unknown_outcome() {
    let report =
        report(vec![repeating_caller()], vec![is_denied(Operation::GetIngestConfiguration)]);
    assert_eq!(report.findings, [], "{:#?}", report.lines);
    assert!(report.faults.contains_key("Outage::Denied"), "{report:?}");
    assert_eq!(report.executed, 1);
    let is_unknown = |line: &String| line.contains("OUTCOME_UNKNOWN");
    assert!(report.lines.iter().any(is_unknown), "{:#?}", report.lines);
}

/// After a restart, a replay whose lookup of the stage AWS denies was rejected with a final
/// error, although the configuration exists.
#[test]
fn a_denied_lookup_of_the_stage_does_not_end_a_create_with_a_row() {
    let down = seconds(1);
    let crash = Fault::Crash { at: seconds(5), polls: 1, down };
    let report = report(vec![repeating_caller()], vec![is_denied(Operation::GetStage), crash]);
    assert_eq!(report.findings, [], "{:#?}", report.lines);
    assert!(report.faults.contains_key("Outage::Denied"), "{report:?}");
    assert_eq!((report.executed, report.faults.get("Crash")), (1, Some(&1)));
}

/// A replay that joined an earlier one received a configuration that was deleted since.
#[test]
fn a_replay_does_not_return_what_was_deleted_before_it() {
    let (slow, half_a_second) = (seconds(3), Duration::from_millis(500));
    let mut deleting = repeating_caller();
    deleting.number = 1;
    deleting.starts = seconds(1);
    deleting.then = vec![Step::Wait(seconds(9) + half_a_second), Step::Delete, Step::Repeat];
    let reads = Some(Operation::GetIngestConfiguration);
    let (from, to) = (seconds(9), seconds(60));
    let slow = Fault::Outage { operation: reads, from, to, kind: Outage::Slow(slow) };
    let report = report(vec![repeating_caller(), deleting], vec![slow]);
    assert_eq!(report.findings, [], "{:#?}", report.lines);
    let is_gone = |line: &&String| line.contains(": NOT_FOUND");
    assert_eq!(report.lines.iter().filter(is_gone).count(), 2, "{:#?}", report.lines);
}

/// A new configuration that AWS did not show yet was confirmed as deleted, and stayed so.
#[test]
fn a_delete_of_a_configuration_that_aws_does_not_show_yet_is_not_confirmed() {
    let mut caller = repeating_caller();
    caller.then = vec![Step::Delete, Step::Repeat];
    let (none, late) = (Duration::ZERO, seconds(20));
    let consistency =
        Fault::Consistency { from: none, to: seconds(30), lists: none, reads: late, tags: none };
    let report = report(vec![caller], vec![consistency]);
    assert_eq!(report.findings, [], "{:#?}", report.lines);
    let is_deleted = |line: &String| line.contains("is deleted");
    assert!(report.lines.iter().any(is_deleted), "{:#?}", report.lines);
}

/// Tags that were late were taken as the tags of a stranger's configuration, and the create was
/// sent again.
#[test]
fn late_tags_do_not_prove_absence() {
    let mut caller = repeating_caller();
    caller.then.clear();
    let none = Duration::ZERO;
    let (from, to) = (none, seconds(30));
    let faults = vec![
        Fault::Create { tenant: 0, request: 1, nth: 0, kind: CallFault::ExecutedLate(seconds(25)) },
        Fault::Consistency { from, to, lists: seconds(25), reads: none, tags: seconds(50) },
    ];
    let report = report(vec![caller], faults);
    assert_eq!(report.findings, [], "{:#?}", report.lines);
    assert_eq!(report.executed, 1);
}

/// A clock that was set forward made a create look absent for long enough.
#[test]
fn a_step_of_the_clock_does_not_prove_absence() {
    let mut caller = repeating_caller();
    caller.then.clear();
    let faults = vec![
        Fault::Create { tenant: 0, request: 1, nth: 0, kind: CallFault::ExecutedLate(seconds(25)) },
        Fault::ClockStep { at: seconds(1), by_ms: 120_000 },
    ];
    let report = report(vec![caller], faults);
    assert_eq!(report.findings, [], "{:#?}", report.lines);
    assert_eq!(report.executed, 1);
}

/// A restored copy did not know the create, and its gateway executed it again. AWS lists the
/// configuration only after the start.
#[test]
fn a_restored_ledger_creates_nothing_twice() {
    let mut caller = repeating_caller();
    caller.starts = seconds(5);
    let none = Duration::ZERO;
    let faults = vec![
        Fault::Consistency {
            from: none,
            to: seconds(30),
            lists: seconds(29),
            reads: none,
            tags: none,
        },
        Fault::Restore { copied: seconds(1), at: seconds(10), down: seconds(1) },
    ];
    let report = report(vec![caller], faults);
    assert_eq!(report.findings, [], "{:#?}", report.lines);
    assert_eq!((report.executed, report.faults.get("Restore")), (1, Some(&1)));
    let is_rebuilding = |line: &String| line.contains("LEDGER_UNAVAILABLE");
    assert!(report.lines.iter().any(is_rebuilding), "{:#?}", report.lines);
}

/// The copy has a create in doubt that was given up since. Its caller has created another
/// configuration with the same `request_id`, which the gateway executed once more.
#[test]
fn a_restored_create_in_doubt_does_not_keep_its_request_id() {
    let mut caller = repeating_caller();
    caller.leaves = Some(Duration::from_millis(300));
    caller.leaves_times = 1;
    caller.returns_after = seconds(75);
    let plan = Plan {
        seed: 1,
        callers: vec![caller],
        faults: vec![
            Fault::Create { tenant: 0, request: 1, nth: 0, kind: CallFault::RequestLost },
            Fault::Restore { copied: seconds(30), at: seconds(80), down: seconds(1) },
        ],
        faults_end: seconds(90),
        give_up_after: seconds(65),
        page_size: 100,
    };
    let report = run(&plan, true).unwrap();
    assert_eq!(report.findings, [], "{:#?}", report.lines);
    assert_eq!((report.executed, report.faults.get("Restore")), (1, Some(&1)));
}

/// The copy has a create in doubt whose configuration was deleted since, and six others took the
/// quota. The gateway adopted these, and sent the create once more.
#[test]
fn a_restored_create_in_doubt_does_not_exceed_the_quota() {
    // The tenant with a quota of six.
    let of_globex = || CallerPlan { tenant: 1, ..repeating_caller() };
    let mut first = of_globex();
    first.then = vec![Step::Delete, Step::Wait(seconds(150)), Step::Repeat];
    let others = (2..8).map(|request: u32| CallerPlan {
        number: request.into(),
        request,
        starts: seconds(75),
        then: vec![],
        ..of_globex()
    });
    let plan = Plan {
        seed: 1,
        callers: std::iter::once(first).chain(others).collect(),
        faults: vec![
            Fault::Create { tenant: 1, request: 1, nth: 0, kind: CallFault::RequestLost },
            Fault::Restore { copied: seconds(30), at: seconds(90), down: seconds(1) },
        ],
        faults_end: seconds(100),
        give_up_after: seconds(400),
        page_size: 100,
    };
    let report = run(&plan, true).unwrap();
    assert_eq!(report.findings, [], "{:#?}", report.lines);
    assert_eq!((report.executed, report.faults.get("Restore")), (7, Some(&1)));
    let is_over_quota = |line: &String| line.contains("caller 0: TENANT_COUNT_QUOTA");
    assert!(report.lines.iter().any(is_over_quota), "{:#?}", report.lines);
}

/// A failed write of an outcome hid a configuration until its lease expired, and a failed record
/// of a sending kept the `request_id` in progress for minutes.
#[test]
fn one_failed_commit_delays_a_create_by_seconds() {
    for nth in 0..6 {
        for kind in [CommitFault::Fails, CommitFault::FailsButDurable] {
            let mut caller = repeating_caller();
            caller.then = vec![Step::Repeat, Step::List];
            let report = report(vec![caller], vec![Fault::Commit { nth, kind }]);
            assert_eq!(report.findings, [], "{nth} {kind:?} {:#?}", report.lines);
            let received = report.lines.iter().find(|line| line.contains("caller 0: received"));
            let at: f64 = received.unwrap().split_whitespace().next().unwrap().parse().unwrap();
            assert!(at < 3.0, "{nth} {kind:?} {:#?}", report.lines);
        }
    }
}

/// The outcome of a create cannot be written for longer than the gateway repeats the write. With
/// the key, its caller would hold what the gateway may delete as a duplicate.
#[test]
fn a_key_is_not_returned_without_its_record() {
    let fails = |nth| Fault::Commit { nth, kind: CommitFault::Fails };
    let mut unknown = 0;
    // One of these is the commit of the outcome.
    for first in 9..15 {
        let report = report(vec![repeating_caller()], (first..first + 50).map(fails).collect());
        assert_eq!(report.findings, [], "{first} {:#?}", report.lines);
        let is_unknown = |line: &String| line.contains("caller 0: OUTCOME_UNKNOWN");
        unknown += u32::from(report.lines.iter().any(is_unknown));
    }
    assert!(unknown > 0);
}
