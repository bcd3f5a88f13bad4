//! The calls of the callers, the responses that they received, and the invariants of those.

use std::collections::BTreeSet;

use invariants::{Configuration, Invariant, Received, RequestKey};
use tokio::time::Instant;

use super::History;

impl History {
    /// A caller received the confirmation of an update.
    pub fn update_confirmed(&self, arn: &str) {
        if !self.lock().updated.contains(arn) {
            self.violated(Invariant::UpdateIsDone, format!("the update of {arn}"));
        }
    }

    /// A caller sends a create to the gateway. It waits for nothing but AWS's rate if
    /// `only_paced`.
    pub fn create_called(&self, request: &RequestKey, only_paced: bool) -> Waiting {
        let mut events = self.lock();
        events.create_calls += 1;
        events.rejected.remove(request);
        let is_waiting = only_paced && events.shares.waits(request);
        drop(events);
        Waiting(is_waiting.then(|| (self.clone(), request.clone())))
    }

    /// The gateway sends a create to AWS. It awaits the response until the returned value is
    /// dropped.
    pub fn create_sent(&self, request: RequestKey) -> AtAws {
        let unfair = self.lock().shares.sent(&request);
        if let Some(detail) = unfair {
            self.violated(Invariant::Fairness, detail);
        }
        AtAws(self.clone(), request)
    }

    /// A call of a caller that began at `began` has an outcome.
    pub fn call_ended(&self, what: &str, began: Instant) {
        let mut events = self.lock();
        let Some(faults_ended) = events.faults_ended else { return };
        let took = began.max(faults_ended).elapsed();
        events.longest_call = events.longest_call.max(took);
        drop(events);
        if took > self.call_limit {
            self.violated(Invariant::Liveness, format!("{what} took {took:?} after the faults"));
        }
    }

    /// The last response for a request was a final error: no configuration may exist.
    pub fn rejected_finally(&self, request: &RequestKey, reason: &str) {
        let mut events = self.lock();
        let exists = |it: &&Configuration| {
            // A delete that runs concurrently makes the error true.
            it.request == *request && !events.deletes_begun.contains(&it.arn)
        };
        let found = events.existing().find(exists).map(|it| it.arn.clone());
        if found.is_none() {
            events.rejected.insert(request.clone());
        }
        drop(events);
        if let Some(arn) = found {
            let detail = format!("{request:?} was rejected with {reason}, and {arn} exists");
            self.violated(Invariant::ErrorsAreTrue, detail);
        }
    }

    /// Returns the configurations that callers of the tenant have received and kept.
    #[must_use]
    pub fn kept_by(&self, tenant: &str) -> BTreeSet<String> {
        let kept = self.kept().into_iter().filter(|it| it.request.0 == tenant);
        kept.map(|it| it.arn).collect()
    }

    /// A tenant saw these configurations in a list that began at `began`, when it had received and
    /// kept `before`.
    pub fn listed(
        &self,
        tenant: &str,
        arns: &BTreeSet<String>,
        before: &BTreeSet<String>,
        began: Instant,
    ) {
        let events = self.lock();
        let mut findings = Vec::new();
        for arn in arns {
            let owner = events.created.get(arn).map(|it| &it.request.0);
            // The configurations of another account are unknown.
            if let Some(owner) = owner.filter(|owner| *owner != tenant) {
                findings.push((Invariant::Isolation, format!("{tenant} saw {arn} of {owner}")));
            }
            if events.deletes_confirmed.get(arn).is_some_and(|at| *at < began) {
                let detail = format!("{arn} was listed after its delete");
                findings.push((Invariant::DeletedStaysDeleted, detail));
            }
        }
        for arn in before.difference(arns) {
            if events.exists(arn) && !events.deletes_begun.contains(arn) {
                let detail = format!("{arn} exists, and was not listed");
                findings.push((Invariant::Reachable, detail));
            }
        }
        drop(events);
        for (invariant, detail) in findings {
            self.violated(invariant, detail);
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
        let owner = events.created.get(arn).map(|it| it.request.0.clone());
        let (arn_received, stream_key) = (arn.to_owned(), stream_key.to_owned());
        let received = Received { request: request.clone(), arn: arn_received, stream_key };
        events.received.insert(arn.to_owned(), received);
        drop(events);
        if let Some(owner) = owner.filter(|owner| *owner != request.0) {
            let detail = format!("{request:?} received {arn} of {owner}");
            self.violated(Invariant::Isolation, detail);
        }
        if !is_valid {
            let detail = format!("{request:?} received a key that is not the one of {arn}");
            self.violated(Invariant::SameResponse, detail);
        }
        if is_confirmed {
            let detail = format!("{arn} of {request:?} was returned after its delete");
            self.violated(Invariant::DeletedStaysDeleted, detail);
        }
        if let Some(earlier) = earlier.filter(|earlier| earlier != arn) {
            let detail = format!("{request:?} received {earlier}, then {arn}");
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

    /// Returns the configurations that callers received and did not ask to delete.
    #[must_use]
    pub fn kept(&self) -> Vec<Received> {
        let events = self.lock();
        let kept = events.received.values().filter(|it| !events.deletes_begun.contains(&it.arn));
        kept.cloned().collect()
    }

    /// Returns the requests whose last response was a final error.
    #[must_use]
    pub fn rejected(&self) -> Vec<RequestKey> {
        self.lock().rejected.iter().cloned().collect()
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

/// A create whose response the gateway awaits, until this value is dropped.
#[must_use]
pub struct AtAws(History, RequestKey);

impl Drop for AtAws {
    fn drop(&mut self) {
        self.0.lock().shares.answered(&self.1);
    }
}
