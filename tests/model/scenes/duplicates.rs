//! AWS is slower than `Times::retry_after`, so that one create can make two configurations.

use super::{TIMES, WITH_SCAN, assert_needed, assert_needed_to_resolve, assert_recovers};
use crate::{
    properties::{KEY_DELETED, NOT_ONE_TO_ONE, OVER_QUOTA, TWO, TWO_KEYS, UNCOUNTED},
    scene::{Part, Rule, Scene, Times},
};

/// Lists show a configuration only when its create is given up.
const LATE_LISTS: Scene = Scene {
    times: Times { shown_after: 2, ..TIMES },
    tolerated: &[TWO, NOT_ONE_TO_ONE],
    ..WITH_SCAN
};

#[test]
fn every_configuration_gets_a_row() {
    assert_recovers("lists lag beyond retry_after", &LATE_LISTS);
    assert_needed_to_resolve(Rule::EveryConfigurationHasARow, &Scene { creates: 1, ..LATE_LISTS });
}

#[test]
fn late_executions_recover() {
    let late = Scene { times: Times { executed_by: 2, ..TIMES }, ..LATE_LISTS };
    assert_recovers("AWS executes at retry_after", &late);
    let slow = Times { attempt_timeout: 3, ..TIMES };
    let tolerated = &[TWO, NOT_ONE_TO_ONE, UNCOUNTED];
    let slow = Scene { times: slow, tolerated, creates: 1, ..LATE_LISTS };
    assert_recovers("attempts outlast retry_after", &slow);
}

#[test]
fn a_throttled_resend_remembers_the_first_sending() {
    let late = Times { executed_by: 2, shown_after: 0, ..TIMES };
    let late = Scene { times: late, creates: 1, ..LATE_LISTS };
    assert_recovers("AWS executes late, and shows immediately", &late);
    assert_needed(Rule::ResendIsRemembered, &late, UNCOUNTED);
}

#[test]
fn keys_that_callers_have_stay_valid() {
    let keys = Scene { creates: 1, ..LATE_LISTS }.with(Part::Keys);
    assert_recovers("lists lag beyond retry_after, with keys", &keys);
    assert_needed(Rule::KeyNeedsARecord, &keys, TWO_KEYS);
    let late = Times { shown_after: 3, ..TIMES };
    let tolerated = &[TWO, NOT_ONE_TO_ONE, UNCOUNTED, TWO_KEYS, OVER_QUOTA];
    let lost = Scene { times: late, tolerated, ..keys }.with(Part::Loss).without(Part::Crashes);
    assert_needed(Rule::DuplicatesNeedAResponse, &lost, KEY_DELETED);
}
