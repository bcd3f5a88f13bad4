use super::*;
use crate::tenancy::TenantId;

const TERMS: Terms = Terms { weight: 1, max_queued: 10, max_in_flight: 100 };

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn who(name: &str) -> Who {
    Who::Tenant(TenantId::parse(name).unwrap())
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

    fn admit(&mut self, name: &str, terms: Terms, within: Duration) -> Result<(), Refused> {
        self.schedule.admit(&who(name), terms, self.now + within, self.now)
    }

    fn join(&mut self, name: &str, payload: &str) -> EntryId {
        self.join_under(name, TERMS, payload)
    }

    fn join_under(&mut self, name: &str, terms: Terms, payload: &str) -> EntryId {
        self.admit(name, terms, Duration::from_mins(1)).unwrap();
        let deadline = Some(self.now + Duration::from_mins(1));
        self.schedule.join(&who(name), deadline, QueueEnd::Back, payload.to_owned(), self.now)
    }

    fn join_own(&mut self, payload: &str) {
        self.schedule.join(&Who::Gateway, None, QueueEnd::Back, payload.to_owned(), self.now);
    }

    /// What goes now.
    fn goes(&mut self) -> Vec<String> {
        let next = std::iter::from_fn(|| self.schedule.next(self.now));
        next.map(|next| match next {
            Next::Go(payload) => payload,
            Next::TooLate(payload, _) => format!("{payload} is too late"),
        })
        .collect()
    }

    /// What goes in that time, in order.
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

    fn ends(&mut self, name: &str, ended: Ended) {
        self.schedule.ended(&who(name), self.now, ended, self.now);
    }
}

