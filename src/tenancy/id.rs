//! The id of a tenant, which tags, ledger rows and logs contain.

use std::{fmt, sync::Arc};

/// Maximum length of a tenant id in characters. The id is short because it is also the value
/// of a tag (AWS: 256 characters) and the first column of an index.
pub const MAX_TENANT_ID_CHARACTERS: usize = 64;

/// The id of a tenant: 1 to 64 characters of `a-z A-Z 0-9 _ . -`, of which the first is a
/// letter or a digit. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(Arc<str>);

/// The text is not a tenant id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a tenant id has 1 to {MAX_TENANT_ID_CHARACTERS} characters of a-z, A-Z, 0-9, '_', '.' and '-', and begins with a letter or a digit"
)]
pub struct InvalidTenantId;

impl TenantId {
    /// Parses a tenant id.
    ///
    /// # Errors
    /// [`InvalidTenantId`] if the text violates the rule of the type.
    pub fn parse(text: &str) -> Result<Self, InvalidTenantId> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        let starts_alphanumeric = text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
        if starts_alphanumeric
            && text.len() <= MAX_TENANT_ID_CHARACTERS
            && text.bytes().all(allowed)
        {
            Ok(Self(Arc::from(text)))
        } else {
            Err(InvalidTenantId)
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_and_have_no_special_characters() {
        for good in ["acme", "A", "0", "a.b-c_d", &"x".repeat(64)] {
            assert_eq!(TenantId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "-a", ".a", "a b", "a/b", "ä", "a\n", &"x".repeat(65)] {
            assert_eq!(TenantId::parse(bad), Err(InvalidTenantId), "{bad:?}");
        }
    }
}
