//! The id that the gateway generates for a create.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use ulid::Ulid;

/// The id of a create: the key of its ledger row and the value of a tag. Ids sort by time,
/// as text and as numbers, so that new rows are appended at the end of the index.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperationId(Ulid);

/// The text is not an operation id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an operation id is a ULID in canonical form: 26 digits and capital letters")]
pub struct InvalidOperationId;

impl OperationId {
    /// Parses the 26 characters that [`fmt::Display`] writes. Other spellings of the same
    /// number are rejected.
    ///
    /// # Errors
    /// [`InvalidOperationId`] if the text is anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidOperationId> {
        let ulid = Ulid::from_string(text).map_err(|_| InvalidOperationId)?;
        let mut buffer = [0; ulid::ULID_LEN];
        if ulid.array_to_str(&mut buffer) == text {
            Ok(Self(ulid))
        } else {
            Err(InvalidOperationId)
        }
    }

    /// The time at which the id was generated, in milliseconds.
    #[must_use]
    pub fn generated_at(self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.0.timestamp_ms())
    }

    /// The id as a ULID.
    #[must_use]
    pub fn ulid(self) -> Ulid {
        self.0
    }
}

impl From<Ulid> for OperationId {
    fn from(ulid: Ulid) -> Self {
        Self(ulid)
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_text_is_accepted() {
        let id = OperationId::from(Ulid::from_parts(1_800_000_000_000, 7));
        let text = id.to_string();
        assert_eq!(text.len(), 26);
        assert_eq!(OperationId::parse(&text), Ok(id));
        assert_eq!(OperationId::parse(&text.to_lowercase()), Err(InvalidOperationId));
        for bad in ["", "x", &text[1..], "ZZZZZZZZZZZZZZZZZZZZZZZZZZ", &format!("{text}0")] {
            assert_eq!(OperationId::parse(bad), Err(InvalidOperationId), "{bad}");
        }
    }
}
