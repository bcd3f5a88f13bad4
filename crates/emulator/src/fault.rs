//! One fault: which calls go wrong, how, and how often.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::operation::Operation;

/// The effect of a fault. "Before" means that the operation is not executed, "after"
/// that it is executed and its response lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The connection closes; nothing is executed.
    DropBefore,
    /// The connection closes after the execution.
    DropAfter,
    /// 500, `InternalServerException`; nothing is executed.
    #[serde(rename = "error_500_before")]
    Error500Before,
    /// 500, `InternalServerException`, after the execution.
    #[serde(rename = "error_500_after")]
    Error500After,
    /// 503, `ServiceUnavailableException`; nothing is executed.
    #[serde(rename = "error_503_before")]
    Error503Before,
    /// The execution is late, and happens even if the client has disconnected by then.
    SlowBefore,
    /// The response is late.
    SlowAfter,
    /// The response waits until all faults are removed.
    Hold,
    /// The body is shorter than announced, and the connection closes.
    Truncate,
    /// A success that cannot be parsed.
    Garbage,
    /// The named error; nothing is executed.
    Error,
}

impl FaultKind {
    /// Whether the operation takes effect.
    pub(crate) fn executes(self) -> bool {
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

/// A fault, as the control API reads and returns it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Absent: all operations.
    pub(crate) operation: Option<Operation>,
    pub(crate) kind: FaultKind,
    /// Of each call, 0 to 1. Absent with `count` absent too: every call.
    pub(crate) probability: Option<f64>,
    /// The number of calls that the fault still affects.
    pub(crate) count: Option<u64>,
    /// Before the execution for `slow_before`, before the response for the others.
    #[serde(default)]
    pub(crate) delay_ms: u64,
    /// For `error` only, and required there.
    pub(crate) code: Option<String>,
    pub(crate) status: Option<u16>,
    pub(crate) message: Option<String>,
    /// For `error`: seconds, as a `Retry-After` header.
    pub(crate) retry_after: Option<u32>,
}

impl Fault {
    /// A fault that affects every call of every operation. The slow kinds need
    /// [`Fault::delayed`], and [`FaultKind::Error`] is made by [`Fault::error`].
    #[must_use]
    pub fn new(kind: FaultKind) -> Self {
        Self {
            operation: None,
            kind,
            probability: None,
            count: None,
            delay_ms: 0,
            code: None,
            status: None,
            message: None,
            retry_after: None,
        }
    }

    /// A response with this status (400 to 599) and error code; nothing is executed.
    #[must_use]
    pub fn error(status: u16, code: impl Into<String>) -> Self {
        Self { code: Some(code.into()), status: Some(status), ..Self::new(FaultKind::Error) }
    }

    /// Affects the calls of one operation only.
    #[must_use]
    pub fn on(self, operation: Operation) -> Self {
        Self { operation: Some(operation), ..self }
    }

    /// Affects the next `count` calls only.
    #[must_use]
    pub fn times(self, count: u64) -> Self {
        Self { count: Some(count), ..self }
    }

    /// Affects each call with this probability, 0 to 1. Excludes [`Fault::times`].
    #[must_use]
    pub fn with_probability(self, probability: f64) -> Self {
        Self { probability: Some(probability), ..self }
    }

    /// Delays the execution for [`FaultKind::SlowBefore`], else the response.
    #[must_use]
    pub fn delayed(self, delay: Duration) -> Self {
        Self { delay_ms: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX), ..self }
    }

    /// Sets the message of a [`Fault::error`].
    #[must_use]
    pub fn with_message(self, message: impl Into<String>) -> Self {
        Self { message: Some(message.into()), ..self }
    }

    /// Sets the `Retry-After` header of a [`Fault::error`], in seconds.
    #[must_use]
    pub fn with_retry_after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// # Errors
    /// Names the invalid key and its rule.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if self.probability.is_some() && self.count.is_some() {
            return Err("`probability` and `count` exclude each other");
        }
        if self.probability.is_some_and(|probability| !(0.0..=1.0).contains(&probability)) {
            return Err("`probability` is 0 to 1");
        }
        let slow = matches!(self.kind, FaultKind::SlowBefore | FaultKind::SlowAfter);
        if slow && self.delay_ms == 0 {
            return Err("`delay_ms` is needed for a slow fault");
        }
        if self.kind != FaultKind::Error {
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
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rejects_what_makes_no_sense() {
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
