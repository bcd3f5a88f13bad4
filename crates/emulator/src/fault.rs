//! A fault: the calls that it affects, its effect, and how often it is injected.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::operation::Operation;

/// The effect of a fault. For connection drops and errors, "before" means that the
/// operation is not executed; "after" means that it is executed and its response is lost.
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
    /// The operation is executed after a delay, even if the client has disconnected by then.
    SlowBefore,
    /// The operation is executed immediately, and the response is sent after a delay.
    SlowAfter,
    /// The operation is executed immediately, and the response is sent when all faults are
    /// removed.
    Hold,
    /// The operation is executed. The body is shorter than `content-length`, and the
    /// connection closes.
    Truncate,
    /// The operation is executed. The body lacks its last byte, so it is not valid JSON.
    Garbage,
    /// The error that [`Fault::error`] names; nothing is executed.
    Error,
}

impl FaultKind {
    /// Returns whether the operation is executed.
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
    /// The affected operation. If absent, all operations.
    pub(crate) operation: Option<Operation>,
    /// The last part of an ARN. If absent, calls about all resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resource: Option<String>,
    pub(crate) kind: FaultKind,
    /// The probability that a call is affected, 0 to 1. If it and `count` are absent, every
    /// call is affected.
    pub(crate) probability: Option<f64>,
    /// The number of further calls that the fault affects.
    pub(crate) count: Option<u64>,
    /// The delay before the execution for `slow_before`, before the response for the others.
    #[serde(default)]
    pub(crate) delay_ms: u64,
    /// The error code. Required by `error`, and only valid for it.
    pub(crate) code: Option<String>,
    /// The HTTP status. Required by `error`, and only valid for it.
    pub(crate) status: Option<u16>,
    /// The text of the error. Only valid for `error`.
    pub(crate) message: Option<String>,
    /// The `Retry-After` header, in seconds. Only valid for `error`.
    pub(crate) retry_after: Option<u32>,
}

impl Fault {
    /// Returns a fault that affects every call of every operation. The slow kinds also
    /// require [`Fault::delayed`]. For [`FaultKind::Error`], use [`Fault::error`].
    #[must_use]
    pub fn new(kind: FaultKind) -> Self {
        Self {
            operation: None,
            resource: None,
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

    /// Returns a fault that responds with this status (400 to 599) and error code, without
    /// an execution.
    #[must_use]
    pub fn error(status: u16, code: impl Into<String>) -> Self {
        Self { code: Some(code.into()), status: Some(status), ..Self::new(FaultKind::Error) }
    }

    /// Limits the fault to the calls of one operation.
    #[must_use]
    pub fn on(self, operation: Operation) -> Self {
        Self { operation: Some(operation), ..self }
    }

    /// Limits the fault to the calls that name this ARN.
    #[must_use]
    pub fn about(self, arn: &str) -> Self {
        let resource = arn.rsplit('/').next().unwrap_or(arn).to_owned();
        Self { resource: Some(resource), ..self }
    }

    /// Limits the fault to the next `count` calls.
    #[must_use]
    pub fn times(self, count: u64) -> Self {
        Self { count: Some(count), ..self }
    }

    /// Limits the fault to a random part of the calls: each is affected with this
    /// probability, 0 to 1. It cannot be combined with [`Fault::times`].
    #[must_use]
    pub fn with_probability(self, probability: f64) -> Self {
        Self { probability: Some(probability), ..self }
    }

    /// Delays the execution for [`FaultKind::SlowBefore`], and the response for all other
    /// kinds.
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

    /// Checks the keys against each other and their ranges.
    ///
    /// # Errors
    /// Names the invalid key and its rule.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if self.resource.as_deref() == Some("") {
            return Err("`resource` is empty; use the last part of an ARN");
        }
        if self.probability.is_some() && self.count.is_some() {
            return Err("`probability` and `count` are both set; use one of them");
        }
        if self.probability.is_some_and(|probability| !(0.0..=1.0).contains(&probability)) {
            return Err("`probability` is out of range; use 0 to 1");
        }
        let slow = matches!(self.kind, FaultKind::SlowBefore | FaultKind::SlowAfter);
        if slow && self.delay_ms == 0 {
            return Err("`delay_ms` is missing or 0; a slow fault requires at least 1");
        }
        if self.kind != FaultKind::Error {
            let has_error_keys =
                self.code.is_some() || self.status.is_some() || self.message.is_some();
            return if has_error_keys || self.retry_after.is_some() {
                Err(
                    "`code`, `status`, `message` and `retry_after` are only valid for the kind `error`",
                )
            } else {
                Ok(())
            };
        }
        let is_valid_code = |code: &String| {
            (1..=128).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        if !self.code.as_ref().is_some_and(is_valid_code) {
            return Err("`code` is missing or invalid; use 1 to 128 ASCII letters and digits");
        }
        if !self.status.is_some_and(|status| (400..=599).contains(&status)) {
            return Err("`status` is missing or out of range; use 400 to 599");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rejects_invalid_faults() {
        for bad in [
            json!({"kind": "drop_after", "probability": 1.5}),
            json!({"kind": "drop_after", "probability": 0.5, "count": 1}),
            json!({"kind": "drop_after", "resource": ""}),
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
