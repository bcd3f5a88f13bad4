//! A call that was not answered with success.

use std::time::Duration;

use tonic::{Code, Status, metadata::MetadataMap};
use tonic_types::{ErrorDetails, StatusExt};

use super::{Replay, secrets::Secrets};

/// Maximum size of the trailers on the wire.
const MAX_TRAILER_BYTES: usize = 3379; // 3.3 KiB

#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) details: ErrorDetails,
    pub(crate) metadata: MetadataMap,
    /// The call, if it is known.
    pub(crate) replay: Option<Replay>,
}

impl Refusal {
    /// Checks what holds for every rejection.
    pub(super) fn of(status: &Status, secrets: &Secrets) -> Self {
        secrets.said("a refusal", format!("{status:?}"));
        secrets.said("a refusal's details", status.details());
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

    /// The reason, by which programs branch.
    pub(crate) fn reason(&self) -> &str {
        let info = self.details.error_info();
        let info = info.unwrap_or_else(|| panic!("an error without ErrorInfo: {self:?}"));
        assert_eq!(info.domain, "ivs-ingest-gateway");
        &info.reason
    }

    /// An entry of the metadata beside the reason.
    pub(crate) fn info(&self, key: &str) -> Option<&str> {
        let info = self.details.error_info()?;
        info.metadata.get(key).map(String::as_str)
    }

    /// When the caller may try again, if that can help.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.details.retry_info().map(|info| info.retry_delay.unwrap())
    }
}

/// The status in the trailers: names, values, the message percent-encoded and the details as
/// base64.
fn trailer_bytes(status: &Status) -> usize {
    let mut trailers = http::HeaderMap::new();
    status.add_header(&mut trailers).unwrap();
    trailers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}
