//! Violations of a request. A [`Fault`] concerns a value, independent of its source. A
//! [`Violation`] is a fault of a field. One response reports all violations of a request.
//! Their number and size are bounded, because they travel in HTTP trailers.

use std::{error, fmt};

/// The maximum number of violations that are listed. The others are counted.
const MAX_LISTED: usize = 20;

/// Maximum size in bytes of the text of all violations together. With the text as base64 and
/// with the rest of the status, the trailers stay below 3.3 KiB.
const MAX_TEXT_BYTES: usize = 1920;

/// The bytes of [`MAX_TEXT_BYTES`] that are reserved for the count of omitted violations.
const COUNT_TEXT_BYTES: usize = 128;

/// Maximum number of characters of a caller's text that are echoed.
const MAX_ECHOED_CHARACTERS: usize = 64;

/// Reasons for which a value is rejected. They are stable, because programs branch on them.
pub mod reason {
    /// The value contradicts the value of another field.
    pub const CONFLICT: &str = "CONFLICT";
    /// The value contains a character that the field does not allow.
    pub const INVALID_CHARACTERS: &str = "INVALID_CHARACTERS";
    /// The value does not have the form that the field requires.
    pub const INVALID_FORMAT: &str = "INVALID_FORMAT";
    /// The operator sets this tag for the tenant.
    pub const MANAGED_BY_GATEWAY: &str = "MANAGED_BY_GATEWAY";
    /// The number of violations that are not listed. Not a violation itself.
    pub const MORE_VIOLATIONS: &str = "MORE_VIOLATIONS";
    /// The number is outside the field's range.
    pub const OUT_OF_RANGE: &str = "OUT_OF_RANGE";
    /// The field is missing.
    pub const REQUIRED: &str = "REQUIRED";
    /// The tag key has a prefix that is reserved for AWS or for the gateway.
    pub const RESERVED_PREFIX: &str = "RESERVED_PREFIX";
    /// The field has too many bytes in total.
    pub const TOO_LARGE: &str = "TOO_LARGE";
    /// The text has too many characters.
    pub const TOO_LONG: &str = "TOO_LONG";
    /// The field has too many entries.
    pub const TOO_MANY: &str = "TOO_MANY";
    /// The text has too few characters.
    pub const TOO_SHORT: &str = "TOO_SHORT";
    /// The value is not one of the known values.
    pub const UNKNOWN_VALUE: &str = "UNKNOWN_VALUE";
}

/// One fault of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// One of [`reason`].
    pub reason: &'static str,
    /// The problem and the fix: "129 characters are too many; use at most 128". Does not
    /// contain the value, except a truncated path of a field mask.
    pub description: String,
}

/// All faults of a value, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    pub(super) fn one(reason: &'static str, description: String) -> Self {
        Self(vec![Fault { reason, description }])
    }

    /// Returns `value` if there are no faults.
    pub(super) fn or<T>(faults: Vec<Fault>, value: T) -> Result<T, Self> {
        if faults.is_empty() { Ok(value) } else { Err(Self(faults)) }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; also: " };
            write!(f, "{separator}{}", fault.description)?;
        }
        Ok(())
    }
}

impl error::Error for Faults {}

/// One fault of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The path of the field, in the notation of `buf.validate`: `name`, `tags["key"]`.
    pub field: String,
    /// One of [`reason`].
    pub reason: &'static str,
    /// The problem and the fix, as in [`Fault::description`].
    pub description: String,
}

/// All violations of a request, at least one. At most 20 are listed and the others are
/// counted. The text is shorter than 1,920 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// The violations, in the order of the message's fields.
    #[must_use]
    pub fn as_slice(&self) -> &[Violation] {
        &self.0
    }
}

impl From<Violation> for Violations {
    fn from(violation: Violation) -> Self {
        Self(vec![violation])
    }
}

impl IntoIterator for Violations {
    type Item = Violation;
    type IntoIter = std::vec::IntoIter<Violation>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Writes the first violation and whether there are others, as one line for people.
impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, others)) = self.0.split_first() else { return Ok(()) };
        write!(f, "{}: {}", first.field, first.description)?;
        if others.is_empty() {
            Ok(())
        } else {
            f.write_str(" (the details list further violations)")
        }
    }
}

impl error::Error for Violations {}

/// Collects the violations of one request during parsing.
#[derive(Default)]
pub(super) struct Found {
    listed: Vec<Violation>,
    listed_bytes: usize,
    /// The number of violations that are not listed.
    omitted: usize,
}

impl Found {
    pub(super) fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// The number of violations.
    pub(super) fn count(&self) -> usize {
        self.listed.len() + self.omitted
    }

