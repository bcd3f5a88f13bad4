//! Whose call it is: the tenant's name, as it stands in tags, rows and logs.

use std::{fmt, sync::Arc};

/// The most characters of a tenant's id. It is also a tag's value (AWS: 256) and
/// the first column of an index, so it is kept short.
pub const MAX_TENANT_ID_CHARACTERS: usize = 64;

/// The id of a tenant: 1 to 64 of `a-z A-Z 0-9 _ . -`, beginning with a letter
/// or a digit. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(Arc<str>);

/// The text is not a tenant's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a tenant id is 1 to 64 characters of a-z, A-Z, 0-9, '_', '.' and '-', beginning with a letter or a digit"
)]
pub struct InvalidTenantId;

impl TenantId {
    /// Parses a tenant's id.
    ///
    /// # Errors
    /// [`InvalidTenantId`] if the text breaks the rule of the type.
    pub fn parse(text: &str) -> Result<Self, InvalidTenantId> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        let begins_well = text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
        if begins_well && text.len() <= MAX_TENANT_ID_CHARACTERS && text.bytes().all(allowed) {
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
    fn accepts_only_what_fits_a_tag_a_row_and_a_log() {
        for good in ["acme", "A", "0", "a.b-c_d", &"x".repeat(64)] {
            assert_eq!(TenantId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "-a", ".a", "a b", "a/b", "ä", "a\n", &"x".repeat(65)] {
            assert_eq!(TenantId::parse(bad), Err(InvalidTenantId), "{bad:?}");
        }
    }
}
