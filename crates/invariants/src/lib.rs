//! The promises of the gateway, and the comparison of AWS, the ledger and the callers that
//! shows whether they are kept. The simulator and the campaign against the real binary use it.
//!
//! It does not depend on the gateway, so that a mistake there cannot hide itself here.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

#[cfg(test)]
mod tests;

/// A promise of the gateway. [`FinalState`] checks four of them. The simulator checks the
/// others when a call begins or ends.
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
    /// A final error of a create means that no configuration exists. A rejection by the quota
    /// means that the quota is used, and one because of the stage that it is another tenant's.
    ErrorsAreTrue,
    /// A confirmed update is at AWS.
    UpdateIsDone,
    /// A tenant never gets `NOT_FOUND` for a configuration of its own that exists.
    Reachable,
    /// In the end, the rows that use quota are the configurations at AWS.
    QuotaIsTrue,
    /// A tenant never has more configurations than its quota.
    Limit,
    /// Everything in doubt is resolved, and every call has an outcome, in a bounded time after
    /// the faults.
    Liveness,
    /// After a crash, every configuration that a caller received is in the ledger, while the
    /// disk works.
    Recorded,
    /// AWS never has to throttle: the pacer keeps AWS's rate.
    Rate,
    /// Tenants that wait at the same time get creates in the ratio of their weights.
    Fairness,
    /// A tenant never sees a configuration of another tenant.
    Isolation,
    /// A second process cannot open the ledger.
    OneProcess,
    /// No stream key is in the log or in the trace of a simulation.
    Secrets,
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

/// A configuration that exists at AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    /// Its ARN.
    pub arn: String,
    /// Its stream key.
    pub stream_key: String,
    /// Its tenant and `request_id`, from its tags.
    pub request: RequestKey,
}

/// A row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The tenant and the `request_id`.
    pub request: RequestKey,
    /// The ARN, if one is known.
    pub arn: Option<String>,
    /// The name of the state.
    pub state: String,
}

impl Row {
    /// Whether the row uses quota.
    #[must_use]
    pub fn uses_quota(&self) -> bool {
        !matches!(self.state.as_str(), "deleted" | "rejected")
    }

    /// Whether no task must act on the row.
    #[must_use]
    pub fn is_resolved(&self) -> bool {
        matches!(self.state.as_str(), "live" | "deleted" | "rejected")
    }
}

/// A configuration that a caller received and did not ask to delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The request that it was the response to.
    pub request: RequestKey,
    /// The ARN.
    pub arn: String,
    /// The stream key.
    pub stream_key: String,
}

/// The state of AWS, the ledger and the callers after everything was resolved.
#[derive(Debug, Clone, Copy)]
pub struct FinalState<'a> {
    /// The configurations at AWS.
    pub configurations: &'a [Configuration],
    /// The rows of the ledger.
    pub rows: &'a [Row],
    /// The configurations that callers received and kept.
    pub received: &'a [Received],
    /// The creates whose last response was a final error.
    pub rejected: &'a [RequestKey],
}

impl FinalState<'_> {
    /// Returns the promises that are broken.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        let mut violations = Violations(Vec::new());
        self.check_requests(&mut violations);
        self.check_responses(&mut violations);
        self.check_rows(&mut violations);
        violations.0
    }

    fn check_requests(&self, violations: &mut Violations) {
        let mut arns: BTreeMap<&RequestKey, Vec<&str>> = BTreeMap::new();
        for configuration in self.configurations {
            arns.entry(&configuration.request).or_default().push(&configuration.arn);
        }
        for (request, arns) in &arns {
            for surplus in arns.iter().skip(1) {
                let detail = format!("{request:?} has {surplus} and {}", arns[0]);
                violations.add(Invariant::OneConfiguration, detail);
            }
        }
        for request in self.rejected.iter().collect::<BTreeSet<_>>() {
            if let Some(arns) = arns.get(request) {
                let detail = format!("{request:?} was rejected, and {arns:?} exists");
                violations.add(Invariant::ErrorsAreTrue, detail);
            }
        }
    }

    fn check_responses(&self, violations: &mut Violations) {
        for Received { request, arn, stream_key } in self.received {
            let mut configurations = self.configurations.iter();
            match configurations.find(|configuration| configuration.arn == *arn) {
                Some(it) if it.stream_key == *stream_key && it.request == *request => {}
                found => {
                    let what = found.map_or("does not exist", |_| "has another key or request");
                    violations
                        .add(Invariant::KeyStaysValid, format!("{arn} was returned, and {what}"));
                }
            }
        }
    }

    fn check_rows(&self, violations: &mut Violations) {
        let mut without_row: BTreeMap<&str, &RequestKey> = BTreeMap::new();
        for configuration in self.configurations {
            without_row.insert(&configuration.arn, &configuration.request);
        }
        for row in self.rows {
            if !row.is_resolved() {
                violations.add(Invariant::Liveness, format!("not resolved: {row:?}"));
            }
            if !row.uses_quota() {
                continue;
            }
            // A second configuration of a request has a row with another `request_id`.
            let request = row.arn.as_deref().and_then(|arn| without_row.remove(arn));
            if request.is_none_or(|(tenant, _)| *tenant != row.request.0) {
                violations.add(Invariant::QuotaIsTrue, format!("no configuration has {row:?}"));
            }
        }
        for (arn, request) in without_row {
            violations.add(Invariant::QuotaIsTrue, format!("{arn} of {request:?} uses no quota"));
        }
    }
}

struct Violations(Vec<Violation>);

impl Violations {
    fn add(&mut self, invariant: Invariant, detail: String) {
        self.0.push(Violation { invariant, detail });
    }
}
