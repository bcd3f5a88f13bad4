//! The record of executed calls and of received responses, and the invariants that hold at
//! every moment.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use invariants::{Configuration, Invariant, Received, RequestKey, Violation};
use tokio::time::Instant;

use crate::{
    fairness::Shares,
    plan::{Fault, Plan, TENANTS},
    trace::Trace,
};

/// The longest time until a call has an outcome, once no fault begins any more and if the clock
/// has no steps: the time after which an absent create is sent again, the lists that prove it,
/// and the callers' delays.
const LONGEST_CALL: Duration = Duration::from_mins(3);

/// The history of a run. Clones share it.
#[derive(Clone)]
pub struct History {
    events: Arc<Mutex<Events>>,
    trace: Trace,
    faults_end: Instant,
    /// The longest time until a call has an outcome after the faults.
    longest_call: Duration,
}

#[derive(Default)]
struct Events {
    /// The configurations that AWS created, by ARN.
    created: BTreeMap<String, Configuration>,
    deleted: BTreeSet<String>,
    /// The configurations that callers received.
    returned: BTreeMap<RequestKey, String>,
    /// The configurations that callers received, without those of a replaced response.
    received: BTreeSet<String>,
    deletes_begun: BTreeSet<String>,
    deletes_confirmed: BTreeMap<String, Instant>,
    create_calls: u64,
    shares: Shares,
    longest_call: Duration,
    violations: Vec<Violation>,
}

impl Events {
    fn exists(&self, arn: &str) -> bool {
        self.created.contains_key(arn) && !self.deleted.contains(arn)
    }

    fn existing(&self) -> impl Iterator<Item = &Configuration> {
        self.created.values().filter(|it| !self.deleted.contains(&it.arn))
    }
}

impl History {
    /// Returns an empty history of the plan. Violations are events of the trace.
    #[must_use]
    pub fn new(plan: &Plan, trace: Trace) -> Self {
        let faults_end = trace.began() + plan.faults_end;
        let steps = plan.faults.iter().map(|fault| match fault {
            Fault::ClockStep { by_ms, .. } => Duration::from_millis(by_ms.unsigned_abs()),
            _ => Duration::ZERO,
        });
        // A create is as much younger as the clock was set back since it was sent.
        let longest_call = LONGEST_CALL + steps.sum::<Duration>();
        Self { events: Arc::default(), trace, faults_end, longest_call }
    }

    /// Records a violation.
    pub fn violated(&self, invariant: Invariant, detail: impl Into<String>) {
        let violation = Violation { invariant, detail: detail.into() };
        self.trace.add(format_args!("VIOLATION {violation}"));
        self.lock().violations.push(violation);
    }

    /// A caller sends a create to the gateway. It waits for nothing but AWS's rate if
    /// `only_paced`.
    pub fn create_called(&self, request: &RequestKey, only_paced: bool) -> Waiting {
        let mut events = self.lock();
        events.create_calls += 1;
        let is_waiting = only_paced && events.shares.waits(request);
        drop(events);
        Waiting(is_waiting.then(|| (self.clone(), request.clone())))
    }

    /// The gateway sends a create to AWS.
    pub fn create_sent(&self, request: &RequestKey) {
        let unfair = self.lock().shares.sent(request);
        if let Some(detail) = unfair {
            self.violated(Invariant::Fairness, detail);
        }
    }

    /// A call of a caller that began at `began` has an outcome.
    pub fn call_ended(&self, what: &str, began: Instant) {
        let took = began.max(self.faults_end).elapsed();
        let mut events = self.lock();
        events.longest_call = events.longest_call.max(took);
        drop(events);
        if took > self.longest_call {
            self.violated(Invariant::Liveness, format!("{what} took {took:?} without a fault"));
        }
    }

    /// Returns the longest time from the end of the faults until a call had an outcome.
    #[must_use]
    pub fn longest_call(&self) -> Duration {
        self.lock().longest_call
    }

    /// Returns the largest difference of the shares of two tenants that waited at the same time.
    #[must_use]
    pub fn largest_difference(&self) -> f64 {
        self.lock().shares.largest_difference()
    }

    /// Returns the number of creates that callers have sent, with their repetitions.
    #[must_use]
    pub fn create_calls(&self) -> u64 {
        self.lock().create_calls
    }

