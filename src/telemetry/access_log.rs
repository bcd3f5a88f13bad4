//! The access log: one line for each call.

use std::time::Instant;

use super::call_record::{CallRecord, Known};

/// Reasons that a flood repeats.
const FLOOD_REASONS: [&str; 8] = [
    "TENANT_REQUEST_RATE",
    "TENANT_CREATE_RATE",
    "TENANT_CONCURRENCY",
    "TENANT_QUEUE_FULL",
    "DEADLINE_TOO_SHORT",
    "OVERLOADED",
    "CREDENTIAL_MISSING",
    "CREDENTIAL_INVALID",
];

/// The line of a call. It is logged once, when this value is dropped.
#[derive(Debug)]
pub struct AccessLogLine<N: Fn() -> Instant> {
    record: CallRecord,
    rpc: String,
    code: Option<&'static str>,
    now: N,
}

impl<N: Fn() -> Instant> AccessLogLine<N> {
    /// Returns the line of a call of `rpc` that has no response yet. `now` reads the clock from
    /// which the start of the call was read.
    #[must_use]
    pub const fn begin(record: CallRecord, rpc: String, now: N) -> Self {
        Self { record, rpc, code: None, now }
    }

    /// Logs the call with the code of its response.
    pub fn finish(mut self, code: &'static str) {
        self.code = Some(code);
    }
}

impl<N: Fn() -> Instant> Drop for AccessLogLine<N> {
    fn drop(&mut self) {
        // The call is dropped without a response when its caller disconnects.
        let no_response = if std::thread::panicking() { "INTERNAL" } else { "CANCELLED" };
        log(self.record.known(), &self.rpc, self.code.unwrap_or(no_response), (self.now)());
    }
}

/// Logs the call. Rejections that a flood repeats are logged at `debug`, so that a tenant
/// above its rate does not fill the disk.
fn log(known: &Known, rpc: &str, code: &str, now: Instant) {
    let duration = now.saturating_duration_since(known.started);
    let duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let call_id = known.call_id.to_str().unwrap_or_default();
    let tenant = known.tenant.get().map(|tenant| &**tenant);
    let operation_id = known.operation_id.get().map(ToString::to_string);
    let aws_request_id = known.aws_request_id.get().map(String::as_str);
    let reason = known.reason.get().copied();
    let shadow_reason = known.shadow_reason.get().copied();
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                rpc,
                code,
                reason,
                shadow_reason,
                tenant,
                call_id,
                operation_id,
                aws_request_id,
                duration_us,
                "call"
            )
        };
    }
    if reason.is_some_and(|reason| FLOOD_REASONS.contains(&reason)) {
        line!(debug);
    } else {
        line!(info);
    }
}
