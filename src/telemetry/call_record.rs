//! What is known of a call while it runs, and the line that is logged when it
//! ends. Stream keys must never come here.

use std::{
    cell::RefCell,
    io::{self, IsTerminal},
    sync::{Arc, OnceLock},
    time::Instant,
};

use http::{HeaderMap, HeaderName, HeaderValue};
use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, filter::filter_fn, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::{error::Error, request::OperationId, tenancy::TenantId};

/// The metadata key of the id of a call: taken from the caller, made if it sent
/// none, and answered on every call.
pub const CALL_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The longest request id that is taken from a caller: it stands in every log line.
const MAX_REQUEST_ID_BYTES: usize = 128;

/// What a caller who does not listen is told again and again.
const FLOOD_REASONS: [&str; 5] = [
    "ACCOUNT_BUDGET",
    "TENANT_RATE_QUOTA",
    "OVERLOADED",
    "CREDENTIAL_MISSING",
    "CREDENTIAL_INVALID",
];

/// What is known of one call. Cheap to clone: all clones write into one record.
#[derive(Debug, Clone)]
pub struct CallRecord(Arc<Known>);

#[derive(Debug)]
struct Known {
    started: Instant,
    request_id: HeaderValue,
    tenant: OnceLock<TenantId>,
    operation_id: OnceLock<OperationId>,
    aws_request_id: OnceLock<String>,
    reason: OnceLock<&'static str>,
    shadow_reason: OnceLock<&'static str>,
}

impl CallRecord {
    /// Begins with the id that the caller sent, if it can stand in a log.
    #[must_use]
    pub fn begin(metadata: &HeaderMap) -> Self {
        let request_id = metadata
            .get(CALL_ID_HEADER)
            .filter(|id| is_loggable(id))
            .cloned()
            .unwrap_or_else(made_request_id);
        Self(Arc::new(Known {
            started: Instant::now(),
            request_id,
            tenant: OnceLock::new(),
            operation_id: OnceLock::new(),
            aws_request_id: OnceLock::new(),
            reason: OnceLock::new(),
            shadow_reason: OnceLock::new(),
        }))
    }

    /// The id of the call.
    #[must_use]
    pub fn request_id(&self) -> &HeaderValue {
        &self.0.request_id
    }

    /// The call is for this tenant.
    pub fn tenant(&self, tenant: &TenantId) {
        let _ = self.0.tenant.set(tenant.clone());
    }

    /// The call is about this row of the ledger. The first one told stays.
    pub fn operation(&self, operation_id: OperationId) {
        let _ = self.0.operation_id.set(operation_id);
    }

    /// The row of the ledger that the call is about, if it is known.
    #[must_use]
    pub fn operation_id(&self) -> Option<OperationId> {
        self.0.operation_id.get().copied()
    }

    /// AWS answered a call that was made for this one.
    pub fn aws_request(&self, aws_request_id: &str) {
        let _ = self.0.aws_request_id.set(aws_request_id.to_owned());
    }

    /// The call would have failed for that reason, were its tenant not in shadow. The
    /// first one told stays.
    pub fn would_refuse(&self, reason: &'static str) {
        let _ = self.0.shadow_reason.set(reason);
    }

    /// The call failed.
    pub fn failed(&self, error: &Error) {
        let _ = self.0.reason.set(error.reason());
        if let Some(id) = error.aws_request_id() {
            self.aws_request(id);
        }
    }

    /// Logs the call. Refusals that a flood would repeat are logged at `debug`: a
    /// tenant over its rate must not fill the disk.
    fn log(&self, rpc: &str, code: &str) {
        let Known { started, request_id, tenant, operation_id, aws_request_id, .. } = &*self.0;
        let duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let request_id = request_id.to_str().unwrap_or_default();
        let tenant = tenant.get().map(TenantId::as_str);
        let operation_id = operation_id.get().map(ToString::to_string);
        let aws_request_id = aws_request_id.get().map(String::as_str);
        let reason = self.0.reason.get().copied();
        let shadow_reason = self.0.shadow_reason.get().copied();
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    rpc,
                    code,
                    reason,
                    shadow_reason,
                    tenant,
                    request_id,
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
}

/// The line of a call: logged, once, when this goes out of scope.
#[derive(Debug)]
pub struct AccessLogLine {
    record: CallRecord,
    rpc: String,
    code: Option<&'static str>,
}

impl AccessLogLine {
    /// The line of a call of `rpc`, which is not answered yet.
    #[must_use]
    pub const fn begin(record: CallRecord, rpc: String) -> Self {
        Self { record, rpc, code: None }
    }

    /// The call is answered with this code.
    pub fn answered(mut self, code: &'static str) {
        self.code = Some(code);
    }
}

impl Drop for AccessLogLine {
    fn drop(&mut self) {
        // A call that nobody waits for any more is dropped where it waits.
        let unanswered = if std::thread::panicking() { "INTERNAL" } else { "CANCELLED" };
        self.record.log(&self.rpc, self.code.unwrap_or(unanswered));
    }
}

fn is_loggable(id: &HeaderValue) -> bool {
    let bytes = id.as_bytes();
    !bytes.is_empty()
        && bytes.len() <= MAX_REQUEST_ID_BYTES
        && bytes.iter().all(u8::is_ascii_graphic)
}

fn made_request_id() -> HeaderValue {
    thread_local! {
        static IDS: RefCell<ulid::Generator> = RefCell::default();
    }
    let id = IDS.with_borrow_mut(|ids| {
        ids.generate().unwrap_or_else(ulid::Overflow::commit_overflow_increment)
    });
    HeaderValue::from_str(&id.to_string()).unwrap_or_else(|_| HeaderValue::from_static("unnamed"))
}

/// Starts logging to standard error: for people on a terminal, in JSON otherwise.
/// `RUST_LOG` says how much; `info` if it is not set.
///
/// # Errors
/// A `RUST_LOG` that cannot be read.
pub fn start_logging() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let filter = match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(directives) => EnvFilter::try_new(&directives)
            .map_err(|error| format!("RUST_LOG={directives}: {error}"))?,
        Err(_) => EnvFilter::new("info"),
    };
    let terminal = io::stderr().is_terminal();
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let registry = tracing_subscriber::registry().with(filter).with(filter_fn(is_safe));
    if terminal {
        registry.with(layer.with_target(false)).try_init()?;
    } else {
        registry.with(layer.json().flatten_event(true).with_current_span(false)).try_init()?;
    }
    Ok(())
}

/// Whatever `RUST_LOG` says, the AWS SDK is not logged at `trace`: there it writes whole
/// answers, stream keys included, once `LOG_SENSITIVE_BODIES` is set.
fn is_safe(metadata: &Metadata<'_>) -> bool {
    *metadata.level() != Level::TRACE || !metadata.target().starts_with("aws_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_only_request_ids_that_can_stand_in_a_log() {
        let begin = |id: &[u8]| {
            let mut metadata = HeaderMap::new();
            metadata.insert(CALL_ID_HEADER, HeaderValue::from_bytes(id).unwrap());
            CallRecord::begin(&metadata).request_id().as_bytes().to_vec()
        };
        assert_eq!(begin(b"trace-1/2"), b"trace-1/2");
        assert_eq!(begin(b"").len(), 26);
        assert_eq!(begin(b"two words").len(), 26);
        assert_eq!(begin("ä".as_bytes()).len(), 26);
        assert_eq!(begin(&[b'x'; 129]).len(), 26);
        assert_eq!(begin(&[b'x'; 128]).len(), 128);
    }
}
