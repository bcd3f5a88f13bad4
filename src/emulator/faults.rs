//! Faults to order: what goes wrong with which calls, and how often.

use std::{collections::BTreeMap, time::Duration};

use http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{operation::Operation, random::Draws, wire::ApiError};

/// What a fault does. "Before" means that the operation is not executed, "after"
/// that it is, and that its answer is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// The connection closes; nothing is executed.
    DropBefore,
    /// The connection closes after the execution.
    DropAfter,
    #[serde(rename = "error_500_before")]
    Error500Before,
    #[serde(rename = "error_500_after")]
    Error500After,
    #[serde(rename = "error_503_before")]
    Error503Before,
    /// The execution is late, and happens even if the client has gone by then.
    SlowBefore,
    /// The answer is late.
    SlowAfter,
    /// The answer waits until all faults are removed.
    Hold,
    /// The body is shorter than announced, and the connection closes.
    Truncate,
    /// A success that cannot be parsed.
    Garbage,
    /// The named error; nothing is executed.
    Error,
}

impl Kind {
    /// Whether the operation takes effect.
    pub(super) fn executes(self) -> bool {
        match self {
            Self::DropAfter
            | Self::Error500After
            | Self::SlowBefore
            | Self::SlowAfter
            | Self::Hold
            | Self::Truncate
            | Self::Garbage => true,
            Self::DropBefore | Self::Error500Before | Self::Error503Before | Self::Error => false,
        }
    }
}

/// A fault as the control API takes and shows it. `operation` absent means all of
/// them; `probability` and `count` absent, every call.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fault {
    operation: Option<Operation>,
    kind: Kind,
    /// Of each call, 0 to 1.
    probability: Option<f64>,
    /// The next so many calls.
    count: Option<u64>,
    /// Before the execution for `slow_before`, before the answer for the others.
    #[serde(default)]
    delay_ms: u64,
    /// For `error` alone, and needed there.
    code: Option<String>,
    status: Option<u16>,
    message: Option<String>,
    /// For `error`: seconds, as a `Retry-After` header.
    retry_after: Option<u32>,
}

/// What is to go wrong with one call.
pub(super) struct Planned {
    pub(super) kind: Kind,
    pub(super) delay: Duration,
    /// Changes when the faults are removed.
    pub(super) removed: watch::Receiver<()>,
    /// The answer in place of the operation's own.
    pub(super) error: Option<ApiError>,
}

impl Fault {
    /// # Errors
    /// The key that cannot be as it is, and why.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if self.probability.is_some() && self.count.is_some() {
            return Err("`probability` and `count` exclude each other");
        }
        if self.probability.is_some_and(|probability| !(0.0..=1.0).contains(&probability)) {
            return Err("`probability` is 0 to 1");
        }
        let slow = matches!(self.kind, Kind::SlowBefore | Kind::SlowAfter);
        if slow && self.delay_ms == 0 {
            return Err("`delay_ms` is needed for a slow fault");
        }
        if self.kind != Kind::Error {
            let named = self.code.is_some() || self.status.is_some() || self.message.is_some();
            return if named || self.retry_after.is_some() {
                Err("`code`, `status`, `message` and `retry_after` are for the kind `error`")
            } else {
                Ok(())
            };
        }
        let code_fits = |code: &String| {
            (1..=128).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        if !self.code.as_ref().is_some_and(code_fits) {
            return Err("`code` is 1 to 128 letters and digits");
        }
        if !self.status.is_some_and(|status| (400..=599).contains(&status)) {
            return Err("`status` is 400 to 599");
        }
        Ok(())
    }

    fn planned(&self, removed: watch::Receiver<()>) -> Planned {
        let error = match self.kind {
            Kind::Error500Before | Kind::Error500After => Some(ApiError::internal()),
            Kind::Error503Before => Some(ApiError::unavailable()),
            Kind::Error => Some(self.named_error()),
            _ => None,
        };
        let delay = Duration::from_millis(self.delay_ms);
        Planned { kind: self.kind, delay, removed, error }
    }

    fn named_error(&self) -> ApiError {
        let status = self.status.and_then(|status| StatusCode::from_u16(status).ok());
        let message = self.message.clone().unwrap_or_else(|| "A fault made to order.".into());
        let mut error = ApiError::new(
            status.unwrap_or(StatusCode::BAD_REQUEST),
            self.code.clone().unwrap_or_default(),
            message,
        );
        error.retry_after = self.retry_after;
        error
    }
}

