//! A lost or restored ledger, and its comparison with AWS.

use super::{WITH_SCAN, assert_holds, assert_needed, assert_needed_to_resolve};
use crate::{
    properties::UNCOUNTED,
    scene::{Part, Rule, Scene},
};

#[test]
fn a_lost_ledger_is_rebuilt_before_anything_is_created() {
    let lost = WITH_SCAN.with(Part::Loss);
    assert_holds("ledger lost", &lost);
    assert_needed(Rule::CreatesWaitForTheRebuild, &lost, UNCOUNTED);
    assert_needed(Rule::ComparisonWaits, &lost, UNCOUNTED);
    let two = Scene { live_at_start: 2, requests: 2, creates: 3, ..lost };
    assert_needed(Rule::RebuildIsWhole, &two, UNCOUNTED);
}

#[test]
fn a_restored_ledger_is_compared_with_aws() {
    let restored = WITH_SCAN.with(Part::Restore).without(Part::Crashes);
    let one = Scene { creates: 1, ..restored.clone() };
    assert_holds("older copy restored, one create", &one);
    let sent_once = Scene { sends: 1, ..restored };
    assert_holds("older copy restored, each create sent once", &sent_once);
    assert_needed(Rule::RestoredIsCompared, &sent_once, UNCOUNTED);
}

#[test]
fn pages_that_skip_a_configuration_do_not_hide_it() {
    let pages = WITH_SCAN.with(Part::Loss).with(Part::Pages).with(Part::Operator);
    let two = Scene { live_at_start: 2, requests: 2, creates: 3, sends: 1, quota: 3, ..pages };
    assert_holds("ledger lost, a page skips a configuration", &two);
    assert_needed(Rule::TwoScansCompare, &two, UNCOUNTED);
}

#[test]
fn a_configuration_that_cannot_be_read_does_not_stop_the_rebuild() {
    let lost = Scene { sends: 1, ..WITH_SCAN }.with(Part::Loss);
    let failing = lost.clone().with(Part::FailingReads);
    assert_holds("ledger lost, reads fail", &failing);
    assert_needed(Rule::UnreadableIsNoProof, &failing, UNCOUNTED);
    let all = Scene { live_at_start: 1, requests: 2, ..failing };
    let all = all.with(Part::LateReads).with(Part::Operator).with(Part::Pages);
    assert_holds("ledger lost, reads fail or are late, pages skip", &all);
    let foreign = lost.with(Part::Foreign);
    assert_holds("ledger lost, a foreign configuration cannot be read", &foreign);
    assert_needed_to_resolve(Rule::UnreadableIsSkipped, &foreign);
}
