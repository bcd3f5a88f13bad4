//! What is wrong with a request. A [`Fault`] is about a value, wherever it came from;
//! a [`Violation`] is a fault of a field. All of a request's violations are reported
//! at once, within bounds: they travel in HTTP trailers.

use std::{error, fmt};

/// The most violations that are told one by one.
const MAX_TOLD: usize = 20;

/// The most bytes of text, all violations together. As base64 and with the rest of the
/// status, the trailers stay under 3.3 KiB.
const MAX_TEXT_BYTES: usize = 1920;

/// What is kept of [`MAX_TEXT_BYTES`] for the count of those that are not told.
const COUNT_TEXT_BYTES: usize = 128;

/// The most characters of a map's key that are echoed.
const MAX_ECHOED_CHARACTERS: usize = 64;

/// Why a value is refused. Stable: programs branch on it.
pub mod reason {
    /// Two fields do not go together.
    pub const CONFLICT: &str = "CONFLICT";
    /// A character that the field does not allow.
    pub const INVALID_CHARACTERS: &str = "INVALID_CHARACTERS";
    /// Not of the form that the field needs.
    pub const INVALID_FORMAT: &str = "INVALID_FORMAT";
    /// A tag that the operator sets for the tenant.
    pub const MANAGED_BY_GATEWAY: &str = "MANAGED_BY_GATEWAY";
    /// Not a violation of its own: how many more there are.
    pub const MORE_VIOLATIONS: &str = "MORE_VIOLATIONS";
    /// A number below or above the field's range.
    pub const OUT_OF_RANGE: &str = "OUT_OF_RANGE";
    /// Nothing where something must be.
    pub const REQUIRED: &str = "REQUIRED";
    /// A tag key that begins as those of AWS or the gateway do.
    pub const RESERVED_PREFIX: &str = "RESERVED_PREFIX";
    /// Too many bytes in total.
    pub const TOO_LARGE: &str = "TOO_LARGE";
    /// Too many characters.
    pub const TOO_LONG: &str = "TOO_LONG";
    /// Too many entries.
    pub const TOO_MANY: &str = "TOO_MANY";
    /// Too few characters.
    pub const TOO_SHORT: &str = "TOO_SHORT";
    /// Not one of the values that there are.
    pub const UNKNOWN_VALUE: &str = "UNKNOWN_VALUE";
}

/// One thing that is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// One of [`reason`].
    pub reason: &'static str,
    /// The limit, what was received, and the way out; never the value itself.
    pub description: String,
}

/// All that is wrong with a value: at least one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    pub(super) fn one(reason: &'static str, description: String) -> Self {
        Self(vec![Fault { reason, description }])
    }

    /// `value`, if nothing is wrong with it.
    pub(super) fn or<T>(faults: Vec<Fault>, value: T) -> Result<T, Self> {
        if faults.is_empty() { Ok(value) } else { Err(Self(faults)) }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{}", fault.description)?;
        }
        Ok(())
    }
}

impl error::Error for Faults {}

/// One thing that is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field's path as `buf.validate` writes it: `name`, `tags["key"]`.
    pub field: String,
    /// One of [`reason`].
    pub reason: &'static str,
    /// The limit, what was received, and the way out; never the value itself.
    pub description: String,
}

/// All that is wrong with a request: at least one thing, at most 20 one by one and
/// the rest as a count, and under 1,920 bytes of text.
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

/// The first violation in full, and how many more: a line for a person.
impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, others)) = self.0.split_first() else { return Ok(()) };
        write!(f, "{} {}", first.field, first.description)?;
        if others.is_empty() { Ok(()) } else { f.write_str(" (and more: see the details)") }
    }
}

impl error::Error for Violations {}

/// Collects the violations of one request while it is parsed.
#[derive(Default)]
pub(super) struct Found {
    told: Vec<Violation>,
    told_bytes: usize,
    untold: usize,
}

impl Found {
    pub(super) fn is_empty(&self) -> bool {
        self.told.is_empty() && self.untold == 0
    }

    /// The value of the field, or none and its faults are noted.
    pub(super) fn value<T>(
        &mut self,
        field: impl fmt::Display,
        parsed: Result<T, Faults>,
    ) -> Option<T> {
        parsed.map_err(|faults| self.add_all(field, "", faults)).ok()
    }

    /// `part` tells what of the field is meant: `"key "`, `"value "`, or nothing.
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
        // Once one is left out all later ones are, so that those told are the first ones.
        if self.untold > 0 || self.told.len() == MAX_TOLD {
            self.untold += 1;
            return;
        }
        let violation =
            Violation { field: field.to_string(), reason, description: description.to_string() };
        let bytes = violation.field.len() + reason.len() + violation.description.len();
        if self.told_bytes + bytes > MAX_TEXT_BYTES - COUNT_TEXT_BYTES {
            self.untold += 1;
        } else {
            self.told_bytes += bytes;
            self.told.push(violation);
        }
    }

    pub(super) fn into_violations(self) -> Violations {
        let Self { mut told, untold, .. } = self;
        if untold > 0 {
            told.push(Violation {
                field: String::new(),
                reason: reason::MORE_VIOLATIONS,
                description: format!("{untold} more violations; mend these and send it again"),
            });
        }
        Violations(told)
    }
}

/// The path of an entry of a map: `tags["key"]`. A long key is cut.
pub(super) struct EntryPath<'a> {
    pub(super) field: &'static str,
    pub(super) key: &'a str,
}

impl fmt::Display for EntryPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.field, Echo(self.key))
    }
}

/// Something that the caller chose, quoted and cut to a length that is safe to echo.
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
    fn the_first_twenty_are_told_and_the_rest_counted() {
        let mut found = Found::default();
        for index in 0..57 {
            found.add(format_args!("f{index}"), reason::TOO_LONG, "must be short");
        }
        let violations = found.into_violations();
        assert_eq!(violations.as_slice().len(), 21);
        assert_eq!(violations.as_slice()[19].field, "f19");
        let last = &violations.as_slice()[20];
        assert_eq!((last.field.as_str(), last.reason), ("", reason::MORE_VIOLATIONS));
        assert!(last.description.starts_with("37 more"));
    }

    #[test]
    fn the_text_is_bounded_whatever_the_keys() {
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
    fn a_key_is_quoted_and_cut_at_64_characters() {
        let path = |key: &str| EntryPath { field: "tags", key }.to_string();
        assert_eq!(path("a\"b"), r#"tags["a\"b"]"#);
        assert_eq!(path(&"é".repeat(64)), format!("tags[\"{}\"]", "é".repeat(64)));
        assert_eq!(path(&"é".repeat(65)), format!("tags[\"{}…\"]", "é".repeat(64)));
    }

    #[test]
    fn a_person_reads_the_first_one() {
        let mut found = Found::default();
        found.add("name", reason::TOO_LONG, "must be at most 1 character, received 2");
        let one = Violations(found.told.clone());
        assert_eq!(one.to_string(), "name must be at most 1 character, received 2");
        found.add("user_id", reason::TOO_LONG, "must be short");
        assert!(found.into_violations().to_string().ends_with("(and more: see the details)"));
    }
}
