//! The record of executed calls and of received responses, and the invariants that hold at
//! every moment.

mod responses;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use invariants::{Configuration, Invariant, Received, RequestKey, Violation};
use tokio::time::Instant;

use crate::{
    fairness::Shares,
    plan::{Plan, TENANTS},
    trace::Trace,
};

/// The longest time until a call has an outcome, once no fault begins any more and if the clock
/// has no steps: the time after which an absent create is sent again, the lists that prove it,
/// and the callers' delays.
const LONGEST_CALL: Duration = Duration::from_mins(3);

/// The time after the faults in which a promise may still be broken that heals.
const HEALING: Duration = Duration::from_mins(3);

/// A broken promise of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The promise, and the events that break it.
    pub violation: Violation,
    /// Whether it was broken long after the faults had ended.
    pub is_late: bool,
}

/// The history of a run. Clones share it.
#[derive(Clone)]
pub struct History {
    events: Arc<Mutex<Events>>,
    trace: Trace,
    /// The stages of the tenants, in the order of [`TENANTS`].
    stages: Arc<OnceLock<Vec<String>>>,
    /// The time in which a call must have an outcome after the faults.
    call_limit: Duration,
}

#[derive(Default)]
struct Events {
    /// The configurations that AWS created, by ARN.
    created: BTreeMap<String, Configuration>,
    deleted: BTreeSet<String>,
    /// The last ARN that callers received for each request.
    returned: BTreeMap<RequestKey, String>,
    /// All configurations that callers received, by ARN.
    received: BTreeMap<String, Received>,
    /// The requests whose last response was a final error.
    rejected: BTreeSet<RequestKey>,
    updated: BTreeSet<String>,
    deletes_begun: BTreeSet<String>,
    deletes_confirmed: BTreeMap<String, Instant>,
    create_calls: u64,
    shares: Shares,
    longest_call: Duration,
    faults_ended: Option<Instant>,
    findings: Vec<Finding>,
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
        // A create is as much younger as the clock was set back since it was sent.
        let call_limit = LONGEST_CALL + plan.clock_steps();
        Self { events: Arc::default(), trace, stages: Arc::default(), call_limit }
    }

    /// Sets the stages of the tenants, in the order of [`TENANTS`].
    pub fn set_stages(&self, stages: Vec<String>) {
        let _ = self.stages.set(stages);
    }

    /// AWS created a configuration of the tenant on the stage, if one is named.
    pub fn created_on(&self, tenant: &str, stage_arn: &str) {
        let stages = self.stages.get().map_or(&[][..], Vec::as_slice);
        let owner = stages.iter().position(|stage| stage == stage_arn);
        if let Some(owner) = owner.map(|index| TENANTS[index].id).filter(|owner| *owner != tenant) {
            let detail = format!("{tenant} has a configuration on the stage of {owner}");
            self.violated(Invariant::Isolation, detail);
        }
    }

    /// AWS executed an update.
    pub fn updated(&self, arn: &str) {
        self.lock().updated.insert(arn.to_owned());
    }

    /// Returns a configuration of another tenant that exists.
    #[must_use]
    pub fn foreign(&self, tenant: &str) -> Option<String> {
        let events = self.lock();
        events.existing().find(|it| it.request.0 != tenant).map(|it| it.arn.clone())
    }

    /// No fault begins any more.
    pub fn faults_ended(&self) {
        self.lock().faults_ended = Some(Instant::now());
    }

    /// Records a violation.
    pub fn violated(&self, invariant: Invariant, detail: impl Into<String>) {
        let violation = Violation { invariant, detail: detail.into() };
        self.trace.add(format_args!("VIOLATION {violation}"));
        let mut events = self.lock();
        let is_late = events.faults_ended.is_some_and(|at| at.elapsed() > HEALING);
        events.findings.push(Finding { violation, is_late });
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
        let is_wanted = !events.received.contains_key(arn) || events.deletes_begun.contains(arn);
        drop(events);
        if !is_wanted {
            let detail = format!("{arn} of {request:?} was deleted, and a caller has its key");
            self.violated(Invariant::KeyStaysValid, detail);
        }
    }

    /// Whether the configuration exists at AWS.
    #[must_use]
    pub fn exists(&self, arn: &str) -> bool {
        self.lock().exists(arn)
    }

    /// Returns the number of executed creates.
    #[must_use]
    pub fn creations(&self) -> usize {
        self.lock().created.len()
    }

    /// Records that the rows of these requests are in doubt after a start.
    pub fn are_in_doubt(&self, requests: impl Iterator<Item = RequestKey>) {
        let mut events = self.lock();
        requests.for_each(|request| events.shares.is_in_doubt(request));
    }

    /// Returns the broken promises so far.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        self.lock().findings.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Events> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
