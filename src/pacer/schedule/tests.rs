use std::time::Duration;

use super::*;

mod admissions;
mod order;
mod predictions;

const TERMS: Terms = Terms { weight: 1, max_queued: 10, max_in_flight: 100 };

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn id(name: &str) -> FlowId {
    FlowId::Caller(name.into())
}

fn flow(name: &str, terms: Terms) -> Flow {
    Flow { id: id(name), terms }
}

const fn queue_full(predicted_wait: Duration) -> Rejection {
    Rejection { cause: RejectionCause::QueueFull, predicted_wait }
}

const fn too_late(predicted_wait: Duration) -> Rejection {
    Rejection { cause: RejectionCause::DeadlineTooShort, predicted_wait }
}

/// A schedule of 5 calls a second, and the time.
struct Clock {
    schedule: Schedule<String>,
    start: Instant,
    now: Instant,
}

impl Clock {
    fn new() -> Self {
        let start = Instant::now();
        Self { schedule: Schedule::new(Budget::new(5.0, start), start), start, now: start }
    }

    fn admit(&mut self, name: &str, terms: Terms, within: Duration) -> Result<(), Rejection> {
        self.schedule.admit(&flow(name, terms), self.now + within, self.now)
    }

    fn join(&mut self, name: &str, payload: &str) -> EntryId {
        self.join_under(name, TERMS, payload)
    }

    fn join_under(&mut self, name: &str, terms: Terms, payload: &str) -> EntryId {
        self.admit(name, terms, Duration::from_mins(1)).unwrap();
        let deadline = Some(self.now + Duration::from_mins(1));
        self.schedule.join(&id(name), deadline, QueueEnd::Back, payload.to_owned(), self.now)
    }

    fn join_own(&mut self, payload: &str) {
        self.schedule.join(&FlowId::Internal, None, QueueEnd::Back, payload.to_owned(), self.now);
    }

    /// Returns the calls that are granted now.
    fn goes(&mut self) -> Vec<String> {
        let next = std::iter::from_fn(|| self.schedule.next(self.now));
        next.map(|next| match next {
            Decision::Grant(payload) => payload,
            Decision::Reject(payload, _) => format!("{payload} is too late"),
        })
        .collect()
    }

    /// Returns the calls that are granted in that time, in order.
    fn goes_within(&mut self, time: Duration) -> Vec<String> {
        let end = self.now + time;
        let mut gone = self.goes();
        while let Some(at) = self.schedule.wakes_at().filter(|at| *at <= end) {
            self.now = at;
            gone.extend(self.goes());
        }
        self.now = end;
        gone
    }

    fn ends(&mut self, name: &str, outcome: Outcome) {
        self.schedule.ended(&id(name), self.now, outcome, self.now);
    }
}

#[test]
fn the_first_call_goes_immediately_and_the_next_ones_at_even_distances() {
    let mut clock = Clock::new();
    for call in ["1", "2", "3"] {
        clock.join("a", call);
    }
    assert_eq!(clock.goes(), ["1"]);
    assert_eq!(clock.schedule.wakes_at(), Some(clock.start + ms(200)));
    assert!(clock.goes_within(ms(199)).is_empty());
    assert_eq!(clock.goes_within(ms(1)), ["2"]);
    assert_eq!(clock.goes_within(ms(200)), ["3"]);
    assert_eq!(clock.schedule.wakes_at(), None);
}

#[test]
fn flows_are_served_by_weight_and_each_in_order() {
    let mut clock = Clock::new();
    let heavy = Terms { weight: 2, ..TERMS };
    for call in ["a1", "a2", "a3"] {
        clock.join("a", call);
    }
    for call in ["b1", "b2", "b3", "b4", "b5", "b6"] {
        clock.join_under("b", heavy, call);
    }
    let order = clock.goes_within(Duration::from_secs(2));
    assert_eq!(order, ["a1", "b1", "b2", "a2", "b3", "b4", "a3", "b5", "b6"]);
}

