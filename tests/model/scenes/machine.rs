//! Faults of the machine: the clock, the disk, and the account of the credentials.

use super::{ONE, WITH_SCAN, assert_holds, assert_limit, assert_needed};
use crate::{
    properties::{UNCOUNTED, WAITS_FOR_ITS_LEASE},
    scene::{Part, Rule, Scene},
};

#[test]
fn steps_of_the_clock_do_not_make_a_create_absent() {
    let steps = ONE.with(Part::ClockSteps);
    assert_holds("the clock is set", &steps);
    assert_needed(Rule::AgeIsOfBothClocks, &steps, UNCOUNTED);
}

#[test]
fn a_disk_that_stalls_does_not_make_a_create_absent() {
    let stalls = ONE.with(Part::Stalls);
    assert_holds("the disk stalls", &stalls);
    assert_needed(Rule::LateRecordIsNotSent, &stalls, UNCOUNTED);
}

#[test]
fn failed_writes_are_repeated() {
    let fails = ONE.with(Part::FailedWrites);
    assert_holds("writes fail, and crashes", &fails);
    assert_needed(Rule::FailedSendPermitsNothing, &fails, UNCOUNTED);
    let fails = fails.without(Part::Crashes);
    assert_holds("writes fail", &fails);
    assert_needed(Rule::FailedWritesAreRepeated, &fails, WAITS_FOR_ITS_LEASE);
}

#[test]
fn another_account_releases_no_rows() {
    let one = Scene { live_at_start: 1, ..WITH_SCAN }.with(Part::OtherAccount);
    let two = Scene { live_at_start: 2, requests: 2, ..one.clone() };
    assert_holds("another account", &two);
    assert_needed(Rule::MostMissingReleasesNone, &two, UNCOUNTED);
    assert_limit("another account, and one row", &Scene { creates: 1, ..one }, UNCOUNTED);
}