    /// AWS executed a create.
    pub fn created(&self, configuration: Configuration) {
        let mut events = self.lock();
        let Configuration { arn, request, .. } = &configuration;
        let earlier = events.created.values().find(|it| it.request == *request);
        let earlier = earlier.map(|it| it.arn.clone());
        let detail = format!("{request:?} was created as {earlier:?} and as {arn}");
        let tenant = request.0.clone();
        events.created.insert(arn.clone(), configuration);
        let count = events.existing().filter(|it| it.request.0 == tenant).count();
        drop(events);
        if earlier.is_some() {
            self.violated(Invariant::OneCreate, detail);
        }
        let quota = TENANTS.iter().find(|it| it.id == tenant).map(|it| it.quota as usize);
        if let Some(quota) = quota.filter(|quota| count > *quota) {
            let detail = format!("{tenant} has {count} configurations, and a quota of {quota}");
            self.violated(Invariant::Limit, detail);
        }
    }

    /// AWS executed a delete.
    pub fn deleted(&self, arn: &str) {
        let mut events = self.lock();
        let Some(configuration) = events.created.get(arn) else { return };
        let request = configuration.request.clone();
        events.deleted.insert(arn.to_owned());
        let is_wanted = !events.received.contains(arn) || events.deletes_begun.contains(arn);
        drop(events);
        if !is_wanted {
            let detail = format!("{arn} of {request:?} was deleted, and a caller has its key");
            self.violated(Invariant::KeyStaysValid, detail);
        }
    }

    /// A caller received a configuration in response to a call that began at `began`. A call
    /// that runs while the configuration is deleted may still return it.
    pub fn returned(&self, request: &RequestKey, arn: &str, stream_key: &str, began: Instant) {
        let mut events = self.lock();
        let is_confirmed = events.deletes_confirmed.get(arn).is_some_and(|at| *at < began);
        let is_valid = events
            .created
            .get(arn)
            .is_some_and(|it| it.stream_key == stream_key && it.request == *request);
        let earlier = events.returned.insert(request.clone(), arn.to_owned());
        events.received.insert(arn.to_owned());
        drop(events);
        if !is_valid {
            self.violated(Invariant::SameResponse, format!("{request:?} has not the key of {arn}"));
        }
        if is_confirmed {
            let detail = format!("{arn} of {request:?} was returned after its delete");
            self.violated(Invariant::DeletedStaysDeleted, detail);
        }
        if let Some(earlier) = earlier.filter(|earlier| earlier != arn) {
            let detail = format!("{request:?} was answered {earlier}, then {arn}");
            self.violated(Invariant::SameResponse, detail);
        }
    }

    /// A caller asks for a delete.
    pub fn delete_begun(&self, arn: &str) {
        self.lock().deletes_begun.insert(arn.to_owned());
    }

    /// A caller received the confirmation of a delete.
    pub fn delete_confirmed(&self, arn: &str) {
        let mut events = self.lock();
        events.deletes_confirmed.insert(arn.to_owned(), Instant::now());
        let exists = events.exists(arn);
        drop(events);
        if exists {
            let detail = format!("the delete of {arn} was confirmed, and it exists");
            self.violated(Invariant::DeletedStaysDeleted, detail);
        }
    }

    /// Whether a caller has asked for the delete of the configuration.
    #[must_use]
    pub fn is_delete_begun(&self, arn: &str) -> bool {
        self.lock().deletes_begun.contains(arn)
    }

    /// Whether the configuration exists at AWS.
    #[must_use]
    pub fn exists(&self, arn: &str) -> bool {
        self.lock().exists(arn)
    }

    /// Returns the configurations that exist.
    #[must_use]
    pub fn existing(&self) -> Vec<Configuration> {
        self.lock().existing().cloned().collect()
    }

    /// Returns the number of executed creates.
    #[must_use]
    pub fn creations(&self) -> usize {
        self.lock().created.len()
    }

    /// Returns the configurations that callers received and did not ask to delete.
    #[must_use]
    pub fn kept(&self) -> Vec<Received> {
        let events = self.lock();
        let kept = events.received.difference(&events.deletes_begun);
        kept.map(|arn| {
            let stream_key = events.created.get(arn).map(|it| it.stream_key.clone());
            Received { arn: arn.clone(), stream_key: stream_key.unwrap_or_default() }
        })
        .collect()
    }

    /// Returns the violations so far.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        self.lock().violations.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Events> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A create that waits in the gateway for AWS's rate, until this value is dropped.
#[must_use]
pub struct Waiting(Option<(History, RequestKey)>);

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some((history, request)) = &self.0 {
            history.lock().shares.waits_no_more(request);
        }
    }
}
