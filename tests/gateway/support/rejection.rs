//! A call that failed.

use std::time::Duration;

use tonic::{Code, Status, metadata::MetadataMap};
use tonic_types::{ErrorDetails, StatusExt};

use super::{Replay, secrets::Secrets};

/// The maximum size of the trailers on the wire.
const MAX_TRAILER_BYTES: usize = 3379; // 3.3 KiB

#[derive(Debug, Clone)]
pub(crate) struct Rejection {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) details: ErrorDetails,
    pub(crate) metadata: MetadataMap,
    /// The call, if a test can repeat it.
    pub(crate) replay: Option<Replay>,
}

impl Rejection {
    /// Records the status and asserts the properties of every error.
    pub(super) fn of(status: &Status, secrets: &Secrets) -> Self {
        secrets.record("an error", format!("{status:?}"));
        secrets.record("an error's details", status.details());
        let bytes = trailer_bytes(status);
        assert!(bytes <= MAX_TRAILER_BYTES, "{bytes} bytes of trailers: {status:?}");
        Self {
            code: status.code(),
            message: status.message().to_owned(),
            details: status.get_error_details(),
            metadata: status.metadata().clone(),
            replay: None,
        }
    }

    pub(crate) fn of_call(self, replay: Replay) -> Self {
        Self { replay: Some(replay), ..self }
    }

    /// Returns the reason, which programs depend on.
    pub(crate) fn reason(&self) -> &str {
        let info = self.details.error_info();
        let info = info.unwrap_or_else(|| panic!("an error without ErrorInfo: {self:?}"));
        assert_eq!(info.domain, "ivs-ingest-gateway");
        &info.reason
    }

    /// Returns an entry of the metadata of `ErrorInfo`.
    pub(crate) fn info(&self, key: &str) -> Option<&str> {
        let info = self.details.error_info()?;
        info.metadata.get(key).map(String::as_str)
    }

    /// Returns the delay after which the caller may retry, if a retry can help.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.details.retry_info().map(|info| info.retry_delay.unwrap())
    }
}

/// Returns the size of the status in the trailers: names and values, with the message
/// percent-encoded and the details as base64.
fn trailer_bytes(status: &Status) -> usize {
    let mut trailers = http::HeaderMap::new();
    status.add_header(&mut trailers).unwrap();
    trailers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}