#[test]
fn an_unused_share_is_neither_saved_nor_charged() {
    let mut clock = Clock::new();
    // For a minute only one flow has calls.
    for _ in 0..300 {
        clock.join("a", "a");
        clock.goes_within(ms(200));
        clock.ends("a", Outcome::Completed);
    }
    for call in ["a1", "a2", "a3"] {
        clock.join("a", call);
    }
    for call in ["b1", "b2", "b3"] {
        clock.join("b", call);
    }
    let order = clock.goes_within(Duration::from_secs(2));
    assert_eq!(order, ["a1", "b1", "a2", "b2", "a3", "b3"]);
}

#[test]
fn a_flow_keeps_its_in_flight_bound() {
    let mut clock = Clock::new();
    let terms = Terms { max_in_flight: 1, ..TERMS };
    clock.join_under("a", terms, "a1");
    clock.join_under("a", terms, "a2");
    clock.join("b", "b1");
    assert_eq!(clock.goes_within(Duration::from_secs(1)), ["a1", "b1"]);
    clock.ends("a", Outcome::Completed);
    assert_eq!(clock.goes(), ["a2"]);
}

#[test]
fn a_full_queue_rejects_and_consumes_nothing() {
    let mut clock = Clock::new();
    let terms = Terms { max_queued: 2, ..TERMS };
    for call in ["1", "2", "3"] {
        clock.join_under("a", terms, call);
        clock.goes();
    }
    let minute = Duration::from_mins(1);
    for _ in 0..100 {
        assert_eq!(clock.admit("a", terms, minute), Err(queue_full(ms(600))));
    }
    clock.goes_within(ms(200));
    assert_eq!(clock.admit("a", terms, minute), Ok(()));
}

/// The wait and the latency must fit before the deadline.
#[test]
fn a_call_that_would_be_too_late_is_rejected_immediately_with_its_wait() {
    let mut clock = Clock::new();
    for call in ["1", "2", "3"] {
        clock.join("a", call);
    }
    assert_eq!(clock.goes(), ["1"]);
    // Two calls of a wait. A call of b goes before them, because b has used nothing.
    assert_eq!(clock.admit("a", TERMS, ms(599)), Err(too_late(ms(600))));
    assert_eq!(clock.admit("b", TERMS, ms(199)), Err(too_late(ms(200))));
    assert_eq!(clock.admit("b", TERMS, ms(200)), Ok(()));
    clock.schedule.leave(&id("b"));

    clock.now += ms(50);
    clock.schedule.ended(&id("a"), clock.start, Outcome::Completed, clock.now);
    assert_eq!(clock.admit("b", TERMS, ms(199)), Err(too_late(ms(150))));
    assert_eq!(clock.admit("b", TERMS, ms(200)), Ok(()));
}

/// This holds even if the upstream was slow: otherwise no call would show its recovery.
#[test]
fn a_call_that_need_not_wait_is_not_rejected() {
    let mut clock = Clock::new();
    clock.join("a", "slow");
    clock.goes();
    clock.now += Duration::from_secs(10);
    clock.schedule.ended(&id("a"), clock.start, Outcome::Completed, clock.now);
    assert_eq!(clock.admit("a", TERMS, ms(1)), Ok(()));
}

#[test]
fn a_cancelled_call_takes_no_slot_and_delays_no_other() {
    let mut clock = Clock::new();
    clock.join("a", "a1");
    let second = clock.join("a", "a2");
    clock.join("a", "a3");
    assert_eq!(clock.goes(), ["a1"]);
    assert!(clock.schedule.cancel(&id("a"), second));
    assert!(!clock.schedule.cancel(&id("a"), second));
    assert_eq!(clock.schedule.waiting(&id("a")), 1);
    assert_eq!(clock.goes_within(ms(200)), ["a3"]);
}

