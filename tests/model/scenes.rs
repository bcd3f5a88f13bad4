//! The explorations. Each scene has the parts and faults that its rules are about.

mod creates;
mod deleting;
mod duplicates;
mod machine;
mod reading;
mod rebuilding;

use std::{
    io::{Write, stdout},
    time::Instant,
};

use crate::{
    explorer::{OnViolation, Report, explore},
    scene::{Part, Parts, Rule, Scene, Times},
};

const TIMES: Times = Times {
    attempt_timeout: 1,
    executed_by: 1,
    shown_after: 1,
    tags_after: 0,
    retry_after: 2,
    give_up_after: 3,
};

/// One gateway and one request, with the resolver only.
const ONE: Scene = Scene {
    gateways: 1,
    requests: 1,
    live_at_start: 0,
    creates: 2,
    sends: 2,
    quota: 2,
    parts: Parts::NONE.with(Part::Crashes),
    times: TIMES,
    tolerated: &[],
    broken: None,
};

/// [`ONE`] with the scan.
const WITH_SCAN: Scene = ONE.with(Part::Scan);

/// Explores the scene, and prints the number of states. The number is part of the result,
/// so it bypasses the capture of test output.
fn explore_and_print(name: &str, scene: &Scene, on_violation: OnViolation) -> Report {
    let started = Instant::now();
    let report = explore(scene, on_violation);
    let Report { states, steps, depth, .. } = &report;
    let seconds = started.elapsed().as_secs_f64();
    let mut out = stdout().lock();
    writeln!(out, "model: {name}: {states} states, {steps} steps, depth {depth}, {seconds:.1} s")
        .unwrap();
    report
}

/// Asserts that no state violates an invariant, and that a resolved state can be reached
/// from every state.
fn assert_holds(name: &str, scene: &Scene) {
    let report = explore_and_print(name, scene, OnViolation::Stop);
    assert!(report.violation.is_none() && report.never_resolves.is_none(), "{report}");
}

/// Asserts that the explorer finds the violation `wrong` without the rule.
fn assert_needed(rule: Rule, scene: &Scene, wrong: &str) {
    let scene = Scene { broken: Some(rule), ..scene.clone() };
    let report = explore_and_print(&format!("without {rule:?}"), &scene, OnViolation::Stop);
    let found = report.violation.as_ref().map(|trace| trace.wrong);
    assert_eq!(found, Some(wrong), "{report}");
}

/// Asserts that the explorer finds a state without the rule from which no resolved state can be
/// reached.
fn assert_needed_to_resolve(rule: Rule, scene: &Scene) {
    let scene = Scene { broken: Some(rule), ..scene.clone() };
    let report = explore_and_print(&format!("without {rule:?}"), &scene, OnViolation::Continue);
    assert!(report.never_resolves.is_some(), "{report}");
}

/// Asserts that the scene, which breaks an assumption, has each violation that it tolerates, and
/// no other. Asserts also that a resolved state, with one live row for each configuration, can be
/// reached from every state.
fn assert_recovers(name: &str, scene: &Scene) {
    let tolerated = scene.tolerated;
    for wrong in tolerated {
        let others: Vec<&'static str> =
            tolerated.iter().copied().filter(|other| other != wrong).collect();
        let scene = Scene { tolerated: others.leak(), ..scene.clone() };
        let report = explore(&scene, OnViolation::Stop);
        let found = report.violation.as_ref().map(|trace| trace.wrong);
        assert_eq!(
            found,
            Some(*wrong),
            "it is not violated, so it need not be tolerated: {report}"
        );
    }
    assert_holds(name, scene);
}

/// Asserts that the explorer finds a state from which the gateway does not recover alone: a known
/// limit of the rules.
fn assert_waits_for_operator(name: &str, scene: &Scene) {
    let report = explore_and_print(name, scene, OnViolation::Stop);
    assert!(report.violation.is_none() && report.never_resolves.is_some(), "{report}");
}

/// Asserts that the explorer finds the violation `wrong`: a known limit of the rules.
fn assert_limit(name: &str, scene: &Scene, wrong: &str) {
    let report = explore_and_print(name, scene, OnViolation::Stop);
    let found = report.violation.as_ref().map(|trace| trace.wrong);
    assert_eq!(found, Some(wrong), "{report}");
}
