//! The record of executed calls and of received responses, and the invariants that hold at
//! every moment.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

use crate::{plan::TENANTS, trace::Trace};

/// A promise of the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// AWS executes at most one create for each tenant and `request_id`.
    OneCreate,
    /// At most one configuration for each tenant and `request_id` is left in the end.
    OneConfiguration,
    /// The gateway does not delete a configuration whose stream key a caller received, unless a
    /// caller deletes it.
    KeyStaysValid,
    /// All responses for a `request_id` have the same configuration and stream key.
    SameResponse,
    /// A configuration whose delete was confirmed does not exist.
    DeletedStaysDeleted,
    /// A final error means that no configuration exists.
    ErrorsAreTrue,
    /// A tenant can read, list and delete every configuration of its own.
    Reachable,
    /// Quota use is the number of configurations at AWS.
    QuotaIsTrue,
    /// A tenant has at most as many configurations as its quota allows.
    Limit,
    /// Everything in doubt is resolved after the faults.
    Resolved,
    /// An outcome that a caller received is in the ledger while the disk works.
    Recorded,
    /// AWS never has to throttle.
    Rate,
    /// No stream key is in the log.
    Secrets,
    /// A second process cannot open the ledger.
    OneProcess,
    /// Each caller has an outcome in the end.
    Outcome,
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The promise.
    pub invariant: Invariant,
    /// The events that break it.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.invariant, self.detail)
    }
}

/// A tenant and a `request_id`.
pub type RequestKey = (String, String);

/// A configuration that AWS created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Creation {
    /// Its tenant and `request_id`, from its tags.
    pub request: RequestKey,
    /// Its stream key.
    pub stream_key: String,
    /// Whether it was deleted since.
    pub is_deleted: bool,
}

/// The history of a run. Clones share it.
#[derive(Clone)]
pub struct History(Arc<Mutex<Events>>, Trace);

#[derive(Default)]
struct Events {
    created: BTreeMap<String, Creation>,
    /// The configurations that callers received.
    returned: BTreeMap<RequestKey, String>,
    /// The configurations that callers received, without those of a replaced response.
    received: BTreeSet<String>,
    deletes_begun: BTreeSet<String>,
    deletes_confirmed: BTreeMap<String, Instant>,
    create_calls: u64,
    violations: Vec<Violation>,
}

impl History {
    /// Returns an empty history. Violations are events of the trace.
    #[must_use]
    pub fn new(trace: Trace) -> Self {
        Self(Arc::default(), trace)
    }

    /// Records a violation.
    pub fn violated(&self, invariant: Invariant, detail: impl Into<String>) {
        let violation = Violation { invariant, detail: detail.into() };
        self.1.add(format_args!("VIOLATION {violation}"));
        self.lock().violations.push(violation);
    }

    /// A caller sends a create to the gateway.
    pub fn create_called(&self) {
        self.lock().create_calls += 1;
    }

    /// Returns the number of creates that callers have sent, with their repetitions.
    #[must_use]
    pub fn create_calls(&self) -> u64 {
        self.lock().create_calls
    }

    /// AWS executed a create.
    pub fn created(&self, arn: String, request: RequestKey, stream_key: String) {
        let mut events = self.lock();
        let earlier = events.created.iter().find(|(_, it)| it.request == request);
        let earlier = earlier.map(|(arn, _)| arn.clone());
        let detail = format!("{request:?} was created as {earlier:?} and as {arn}");
        let tenant = request.0.clone();
        let creation = Creation { request, stream_key, is_deleted: false };
        events.created.insert(arn, creation);
        let of_tenant = |it: &&Creation| it.request.0 == tenant && !it.is_deleted;
        let count = events.created.values().filter(of_tenant).count();
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
        let Some(creation) = events.created.get_mut(arn) else { return };
        creation.is_deleted = true;
        let request = creation.request.clone();
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
        let exists = events.created.get(arn).is_some_and(|it| !it.is_deleted);
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
        self.lock().created.get(arn).is_some_and(|it| !it.is_deleted)
    }

    /// Returns the configurations that exist, by ARN.
    #[must_use]
    pub fn existing(&self) -> BTreeMap<String, Creation> {
        let events = self.lock();
        let existing = events.created.iter().filter(|(_, it)| !it.is_deleted);
        existing.map(|(arn, it)| (arn.clone(), it.clone())).collect()
    }

    /// Returns the number of executed creates.
    #[must_use]
    pub fn creations(&self) -> usize {
        self.lock().created.len()
    }

    /// Returns the configurations that callers received and did not ask to delete.
    #[must_use]
    pub fn kept(&self) -> BTreeSet<String> {
        let events = self.lock();
        events.received.difference(&events.deletes_begun).cloned().collect()
    }

    /// Returns the violations so far.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        self.lock().violations.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Events> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
