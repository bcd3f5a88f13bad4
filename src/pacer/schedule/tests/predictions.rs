//! The predicted wait, for which a call is rejected early. One call takes 200 ms.

use super::*;

/// Asserts the predicted wait of a call of `a` behind `ahead` calls, within 1 ms.
#[track_caller]
fn assert_wait(clock: &Clock, terms: Terms, ahead: usize, expected: Duration) {
    let predicted = clock.schedule.predicted_wait(&flow("a", terms), ahead, clock.now);
    assert!(predicted.abs_diff(expected) <= ms(1), "{predicted:?} instead of {expected:?}");
}

/// Returns a schedule whose next slot is free in 200 ms, after a call of `a`.
fn after_a_call() -> Clock {
    let mut clock = Clock::new();
    // Time for the arrivals before.
    clock.now += Duration::from_hours(1);
    clock.join("a", "a");
    assert_eq!(clock.goes(), ["a"]);
    clock.ends("a", Outcome::Completed);
    clock
}

/// Sets the recent arrivals of the flow to a constant rate, which ends now.
fn arrived(clock: &mut Clock, name: &str, every: Duration) {
    const CALLS: u32 = 1000;
    let now = clock.now;
    let first = now.checked_sub(every * (CALLS - 1)).unwrap();
    let state = clock.schedule.state(&flow(name, TERMS), now);
    for call in 0..CALLS {
        state.demand.add(first + every * call);
    }
}

#[test]
fn the_flows_that_wait_use_their_shares() {
    let mut clock = after_a_call();
    assert_wait(&clock, TERMS, 0, ms(200));
    assert_wait(&clock, TERMS, 3, ms(800));
    for call in ["b1", "b2", "b3", "b4"] {
        clock.join("b", call);
    }
    // Two calls of b have smaller tags, because a has used a slot, and one more for each call of a.
    assert_wait(&clock, TERMS, 0, ms(600));
    assert_wait(&clock, TERMS, 1, ms(1000));
    assert_wait(&clock, Terms { weight: 2, ..TERMS }, 2, ms(1200));
    // b does not use its whole share of 11 calls: 4 wait, and 0.133 arrive in a second.
    assert_wait(&clock, TERMS, 9, ms(2877));
    // A flow that has never made a call goes before the next call of a.
    let wait = clock.schedule.predicted_wait(&flow("c", TERMS), 0, clock.now);
    assert_eq!(wait, ms(400));
}

#[test]
fn the_calls_of_an_active_flow_are_expected() {
    let mut clock = after_a_call();
    arrived(&mut clock, "b", ms(500));
    // The 7 calls of b that its share allows would make it 2.6 s. In the wait of w only 2.02 w of
    // them arrive: w = 0.2 + (5 + 2.02 w) / 5.
    let expected = Duration::from_secs_f64(1.2 / (1.0 - 2.0167 / 5.0));
    assert_wait(&clock, TERMS, 5, expected);
    // A heavier flow has more calls for each one of b, which does not use its share of 7 here either.
    arrived(&mut clock, "b", Duration::from_secs(2));
    let expected = Duration::from_secs_f64(5.2 / (1.0 - 0.5169 / 5.0));
    assert_wait(&clock, Terms { weight: 5, ..TERMS }, 25, expected);
    // If its share is smaller than its arrivals, it counts.
    arrived(&mut clock, "b", ms(100));
    assert_wait(&clock, TERMS, 5, ms(2600));
    // An earlier flow whose calls ended some minutes ago is not expected.
    clock.now += Duration::from_mins(5);
    clock.join("a", "a");
    assert_eq!(clock.goes(), ["a"]);
    assert_wait(&clock, TERMS, 5, ms(1200));
}

#[test]
fn waiting_and_expected_calls_add_up() {
    let mut clock = after_a_call();
    for call in ["c1", "c2", "c3"] {
        clock.join("c", call);
    }
    arrived(&mut clock, "c", ms(1000));
    // w = 0.2 + (10 + 3 + 1.0167 w) / 5, which is less than the share of c.
    let of_c = Duration::from_secs_f64(2.8 / (1.0 - 1.0167 / 5.0));
    assert_wait(&clock, TERMS, 10, of_c);
    // b has more calls than its share, first later ones: it counts with 12 calls, and c as before.
    let of_both = Duration::from_secs_f64((0.2 + 25.0 / 5.0) / (1.0 - 1.0167 / 5.0));
    arrived(&mut clock, "b", ms(100));
    assert_wait(&clock, TERMS, 10, of_both);
    for _ in 0..20 {
        clock.join_under("b", Terms { max_queued: 100, ..TERMS }, "b");
    }
    assert_wait(&clock, TERMS, 10, of_both);
}

#[test]
fn internal_calls_are_expected_in_their_share() {
    let mut clock = after_a_call();
    clock.join_own("own");
    // One for each nine calls, and one more.
    assert_wait(&clock, TERMS, 18, ms(200 + 19 * 200));
    for _ in 0..9 {
        clock.join_own("own");
    }
    assert_wait(&clock, TERMS, 18, ms(200 + 21 * 200));
    assert_wait(&clock, TERMS, 0, ms(200 + 200));
}

#[test]
fn a_flow_at_its_in_flight_bound_waits_for_its_responses() {
    let mut clock = Clock::new();
    let narrow = Terms { max_in_flight: 2, ..TERMS };
    for _ in 0..3 {
        clock.join_under("a", narrow, "a");
        clock.goes_within(Duration::from_secs(2));
        let sent_at = clock.now.checked_sub(Duration::from_secs(2)).unwrap();
        clock.schedule.ended(&id("a"), sent_at, Outcome::Completed, clock.now);
    }
    // Two calls need not wait for a response of 2 s. Each other one waits for half of one.
    assert_wait(&clock, narrow, 1, ms(200));
    assert_wait(&clock, narrow, 2, Duration::from_secs(1));
    clock.join_under("a", narrow, "a");
    clock.join_under("a", narrow, "a");
    assert_eq!(clock.goes_within(ms(400)), ["a", "a"]);
    assert_wait(&clock, narrow, 0, Duration::from_secs(1));
    assert_wait(&clock, narrow, 3, Duration::from_secs(4));
}
