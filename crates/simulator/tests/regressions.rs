//! Schedules that broke a promise once. Each test has the smallest plan that `--shrink` found.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use ivs_realtime_emulator::Operation;
use simulator::{
    plan::{CallerPlan, Fault, Outage, Plan, Step},
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

fn report(faults: Vec<Fault>) -> Report {
    let plan = Plan {
        seed: 1,
        callers: vec![repeating_caller()],
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
    let report = report(vec![is_denied(Operation::GetIngestConfiguration)]);
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
    let report = report(vec![is_denied(Operation::GetStage), crash]);
    assert_eq!(report.findings, [], "{:#?}", report.lines);
    assert!(report.faults.contains_key("Outage::Denied"), "{report:?}");
    assert_eq!((report.executed, report.faults.get("Crash")), (1, Some(&1)));
}
