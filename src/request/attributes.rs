//! The attributes that the caller attaches to the participant.

use std::collections::BTreeMap;

use super::violations::{Faults, reason};

/// Maximum size in bytes of UTF-8, keys and values together (AWS: 1 KB).
const MAX_TOTAL_BYTES: usize = 1024;

/// The participant's attributes: at most 1,024 bytes of UTF-8, keys and values
/// together. All participants of the stage see them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes(BTreeMap<String, String>);

impl Attributes {
    /// Parses the attributes.
    ///
    /// # Errors
    /// The attributes exceed the maximum size.
    pub fn parse(attributes: BTreeMap<String, String>) -> Result<Self, Faults> {
        let bytes: usize = attributes.iter().map(|(key, value)| key.len() + value.len()).sum();
        if bytes <= MAX_TOTAL_BYTES {
            return Ok(Self(attributes));
        }
        Err(Faults::one(
            reason::TOO_LARGE,
            format!(
                "{bytes} bytes of UTF-8, keys and values together, are too many; shorten or remove \
                 attributes until at most {MAX_TOTAL_BYTES} bytes remain"
            ),
        ))
    }

    /// The attributes by key.
    #[must_use]
    pub fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

impl From<Attributes> for BTreeMap<String, String> {
    fn from(attributes: Attributes) -> Self {
        attributes.0
    }
}
