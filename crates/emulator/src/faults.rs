//! The active faults, and the number of injections by operation and kind.

use std::{collections::BTreeMap, time::Duration};

use http::StatusCode;
use tokio::sync::watch;

use crate::{
    fault::{Fault, FaultKind},
    operation::Operation,
    random::Draws,
    wire::ApiError,
};

/// The fault that is injected into one call.
pub(crate) struct PlannedFault {
    pub(crate) kind: FaultKind,
    pub(crate) delay: Duration,
    /// Notifies of the removal of all faults.
    pub(crate) removed: watch::Receiver<()>,
    /// The error to respond with instead of the operation's own response.
    pub(crate) error: Option<ApiError>,
}

impl PlannedFault {
    fn new(fault: &Fault, removed: watch::Receiver<()>) -> Self {
        let error = match fault.kind {
            FaultKind::Error500Before | FaultKind::Error500After => Some(ApiError::internal()),
            FaultKind::Error503Before => Some(ApiError::unavailable()),
            FaultKind::Error => Some(named_error(fault)),
            _ => None,
        };
        let delay = Duration::from_millis(fault.delay_ms);
        Self { kind: fault.kind, delay, removed, error }
    }
}

fn named_error(fault: &Fault) -> ApiError {
    let status = fault.status.and_then(|status| StatusCode::from_u16(status).ok());
    let message = fault.message.clone().unwrap_or_else(|| "An injected fault.".into());
    let mut error = ApiError::new(
        status.unwrap_or(StatusCode::BAD_REQUEST),
        fault.code.clone().unwrap_or_default(),
        message,
    );
    error.retry_after = fault.retry_after;
    error
}

/// The number of injections by operation and kind.
pub(crate) type Injected = BTreeMap<Operation, BTreeMap<FaultKind, u64>>;

/// The active faults, in the order in which they were added, and the number of injections.
pub(crate) struct Faults {
    active: Vec<Fault>,
    injected: Injected,
    draws: Draws,
    removed: watch::Sender<()>,
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            active: Vec::new(),
            injected: Injected::new(),
            draws: Draws::new(seed),
            removed: watch::Sender::new(()),
        }
    }

    pub(crate) fn add(&mut self, fault: Fault) {
        self.active.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.active.clear();
        self.removed.send_replace(());
    }

    pub(crate) fn active(&self) -> &[Fault] {
        &self.active
    }

    /// Returns the number of injections since the start or the last reset, including those
    /// of removed faults.
    pub(crate) fn injected(&self) -> &Injected {
        &self.injected
    }

    pub(crate) fn reseed(&mut self, seed: u64) {
        self.draws = Draws::new(seed);
    }

    /// Returns the first fault that applies to this call, and decrements its `count`. `names`
    /// returns whether the call names a resource.
    pub(crate) fn draw(
        &mut self,
        operation: Operation,
        names: impl Fn(&str) -> bool,
    ) -> Option<PlannedFault> {
        let draws = &mut self.draws;
        let fault = self.active.iter_mut().find(|fault| {
            if fault.operation.is_some_and(|only| only != operation)
                || fault.resource.as_ref().is_some_and(|only| !names(only))
            {
                return false;
            }
            match (fault.probability, fault.count) {
                (Some(probability), _) => draws.happens(probability),
                (None, Some(left)) => left > 0,
                (None, None) => true,
            }
        })?;
        let planned = PlannedFault::new(fault, self.removed.subscribe());
        *self.injected.entry(operation).or_default().entry(planned.kind).or_default() += 1;
        if let Some(left) = &mut fault.count {
            *left -= 1;
            self.active.retain(|fault| fault.count != Some(0));
        }
        Some(planned)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn fault(text: Value) -> Fault {
        let fault: Fault = serde_json::from_value(text).unwrap();
        fault.check().unwrap();
        fault
    }

    #[test]
    fn a_call_gets_the_first_fault_that_applies_and_counts_run_out() {
        let mut faults = Faults::new(1);
        faults.add(fault(json!({"operation": "GetStage", "kind": "drop_before", "count": 2})));
        faults.add(fault(json!({"kind": "garbage", "count": 2})));
        let mut kind = |operation| faults.draw(operation, |_| true).map(|planned| planned.kind);
        assert_eq!(kind(Operation::GetStage), Some(FaultKind::DropBefore));
        assert_eq!(kind(Operation::CreateStage), Some(FaultKind::Garbage));
        assert_eq!(kind(Operation::GetStage), Some(FaultKind::DropBefore));
        assert_eq!(kind(Operation::GetStage), Some(FaultKind::Garbage));
        assert_eq!(kind(Operation::GetStage), None);
        assert!(faults.active().is_empty());
        let injected = json!({
            "CreateStage": {"garbage": 1},
            "GetStage": {"drop_before": 2, "garbage": 1},
        });
        assert_eq!(json!(faults.injected()), injected);
    }

    #[test]
    fn a_fault_about_a_resource_affects_only_the_calls_that_name_it() {
        let mut faults = Faults::new(1);
        faults.add(Fault::new(FaultKind::DropAfter).about("arn:aws:ivs:r:1:stage/abc"));
        let mut has_fault = |named: &str| {
            faults.draw(Operation::GetStage, |resource| named.contains(resource)).is_some()
        };
        assert!(has_fault("/x/abc") && !has_fault("/x/abd"));
    }
}
