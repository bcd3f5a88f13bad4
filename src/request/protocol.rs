//! The protocol that the encoder speaks.

use super::violations::{Faults, reason};
use crate::proto::v1;

const CHOICES: &str = "INGEST_PROTOCOL_RTMPS or INGEST_PROTOCOL_RTMP";

/// The protocol that the encoder speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IngestProtocol {
    /// Plain RTMP.
    Rtmp,
    /// RTMP over TLS.
    Rtmps,
}

impl IngestProtocol {
    /// Parses the field of a request, where a protocol is required.
    ///
    /// # Errors
    /// None is named, or one that there is not.
    pub fn parse(number: i32) -> Result<Self, Faults> {
        let protocol = v1::IngestProtocol::try_from(number).map_err(|_| {
            let description = format!("must be {CHOICES}, received the number {number}");
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

    /// The protocol of AWS's name: `RTMP` or `RTMPS`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Rtmp, Self::Rtmps].into_iter().find(|protocol| protocol.as_str() == name)
    }
}

impl TryFrom<v1::IngestProtocol> for IngestProtocol {
    type Error = Faults;

    fn try_from(protocol: v1::IngestProtocol) -> Result<Self, Faults> {
        match protocol {
            v1::IngestProtocol::Unspecified => {
                Err(Faults::one(reason::REQUIRED, format!("must be {CHOICES}")))
            }
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
    fn names_and_messages_lead_back() {
        for protocol in [IngestProtocol::Rtmp, IngestProtocol::Rtmps] {
            assert_eq!(IngestProtocol::from_name(protocol.as_str()), Some(protocol));
            assert_eq!(v1::IngestProtocol::from(protocol).try_into(), Ok(protocol));
        }
        assert_eq!(IngestProtocol::from_name("rtmp"), None);
    }
}
