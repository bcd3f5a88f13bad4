//! The record of a call: facts that are collected while the call runs, for its line in the
//! access log. It must never contain stream keys.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering, fence},
    },
    time::Instant,
};

use http::{HeaderMap, HeaderName, HeaderValue};
use ulid::Ulid;

/// The metadata key of the id of a call. The caller may send it; it is returned on every
/// call.
pub const CALL_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Maximum length of an id that a caller chooses. The id is in every log line of the call.
const MAX_CALL_ID_BYTES: usize = 128;

/// The record of one call. Cheap to clone: all clones write into one record.
#[derive(Debug, Clone)]
pub struct CallRecord(Arc<Known>);

#[derive(Debug)]
pub(super) struct Known {
    pub(super) started: Instant,
    pub(super) call_id: HeaderValue,
    pub(super) tenant: OnceLock<Arc<str>>,
    pub(super) operation_id: OnceLock<Ulid>,
    /// Whether the caller of a create sent a `request_id`; empty for other calls.
    create_has_request_id: OnceLock<bool>,
    /// Whether AWS may have received the create.
    create_may_be_sent: AtomicBool,
    pub(super) aws_request_id: OnceLock<String>,
    pub(super) reason: OnceLock<&'static str>,
    pub(super) shadow_reason: OnceLock<&'static str>,
}

impl CallRecord {
    /// Begins the record of a call that started at `started`. The call gets the caller's id if
    /// that is safe in a log, and otherwise one from `generate_id`.
    #[must_use]
    pub fn begin(
        metadata: &HeaderMap,
        started: Instant,
        generate_id: impl FnOnce() -> Ulid,
    ) -> Self {
        let callers = metadata.get(CALL_ID_HEADER).filter(|id| is_loggable(id)).cloned();
        Self(Arc::new(Known {
            started,
            call_id: callers.unwrap_or_else(|| header_of(generate_id())),
            tenant: OnceLock::new(),
            operation_id: OnceLock::new(),
            create_has_request_id: OnceLock::new(),
            create_may_be_sent: AtomicBool::new(false),
            aws_request_id: OnceLock::new(),
            reason: OnceLock::new(),
            shadow_reason: OnceLock::new(),
        }))
    }

    pub(super) fn known(&self) -> &Known {
        &self.0
    }

    /// The id of the call.
    #[must_use]
    pub fn call_id(&self) -> &HeaderValue {
        &self.0.call_id
    }

    /// Records the tenant of the call.
    pub fn tenant(&self, tenant: &str) {
        let _ = self.0.tenant.set(tenant.into());
    }

    /// Records the create that the call is about. The first one stays.
    pub fn operation(&self, operation_id: Ulid) {
        let _ = self.0.operation_id.set(operation_id);
    }

    /// Records that the call is a create, and whether the caller sent a `request_id` and so
    /// can repeat it.
    pub fn is_create(&self, has_request_id: bool) {
        let _ = self.0.create_has_request_id.set(has_request_id);
    }

    /// Whether the caller sent a `request_id`; `None` if the call is not a create.
    #[must_use]
    pub fn create_has_request_id(&self) -> Option<bool> {
        self.0.create_has_request_id.get().copied()
    }

    /// Records whether AWS may receive the create. After `true`, the task must check that a
    /// caller still waits, and must not send the create otherwise: a caller that has stopped
    /// waiting and has read `false` may retry.
    pub fn set_may_be_sent(&self, may_be_sent: bool) {
        self.0.create_may_be_sent.store(may_be_sent, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Whether AWS may have received the create, for a caller that no longer waits for it.
    #[must_use]
    pub fn may_be_sent(&self) -> bool {
        fence(Ordering::SeqCst);
        self.0.create_may_be_sent.load(Ordering::Relaxed)
    }

    /// The create that the call is about, if it is known.
    #[must_use]
    pub fn operation_id(&self) -> Option<Ulid> {
        self.0.operation_id.get().copied()
    }

    /// Records AWS's id of a call that was made for this one. The first one stays.
    pub fn aws_request(&self, aws_request_id: &str) {
        let _ = self.0.aws_request_id.set(aws_request_id.to_owned());
    }

    /// Records the reason for which the call would have failed if its tenant were not in
    /// shadow. The first one stays.
    pub fn would_refuse(&self, reason: &'static str) {
        let _ = self.0.shadow_reason.set(reason);
    }

    /// Records that the call failed for this reason, after a call to AWS with that id.
    pub fn failed(&self, reason: &'static str, aws_request_id: Option<&str>) {
        let _ = self.0.reason.set(reason);
        if let Some(id) = aws_request_id {
            self.aws_request(id);
        }
    }
}

fn is_loggable(id: &HeaderValue) -> bool {
    let bytes = id.as_bytes();
    !bytes.is_empty() && bytes.len() <= MAX_CALL_ID_BYTES && bytes.iter().all(u8::is_ascii_graphic)
}

fn header_of(id: Ulid) -> HeaderValue {
    HeaderValue::from_str(&id.to_string()).unwrap_or_else(|_| HeaderValue::from_static("unnamed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_call_ids_that_are_safe_in_a_log() {
        let begin = |id: &[u8]| {
            let mut metadata = HeaderMap::new();
            metadata.insert(CALL_ID_HEADER, HeaderValue::from_bytes(id).unwrap());
            let record = CallRecord::begin(&metadata, Instant::now(), || Ulid(7));
            record.call_id().as_bytes().to_vec()
        };
        let generated = Ulid(7).to_string().into_bytes();
        assert_eq!(begin(b"trace-1/2"), b"trace-1/2");
        assert_eq!(begin(&[b'x'; 128]), [b'x'; 128]);
        for unloggable in [&b""[..], b"two words", "ä".as_bytes(), &[b'x'; 129]] {
            assert_eq!(begin(unloggable), generated);
        }
    }
}
