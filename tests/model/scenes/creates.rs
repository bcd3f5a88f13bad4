//! Creates of one and of two requests, and the rules of a sending.

use super::{ONE, WITH_SCAN, assert_holds, assert_needed};
use crate::{
    properties::{SENT_TWICE, TWO, UNCOUNTED},
    scene::{Part, Rule, Scene},
};

#[test]
fn one_request_makes_one_configuration() {
    assert_holds("one request", &Scene { creates: 3, ..WITH_SCAN });
    assert_holds("one request, sent three times", &Scene { sends: 3, ..WITH_SCAN });
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
    let with_scan = Scene { creates: 1, sends: 1, ..two }.with(Part::Scan);
    assert_holds("two gateways, one create, with scan", &with_scan);
}

#[test]
fn configurations_that_an_operator_deletes_are_detected() {
    assert_holds("deleted by an operator", &WITH_SCAN.with(Part::Operator));
}

#[test]
fn every_rule_of_a_sending_is_needed() {
    assert_needed(Rule::SendIsDurable, &ONE, UNCOUNTED);
    assert_needed(Rule::ResendWaits, &ONE, TWO);
    assert_needed(Rule::AbsenceTakesTime, &ONE, UNCOUNTED);
    assert_needed(Rule::AbsenceIsOfOneSending, &Scene { sends: 3, ..ONE }, UNCOUNTED);
    let two = Scene { gateways: 2, creates: 1, ..ONE };
    assert_needed(Rule::LedgerPermits, &two, SENT_TWICE);
}