#[test]
fn one_call_goes_at_once_and_the_next_at_even_distances() {
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
fn tenants_take_turns_by_weight_and_each_is_served_in_order() {
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
fn nobody_saves_up_a_share_and_nobody_pays_for_what_none_wanted() {
    let mut clock = Clock::new();
    // For a minute only one wants anything.
    for _ in 0..300 {
        clock.join("a", "a");
        clock.goes_within(ms(200));
        clock.ends("a", Ended::Answered);
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
fn a_tenant_has_no_more_calls_at_aws_than_it_may() {
    let mut clock = Clock::new();
    let terms = Terms { max_in_flight: 1, ..TERMS };
    clock.join_under("a", terms, "a1");
    clock.join_under("a", terms, "a2");
    clock.join("b", "b1");
    assert_eq!(clock.goes_within(Duration::from_secs(1)), ["a1", "b1"]);
    clock.ends("a", Ended::Answered);
    assert_eq!(clock.goes(), ["a2"]);
}

#[test]
fn a_full_queue_refuses_and_takes_nothing() {
    let mut clock = Clock::new();
    let terms = Terms { max_queued: 2, ..TERMS };
    for call in ["1", "2", "3"] {
        clock.join_under("a", terms, call);
        clock.goes();
    }
    let minute = Duration::from_mins(1);
    for _ in 0..100 {
        assert_eq!(clock.admit("a", terms, minute), Err(Refused::QueueFull(ms(600))));
    }
    clock.goes_within(ms(200));
    assert_eq!(clock.admit("a", terms, minute), Ok(()));
}

/// The wait and the time that AWS takes must fit before the deadline.
#[test]
fn who_would_be_too_late_is_told_so_at_once_and_for_how_long() {
    let mut clock = Clock::new();
    for call in ["1", "2", "3"] {
        clock.join("a", call);
    }
    assert_eq!(clock.goes(), ["1"]);
    // Two of a wait, and b, who has had nothing, goes before them.
    assert_eq!(clock.admit("a", TERMS, ms(599)), Err(Refused::TooLate(ms(600))));
    assert_eq!(clock.admit("b", TERMS, ms(199)), Err(Refused::TooLate(ms(200))));
    assert_eq!(clock.admit("b", TERMS, ms(200)), Ok(()));
    clock.schedule.leave(&who("b"));

    clock.now += ms(50);
    clock.schedule.ended(&who("a"), clock.start, Ended::Answered, clock.now);
    assert_eq!(clock.admit("b", TERMS, ms(199)), Err(Refused::TooLate(ms(150))));
    assert_eq!(clock.admit("b", TERMS, ms(200)), Ok(()));
}

/// However slow AWS is: nothing would show that it is quick again.
#[test]
fn who_need_not_wait_is_not_refused() {
    let mut clock = Clock::new();
    clock.join("a", "slow");
    clock.goes();
    clock.now += Duration::from_secs(10);
    clock.schedule.ended(&who("a"), clock.start, Ended::Answered, clock.now);
    assert_eq!(clock.admit("a", TERMS, ms(1)), Ok(()));
}

#[test]
fn who_leaves_takes_no_slot_and_is_not_waited_for() {
    let mut clock = Clock::new();
    clock.join("a", "a1");
    let second = clock.join("a", "a2");
    clock.join("a", "a3");
    assert_eq!(clock.goes(), ["a1"]);
    assert!(clock.schedule.cancel(&who("a"), second));
    assert!(!clock.schedule.cancel(&who("a"), second));
    assert_eq!(clock.schedule.waiting(&who("a")), 1);
    assert_eq!(clock.goes_within(ms(200)), ["a3"]);
}

#[test]
fn a_turn_that_comes_too_late_is_not_spent() {
    let mut clock = Clock::new();
    clock.join("a", "a1");
    clock.goes();
    let deadline = clock.now + ms(250);
    for call in ["a2", "a3"] {
        clock.schedule.flow(&who("a"), TERMS, clock.now).admitted += 1;
        clock.schedule.join(&who("a"), Some(deadline), QueueEnd::Back, call.to_owned(), clock.now);
    }
    // A throttle puts the next turn off beyond the deadline.
    clock.schedule.ended(&who("a"), clock.now, Ended::Throttled(Some(ms(300))), clock.now);
    clock.join("b", "b1");
    assert_eq!(clock.goes_within(ms(300)), ["b1"]);
    assert_eq!(clock.goes_within(ms(300)), ["a2 is too late", "a3 is too late"]);
}

#[test]
fn a_throttled_call_goes_again_before_the_others_of_its_tenant() {
    let mut clock = Clock::new();
    for call in ["a1", "a2"] {
        clock.join("a", call);
    }
    assert_eq!(clock.goes(), ["a1"]);
    clock.ends("a", Ended::Throttled(None));
    let deadline = clock.now + Duration::from_mins(1);
    clock.schedule.readmit(&who("a"), TERMS, deadline, clock.now).unwrap();
    clock.schedule.join(
        &who("a"),
        Some(deadline),
        QueueEnd::Front,
        "a1 again".to_owned(),
        clock.now,
    );
    assert!(clock.goes().is_empty());
    // At 70 % of 5 a second.
    assert_eq!(clock.goes_within(ms(290)), ["a1 again"]);
    assert_eq!(clock.goes_within(ms(290)), ["a2"]);
    // What AWS would not do in time is not tried again.
    let soon = clock.now + ms(100);
    assert!(clock.schedule.readmit(&who("a"), TERMS, soon, clock.now).is_err());
}

#[test]
fn an_unused_turn_is_the_next_ones() {
    let mut clock = Clock::new();
    clock.join("a", "a1");
    clock.join("a", "a2");
    assert_eq!(clock.goes(), ["a1"]);
    clock.ends("a", Ended::Unsent);
    assert_eq!(clock.goes(), ["a2"]);
}

#[test]
fn the_gateway_has_a_tenth_while_callers_want_all_and_the_rest_when_they_do_not() {
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
    // The callers' hundred are gone, and what is left is lent.
    let gone = clock.goes_within(Duration::from_secs(10));
    assert!(gone.iter().all(|call| call == "own") && gone.len() == 49, "{gone:?}");
}

/// Else one who is refused further on, again and again, would make the others' predictions
/// longer.
#[test]
fn who_does_without_a_place_is_not_expected_again() {
    let mut clock = Clock::new();
    for _ in 0..1000 {
        clock.admit("a", TERMS, Duration::from_mins(1)).unwrap();
        clock.schedule.leave(&who("a"));
        clock.now += ms(10);
    }
    clock.join("b", "b1");
    clock.goes();
    assert_eq!(clock.schedule.predicted_wait(&who("b"), TERMS, 0, clock.now), ms(200));
}

#[test]
fn flows_are_forgotten() {
    let mut clock = Clock::new();
    for tenant in 0..10_000 {
        let name = format!("tenant-{tenant}");
        clock.join(&name, "call");
        clock.goes_within(ms(200));
        clock.ends(&name, Ended::Answered);
    }
    // Those of the last minutes are remembered, for the prediction.
    assert!(clock.schedule.flows.len() < 1500, "{}", clock.schedule.flows.len());
}
