//! Model checking of exactly-once create. Explores every state that a few clients, gateways
//! and faults can reach, in a model of everything around the ledger's decisions. The
//! decisions are the code of the gateway (`ledger::state` and `ledger::decide`).
//!
//! | module | models | code |
//! | --- | --- | --- |
//! | `world` | durable state, state that a crash loses, state of AWS | |
//! | `ledger` | each of the ledger's transactions, in one step | `ledger::sqlite` |
//! | `calls` | clients that repeat or cancel calls, and their creates | `handlers::create` |
//! | `resolving` | reads of in-doubt rows, probes, conclusions: one step each | `reconcile::resolver` |
//! | `scanning` | lists, adoption, duplicates, rows without a configuration | `reconcile::scan` |
//! | `upstream` | AWS, time, leases, crashes, the loss of the ledger | |
//! | `properties` | the invariants, and the definition of a resolved state | |
//! | `explorer` | breadth-first visit of every state | |
//!
//! Between two steps of one part, every other part can take steps. Calls arrive and time out,
//! and gateways are killed, at any moment and any number of times. The number of operation
//! ids, and of sendings of each, bounds a scene.
//!
//! # Assumptions
//!
//! Time advances in ticks. A create may be sent again after two ticks, and is given up after
//! three. In all scenes except those of the last two tests:
//!
//! - AWS executes a create at most one tick after its row became `SENDING`, and the gateway
//!   waits for the response at most that long.
//! - One tick later, every list shows the configuration. So a configuration is listed at the
//!   latest when absence becomes conclusive. A scene shows that this is necessary.
//! - A read of one configuration is correct at any time.
//! - A ledger is lost while no create is running. A scene shows the other case.
//!
//! # Omissions
//!
//! Deletes by callers, the pruning of ended rows, pages (a list is one step), and clock
//! steps.

#![allow(clippy::disallowed_methods, reason = "tests measure real time")]
#![allow(clippy::unwrap_used, reason = "a panic of the model fails the test")]

mod calls;
mod explorer;
mod ledger;
mod properties;
mod resolving;
mod scanning;
mod steps;
mod upstream;
mod world;

use std::io::{Write, stdout};

use crate::{
    explorer::{OnViolation, Report, explore},
    world::{Loss, Rule, Scene, Times},
};

const TIMES: Times =
    Times { attempt_timeout: 1, executed_by: 1, shown_after: 1, retry_after: 2, give_up_after: 3 };

/// One gateway and one request, with the resolver only.
const ONE: Scene = Scene {
    gateways: 1,
    requests: 1,
    live_at_start: 0,
    creates: 2,
    sends: 2,
    quota: 2,
    scan: false,
    operator: false,
    loss: Loss::Never,
    times: TIMES,
    broken: None,
};

/// [`ONE`] with the scan.
const WITH_SCAN: Scene = Scene { scan: true, ..ONE };

/// Explores the scene, and prints the number of states. The number is part of the result,
/// so it bypasses the capture of test output.
fn explore_and_print(name: &str, scene: &Scene, on_violation: OnViolation) -> Report {
    let report = explore(scene, on_violation);
    let Report { states, steps, depth, .. } = &report;
    let mut out = stdout().lock();
    writeln!(out, "model: {name}: {states} states, {steps} steps, depth {depth}").unwrap();
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

/// Asserts that the scene, which breaks an assumption, violates an invariant. Asserts also that
/// a resolved state, with one configuration for each live row, can be reached from every state.
fn assert_recovers(name: &str, scene: &Scene) {
    let report = explore_and_print(name, scene, OnViolation::Continue);
    assert!(report.violation.is_some(), "no violation, so the assumption is not needed: {report}");
    assert!(report.never_resolves.is_none(), "{report}");
}

#[test]
fn one_request_makes_one_configuration() {
    assert_holds("one request", &Scene { creates: 3, sends: 3, ..WITH_SCAN });
}

#[test]
fn two_requests_share_a_quota_of_one() {
    assert_holds("two requests, a quota of one", &Scene { requests: 2, quota: 1, ..WITH_SCAN });
}

#[test]
fn two_gateways_share_a_ledger() {
    let two = Scene { gateways: 2, ..ONE };
    assert_holds("two gateways, one create", &Scene { creates: 1, ..two.clone() });
    assert_holds("two gateways, each create sent once", &Scene { sends: 1, ..two.clone() });
    let with_scan = Scene { scan: true, creates: 1, sends: 1, ..two };
    assert_holds("two gateways, one create, with scan", &with_scan);
}

#[test]
fn configurations_that_an_operator_deletes_are_detected() {
    assert_holds("deleted by an operator", &Scene { operator: true, ..WITH_SCAN });
}

#[test]
fn a_lost_ledger_is_rebuilt_before_anything_is_created() {
    let lost = Scene { loss: Loss::WhenIdle, ..WITH_SCAN };
    assert_holds("ledger lost", &lost);
    let second = Scene { live_at_start: 1, requests: 2, creates: 3, sends: 1, ..lost.clone() };
    assert_holds("ledger lost, two requests", &second);

    let uncounted = "a configuration that exists or may be created is not counted";
    assert_needed(Rule::CreatesWaitForTheRebuild, &lost, uncounted);
    let two = Scene { live_at_start: 2, requests: 2, creates: 3, ..lost };
    assert_needed(Rule::RebuildIsWhole, &two, uncounted);
}

#[test]
fn every_rule_is_needed() {
    let uncounted = "a configuration that exists or may be created is not counted";
    assert_needed(Rule::SendIsDurable, &ONE, uncounted);
    assert_needed(Rule::ResendWaits, &ONE, "two configurations of one request");
    assert_needed(Rule::AbsenceTakesTime, &ONE, uncounted);
    assert_needed(Rule::AbsenceIsOfOneSending, &Scene { sends: 3, ..ONE }, uncounted);
    let two = Scene { gateways: 2, creates: 1, ..ONE };
    assert_needed(Rule::LedgerPermits, &two, "one permission was used twice");
}

#[test]
fn late_lists_and_late_executions_recover() {
    let late = Times { shown_after: 2, ..TIMES };
    assert_recovers("lists lag beyond the window", &Scene { times: late, ..WITH_SCAN });
    let late = Times { executed_by: 2, ..TIMES };
    assert_recovers("AWS executes at the end of the window", &Scene { times: late, ..WITH_SCAN });
    let slow = Times { attempt_timeout: 3, ..TIMES };
    assert_recovers("attempts outlast the window", &Scene { times: slow, creates: 1, ..WITH_SCAN });
}

#[test]
fn a_ledger_lost_with_creates_in_progress_recovers() {
    assert_recovers("ledger lost at any moment", &Scene { loss: Loss::Anytime, ..WITH_SCAN });
}