    /// Returns the value of the field. If parsing failed, adds the faults and returns `None`.
    pub(super) fn value<T>(
        &mut self,
        field: impl fmt::Display,
        parsed: Result<T, Faults>,
    ) -> Option<T> {
        parsed.map_err(|faults| self.add_all(field, "", faults)).ok()
    }

    /// Adds faults of a field. `part` names the faulty part of the field: `"key: "`,
    /// `"value: "`, or empty for the whole field.
    pub(super) fn add_all(&mut self, field: impl fmt::Display, part: &str, faults: Faults) {
        for fault in faults.0 {
            self.add(&field, fault.reason, format_args!("{part}{}", fault.description));
        }
    }

    pub(super) fn add(
        &mut self,
        field: impl fmt::Display,
        reason: &'static str,
        description: impl fmt::Display,
    ) {
        // After the first omission all others are omitted too, so that the list is a prefix.
        if self.omitted > 0 || self.listed.len() == MAX_LISTED {
            self.omitted += 1;
            return;
        }
        let violation =
            Violation { field: field.to_string(), reason, description: description.to_string() };
        let bytes = violation.field.len() + reason.len() + violation.description.len();
        if self.listed_bytes + bytes > MAX_TEXT_BYTES - COUNT_TEXT_BYTES {
            self.omitted += 1;
        } else {
            self.listed_bytes += bytes;
            self.listed.push(violation);
        }
    }

    pub(super) fn into_violations(self) -> Violations {
        let Self { mut listed, omitted, .. } = self;
        if omitted > 0 {
            listed.push(Violation {
                field: String::new(),
                reason: reason::MORE_VIOLATIONS,
                description: format!(
                    "violations not listed: {omitted}; fix the listed ones and resend the request"
                ),
            });
        }
        Violations(listed)
    }
}

/// The path of an entry of a map: `tags["key"]`. A long key is truncated.
pub(super) struct EntryPath<'a> {
    pub(super) field: &'static str,
    pub(super) key: &'a str,
}

impl fmt::Display for EntryPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.field, Echo(self.key))
    }
}

/// A text from the caller, quoted and truncated to a length that is safe to echo.
pub(super) struct Echo<'a>(pub(super) &'a str);

impl fmt::Display for Echo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(MAX_ECHOED_CHARACTERS) {
            None => write!(f, "{:?}", self.0),
            Some((end, _)) => write!(f, "{:?}", format!("{}…", &self.0[..end])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_bytes(violations: &Violations) -> usize {
        let bytes = |v: &Violation| v.field.len() + v.reason.len() + v.description.len();
        violations.as_slice().iter().map(bytes).sum()
    }

    #[test]
    fn the_first_twenty_violations_are_listed_and_the_others_counted() {
        let mut found = Found::default();
        for index in 0..57 {
            found.add(format_args!("f{index}"), reason::TOO_LONG, "too long");
        }
        let violations = found.into_violations();
        assert_eq!(violations.as_slice().len(), 21);
        assert_eq!(violations.as_slice()[19].field, "f19");
        let last = &violations.as_slice()[20];
        assert_eq!((last.field.as_str(), last.reason), ("", reason::MORE_VIOLATIONS));
        assert!(last.description.starts_with("violations not listed: 37;"));
    }

    #[test]
    fn the_size_of_the_text_is_bounded_for_all_keys() {
        for key in ["\u{10FFFF}".repeat(200), "\u{1F980}".repeat(200), "k".repeat(1 << 16)] {
            let mut found = Found::default();
            for _ in 0..100_000 {
                let path = EntryPath { field: "tags", key: &key };
                found.add(path, reason::INVALID_CHARACTERS, "x".repeat(100));
            }
            let violations = found.into_violations();
            assert!(violations.as_slice().len() > 2);
            assert!(text_bytes(&violations) < MAX_TEXT_BYTES, "{}", text_bytes(&violations));
        }
    }

    #[test]
    fn a_key_is_quoted_and_truncated_to_64_characters() {
        let path = |key: &str| EntryPath { field: "tags", key }.to_string();
        assert_eq!(path("a\"b"), r#"tags["a\"b"]"#);
        assert_eq!(path(&"é".repeat(64)), format!("tags[\"{}\"]", "é".repeat(64)));
        assert_eq!(path(&"é".repeat(65)), format!("tags[\"{}…\"]", "é".repeat(64)));
    }

    #[test]
    fn the_display_shows_the_first_violation() {
        let mut found = Found::default();
        found.add("name", reason::TOO_LONG, "2 characters are too many; use at most 1");
        let one = Violations(found.listed.clone());
        assert_eq!(one.to_string(), "name: 2 characters are too many; use at most 1");
        found.add("user_id", reason::TOO_LONG, "too long");
        let two = found.into_violations().to_string();
        assert!(two.ends_with("(the details list further violations)"), "{two}");
    }
}
