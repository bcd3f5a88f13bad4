//! The protocol that the encoder uses.

use super::violations::{Faults, reason};
use crate::proto::v1;

const CHOICES: &str = "INGEST_PROTOCOL_RTMPS or INGEST_PROTOCOL_RTMP";

/// The protocol that the encoder uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IngestProtocol {
    /// Plain RTMP.
    Rtmp,
    /// RTMP over TLS.
    Rtmps,
}

impl IngestProtocol {
    /// Parses the field of a request that requires a protocol.
    ///
    /// # Errors
    /// The protocol is missing or unknown.
    pub fn parse(number: i32) -> Result<Self, Faults> {
        let protocol = v1::IngestProtocol::try_from(number).map_err(|_| {
            let description = format!("{number} is not a protocol; use {CHOICES}");
            Faults::one(reason::UNKNOWN_VALUE, description)
        })?;
        Self::try_from(protocol)
    }

    /// AWS's name of the protocol: `RTMP` or `RTMPS`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rtmp => "RTMP",
            Self::Rtmps => "RTMPS",
        }
    }

    /// Returns the protocol with this AWS name: `RTMP` or `RTMPS`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Rtmp, Self::Rtmps].into_iter().find(|protocol| protocol.as_str() == name)
    }
}

impl TryFrom<v1::IngestProtocol> for IngestProtocol {
    type Error = Faults;

    fn try_from(protocol: v1::IngestProtocol) -> Result<Self, Faults> {
        match protocol {
            v1::IngestProtocol::Unspecified => Err(Faults::one(
                reason::REQUIRED,
                format!("the protocol is missing; use {CHOICES}"),
            )),
            v1::IngestProtocol::Rtmp => Ok(Self::Rtmp),
            v1::IngestProtocol::Rtmps => Ok(Self::Rtmps),
        }
    }
}

impl From<IngestProtocol> for v1::IngestProtocol {
    fn from(protocol: IngestProtocol) -> Self {
        match protocol {
            IngestProtocol::Rtmp => Self::Rtmp,
            IngestProtocol::Rtmps => Self::Rtmps,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions_to_and_from_names_and_messages_agree() {
        for protocol in [IngestProtocol::Rtmp, IngestProtocol::Rtmps] {
            assert_eq!(IngestProtocol::from_name(protocol.as_str()), Some(protocol));
            assert_eq!(v1::IngestProtocol::from(protocol).try_into(), Ok(protocol));
        }
        assert_eq!(IngestProtocol::from_name("rtmp"), None);
    }
}
