//! Deletes by callers.

use super::{
    WITH_SCAN, assert_holds, assert_limit, assert_needed, assert_recovers,
    assert_waits_for_operator,
};
use crate::{
    properties::{NOT_DELETED, NOT_ONE_TO_ONE, UNCOUNTED},
    scene::{Part, Rule, Scene},
};

/// One create, which is sent once, and its deletes.
const DELETES: Scene = Scene { sends: 1, creates: 1, ..WITH_SCAN }.with(Part::Deletes);

#[test]
fn a_delete_is_confirmed_only_if_aws_has_deleted() {
    assert_holds("deletes", &DELETES);
    assert_needed(Rule::UnclearDeleteIsRead, &DELETES, NOT_DELETED);
    let late = DELETES.without(Part::Scan).with(Part::LateReads);
    assert_holds("deletes, late reads", &late);
    assert_needed(Rule::EarlyNotFoundDeletesNothing, &late, NOT_DELETED);
    assert_needed(Rule::AgeIsOfTheRequest, &late, NOT_DELETED);
    assert_needed(Rule::AbandonedDeletesWait, &late, UNCOUNTED);
    let clock = late.with(Part::ClockSteps);
    assert_limit("deletes, late reads, the clock is set forward", &clock, NOT_DELETED);
}

#[test]
fn a_deleted_row_stays_deleted() {
    assert_needed(Rule::OutcomeIsFinal, &DELETES, NOT_ONE_TO_ONE);
    assert_needed(Rule::AdoptionIsOfTheRead, &DELETES, NOT_ONE_TO_ONE);
}

/// The next scans release the row of a delete that the ledger does not know.
#[test]
fn a_forgotten_delete_is_detected() {
    let forgets = Scene { tolerated: &[NOT_ONE_TO_ONE], ..DELETES.without(Part::Crashes) };
    let fails = forgets.clone().with(Part::FailedWrites);
    assert_recovers("deletes, writes fail", &fails);
    let lost = forgets.clone().with(Part::LateReads).with(Part::Loss);
    assert_recovers("deletes, late reads, ledger lost", &lost);
    let restored =
        Scene { live_at_start: 1, ..forgets.clone() }.with(Part::LateReads).with(Part::Restore);
    assert_recovers("deletes, late reads, older copy restored", &restored);
    let two = Scene { live_at_start: 2, requests: 2, ..forgets }.with(Part::Restore);
    assert_waits_for_operator("older copy restored, all of its rows were deleted since", &two);
}
