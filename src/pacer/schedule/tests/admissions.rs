//! Whether a call is admitted, and which flows are remembered for it.

use super::*;

/// Lets the flow `a` receive one response after 10 s, so that a call that must wait and has a
/// shorter deadline is rejected.
fn after_a_slow_response() -> Clock {
    let mut clock = Clock::new();
    clock.join("a", "slow");
    assert_eq!(clock.goes_within(Duration::from_secs(10)), ["slow"]);
    clock.schedule.ended(&id("a"), clock.start, Outcome::Completed, clock.now);
    clock
}

#[test]
fn a_call_waits_behind_any_call_that_is_ready() {
    let mut clock = after_a_slow_response();
    assert_eq!(clock.admit("b", TERMS, ms(1)), Ok(()));
    clock.schedule.leave(&id("b"));
    // The slot is free, and the call of a will get it.
    clock.join("a", "a");
    assert_eq!(clock.schedule.queued(), 1);
    assert_eq!(clock.admit("b", TERMS, ms(1)), Err(too_late(ms(200))));
}

#[test]
fn a_call_waits_for_the_next_slot() {
    let mut clock = after_a_slow_response();
    clock.join("a", "a");
    assert_eq!(clock.goes(), ["a"]);
    assert_eq!(clock.admit("b", TERMS, ms(1)), Err(too_late(ms(200))));
}

#[test]
fn a_call_waits_behind_the_admitted_calls_of_its_flow() {
    let mut clock = after_a_slow_response();
    let terms = Terms { max_queued: 1, ..TERMS };
    assert_eq!(clock.admit("a", terms, ms(1)), Ok(()));
    assert_eq!(clock.schedule.waiting(&id("a")), 1);
    assert_eq!(clock.admit("a", terms, Duration::from_mins(1)), Err(queue_full(ms(200))));
    // Those of other flows are not ready.
    assert_eq!(clock.admit("b", terms, ms(1)), Ok(()));
    clock.join_own("own");
    assert_eq!(clock.goes(), ["own"]);
}

#[test]
fn a_call_waits_for_a_response_if_its_flow_is_at_its_in_flight_bound() {
    let mut clock = after_a_slow_response();
    let terms = Terms { max_in_flight: 2, ..TERMS };
    for call in ["a1", "a2"] {
        assert_eq!(clock.admit("a", terms, ms(1)), Ok(()));
        // A call that did not wait is granted, although its response may come too late.
        let deadline = Some(clock.now + ms(1));
        clock.schedule.join(&id("a"), deadline, QueueEnd::Back, call.to_owned(), clock.now);
        assert_eq!(clock.goes_within(ms(200)), [call]);
    }
    assert_eq!(clock.schedule.in_flight(&id("a")), 2);
    // Half of 10 s: one of two calls ends.
    assert_eq!(clock.admit("a", terms, ms(1)), Err(too_late(Duration::from_secs(5))));
    assert_eq!(clock.admit("b", terms, ms(1)), Ok(()));
}

#[test]
fn a_call_that_was_throttled_is_admitted_once() {
    let mut clock = Clock::new();
    let deadline = clock.now + Duration::from_mins(1);
    clock.schedule.readmit(&flow("a", TERMS), deadline, clock.now).unwrap();
    clock.schedule.readmit(&flow("a", TERMS), deadline, clock.now).unwrap();
    assert_eq!(clock.schedule.waiting(&id("a")), 2);
}

/// The flows that the others make the schedule forget are idle ones alone.
#[test]
fn a_flow_that_is_not_idle_is_not_forgotten() {
    let mut clock = Clock::new();
    let narrow = Terms { max_in_flight: 1, ..TERMS };
    clock.join_under("busy", narrow, "first");
    assert_eq!(clock.goes_within(ms(200)), ["first"]);
    for tenant in 0..2000 {
        let name = format!("tenant-{tenant}");
        clock.join(&name, "call");
        clock.goes_within(ms(200));
        clock.ends(&name, Outcome::Completed);
    }
    assert!(clock.schedule.flows.len() < 1500, "{}", clock.schedule.flows.len());
    clock.join_under("busy", narrow, "second");
    assert!(clock.goes_within(ms(400)).is_empty());
    clock.ends("busy", Outcome::Completed);
    assert_eq!(clock.goes(), ["second"]);
    clock.join_own("own");
    assert_eq!(clock.goes_within(ms(200)), ["own"]);
}

/// The operator may change the terms of a tenant while the gateway runs.
#[test]
fn the_terms_of_the_last_call_apply() {
    let mut clock = Clock::new();
    let narrow = Terms { max_in_flight: 1, ..TERMS };
    clock.join_under("a", narrow, "1");
    clock.join_under("a", narrow, "2");
    assert_eq!(clock.goes_within(ms(400)), ["1"]);
    clock.join_under("a", TERMS, "3");
    assert_eq!(clock.goes_within(ms(400)), ["2", "3"]);
}