#[test]
fn a_slot_that_comes_too_late_is_not_used() {
    let mut clock = Clock::new();
    clock.join("a", "a1");
    clock.goes();
    let deadline = clock.now + ms(250);
    for call in ["a2", "a3"] {
        clock.schedule.state(&flow("a", TERMS), clock.now).admitted += 1;
        clock.schedule.join(&id("a"), Some(deadline), QueueEnd::Back, call.to_owned(), clock.now);
    }
    // A throttle delays the next slot beyond the deadline.
    clock.schedule.ended(&id("a"), clock.now, Outcome::Throttled(Some(ms(300))), clock.now);
    clock.join("b", "b1");
    assert_eq!(clock.goes_within(ms(300)), ["b1"]);
    assert_eq!(clock.goes_within(ms(300)), ["a2 is too late", "a3 is too late"]);
}

#[test]
fn a_throttled_call_goes_again_before_the_others_of_its_flow() {
    let mut clock = Clock::new();
    for call in ["a1", "a2"] {
        clock.join("a", call);
    }
    assert_eq!(clock.goes(), ["a1"]);
    clock.ends("a", Outcome::Throttled(None));
    let deadline = clock.now + Duration::from_mins(1);
    clock.schedule.readmit(&flow("a", TERMS), deadline, clock.now).unwrap();
    let again = "a1 again".to_owned();
    clock.schedule.join(&id("a"), Some(deadline), QueueEnd::Front, again, clock.now);
    assert!(clock.goes().is_empty());
    // At 70 % of 5 a second.
    assert_eq!(clock.goes_within(ms(290)), ["a1 again"]);
    assert_eq!(clock.goes_within(ms(290)), ["a2"]);
    // A call that cannot be repeated in time is rejected.
    let soon = clock.now + ms(100);
    assert!(clock.schedule.readmit(&flow("a", TERMS), soon, clock.now).is_err());
}

#[test]
fn an_unused_permit_goes_to_the_next_call() {
    let mut clock = Clock::new();
    clock.join("a", "a1");
    clock.join("a", "a2");
    assert_eq!(clock.goes(), ["a1"]);
    clock.ends("a", Outcome::NotSent);
    assert_eq!(clock.goes(), ["a2"]);
}

#[test]
fn internal_calls_have_a_tenth_under_load_and_the_rest_otherwise() {
    let mut clock = Clock::new();
    let patient = Terms { max_queued: 100, ..TERMS };
    for _ in 0..100 {
        clock.join_under("a", patient, "a");
        clock.join_own("own");
    }
    let gone = clock.goes_within(Duration::from_secs(10));
    let own = gone.iter().filter(|call| *call == "own").count();
    assert_eq!((gone.len(), own), (51, 5));
    let gone = clock.goes_within(Duration::from_secs(20));
    assert_eq!(gone.len(), 100);
    // No caller waits any more, so internal calls receive every slot.
    let gone = clock.goes_within(Duration::from_secs(10));
    assert!(gone.iter().all(|call| call == "own") && gone.len() == 49, "{gone:?}");
}

/// Otherwise a caller whose calls are admitted and never join would lengthen the predictions
/// of the others.
#[test]
fn a_call_that_never_joins_is_not_expected_again() {
    let mut clock = Clock::new();
    for _ in 0..1000 {
        clock.admit("a", TERMS, Duration::from_mins(1)).unwrap();
        clock.schedule.leave(&id("a"));
        clock.now += ms(10);
    }
    clock.join("b", "b1");
    clock.goes();
    assert_eq!(clock.schedule.predicted_wait(&flow("b", TERMS), 0, clock.now), ms(200));
}

#[test]
fn flows_are_forgotten() {
    let mut clock = Clock::new();
    for tenant in 0..10_000 {
        let name = format!("tenant-{tenant}");
        clock.join(&name, "call");
        clock.goes_within(ms(200));
        clock.ends(&name, Outcome::Completed);
    }
    // Those of the last minutes are remembered, for the prediction.
    assert!(clock.schedule.flows.len() < 1500, "{}", clock.schedule.flows.len());
}
