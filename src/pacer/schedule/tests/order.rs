//! The order of calls after a time without calls, and the calls that come too late.

use super::*;

/// Between two slots no call waits either, and earlier use counts.
#[test]
fn a_flow_that_has_used_a_slot_goes_behind_one_that_has_not() {
    let mut clock = Clock::new();
    clock.join("a", "a1");
    assert_eq!(clock.goes_within(ms(100)), ["a1"]);
    clock.join("a", "a2");
    clock.join("b", "b1");
    assert_eq!(clock.goes_within(ms(400)), ["b1", "a2"]);
}

#[test]
fn after_a_time_without_calls_earlier_use_does_not_count() {
    let mut clock = Clock::new();
    clock.join("a", "a1");
    assert_eq!(clock.goes_within(ms(1000)), ["a1"]);
    clock.join("a", "a2");
    clock.join("b", "b1");
    clock.join_own("own");
    // Nor does it count between callers and internal calls: the callers go first.
    assert_eq!(clock.goes_within(ms(400)), ["a2", "own", "b1"]);
}

/// The response must arrive before the deadline, and not only the permit.
#[test]
fn a_call_is_granted_as_long_as_its_response_can_arrive_in_time() {
    let mut clock = Clock::new();
    clock.join("a", "slow");
    assert_eq!(clock.goes_within(Duration::from_secs(1)), ["slow"]);
    clock.schedule.ended(&id("a"), clock.start, Outcome::Completed, clock.now);
    clock.join("a", "a1");
    assert_eq!(clock.goes(), ["a1"]);
    // The next slot comes in 200 ms, and a response takes a second.
    for (call, within) in [("a2", ms(1199)), ("a3", ms(1200))] {
        clock.schedule.state(&flow("a", TERMS), clock.now).admitted += 1;
        let deadline = Some(clock.now + within);
        clock.schedule.join(&id("a"), deadline, QueueEnd::Back, call.to_owned(), clock.now);
    }
    assert_eq!(clock.goes_within(ms(200)), ["a2 is too late", "a3"]);
}
