//! Late tags, and reads that do not find a configuration yet.

use super::{
    ONE, TIMES, WITH_SCAN, assert_holds, assert_needed, assert_needed_to_resolve, assert_recovers,
};
use crate::{
    properties::{NOT_ONE_TO_ONE, UNCOUNTED},
    scene::{Part, Rule, Scene, Times},
};

#[test]
fn late_tags_do_not_make_a_configuration_foreign() {
    let late = Scene { times: Times { tags_after: 1, ..TIMES }, ..ONE };
    assert_holds("tags are late", &late);
    assert_needed(Rule::TagsMayBeLate, &late, UNCOUNTED);
    let later = Scene { times: Times { tags_after: 2, ..TIMES }, ..ONE };
    assert_holds("tags are later than lists", &later);
    let lost = Scene { sends: 1, ..late }.with(Part::Scan).with(Part::Loss);
    assert_holds("tags are late, ledger lost", &lost);
}

#[test]
fn a_row_is_released_only_if_its_configuration_is_gone() {
    let late = Scene { sends: 1, ..WITH_SCAN }.with(Part::LateReads);
    assert_holds("late reads", &late);
    assert_needed(Rule::NewRowsAreKept, &late, UNCOUNTED);
    assert_needed(Rule::MissingIsRead, &late, UNCOUNTED);
}

/// A clock that is set forward makes the gateway believe an early response.
#[test]
fn a_row_that_was_released_too_early_is_restored() {
    let scene = Scene { creates: 1, sends: 1, ..WITH_SCAN }.without(Part::Crashes);
    let clock = scene.with(Part::LateReads).with(Part::ClockSteps);
    let clock = Scene { tolerated: &[UNCOUNTED, NOT_ONE_TO_ONE], ..clock };
    assert_recovers("late reads, the clock is set", &clock);
    assert_needed_to_resolve(Rule::EndedRowsAreRestored, &clock);
}