/// How many calls of each operation went wrong, and how.
pub(super) type Injected = BTreeMap<Operation, BTreeMap<Kind, u64>>;

/// The active faults, in the order they were added, and what they did so far.
pub(super) struct Faults {
    active: Vec<Fault>,
    injected: Injected,
    draws: Draws,
    removed: watch::Sender<()>,
}

impl Faults {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            active: Vec::new(),
            injected: Injected::new(),
            draws: Draws::new(seed),
            removed: watch::Sender::new(()),
        }
    }

    pub(super) fn add(&mut self, fault: Fault) {
        self.active.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.active.clear();
        self.removed.send_replace(());
    }

    pub(super) fn active(&self) -> &[Fault] {
        &self.active
    }

    /// What all faults did since the start or the last reset, the cleared ones as well.
    pub(super) fn injected(&self) -> &Injected {
        &self.injected
    }

    pub(super) fn reseed(&mut self, seed: u64) {
        self.draws = Draws::new(seed);
    }

    /// The first fault that applies to this call, if any; a counted one is used up.
    pub(super) fn draw(&mut self, operation: Operation) -> Option<Planned> {
        let draws = &mut self.draws;
        let fault = self.active.iter_mut().find(|fault| {
            if fault.operation.is_some_and(|only| only != operation) {
                return false;
            }
            match (fault.probability, fault.count) {
                (Some(probability), _) => draws.happens(probability),
                (None, Some(left)) => left > 0,
                (None, None) => true,
            }
        })?;
        let planned = fault.planned(self.removed.subscribe());
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
    fn the_first_that_applies_wins_and_counts_run_out() {
        let mut faults = Faults::new(1);
        faults.add(fault(json!({"operation": "GetStage", "kind": "drop_before", "count": 2})));
        faults.add(fault(json!({"kind": "garbage", "count": 2})));
        let mut kind = |operation| faults.draw(operation).map(|planned| planned.kind);
        assert_eq!(kind(Operation::GetStage), Some(Kind::DropBefore));
        assert_eq!(kind(Operation::CreateStage), Some(Kind::Garbage));
        assert_eq!(kind(Operation::GetStage), Some(Kind::DropBefore));
        assert_eq!(kind(Operation::GetStage), Some(Kind::Garbage));
        assert_eq!(kind(Operation::GetStage), None);
        assert!(faults.active().is_empty());
        let injected = json!({
            "CreateStage": {"garbage": 1},
            "GetStage": {"drop_before": 2, "garbage": 1},
        });
        assert_eq!(json!(faults.injected()), injected);
    }

    #[test]
    fn refuses_what_makes_no_sense() {
        for bad in [
            json!({"kind": "drop_after", "probability": 1.5}),
            json!({"kind": "drop_after", "probability": 0.5, "count": 1}),
            json!({"kind": "slow_before"}),
            json!({"kind": "error", "status": 403}),
            json!({"kind": "error", "code": "Nope", "status": 200}),
            json!({"kind": "error", "code": "No\r\nNo", "status": 400}),
            json!({"kind": "garbage", "code": "Nope"}),
        ] {
            let fault: Fault = serde_json::from_value(bad.clone()).unwrap();
            assert!(fault.check().is_err(), "{bad}");
        }
        let error = serde_json::from_value::<Fault>(json!({"kind": "garbage", "chance": 1}));
        assert!(error.unwrap_err().to_string().contains("`chance`"));
    }
}
