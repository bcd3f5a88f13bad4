//! Texts with rules for their length and their characters. A length is a number of
//! characters (Unicode scalar values), as at AWS.

use std::fmt;

use super::violations::{Fault, Faults, reason};

/// Defines a newtype for a text that its rule accepts.
macro_rules! text_type {
    ($(#[$attribute:meta])* $name:ident, $faults:expr) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// Parses the text; a `String` is moved, not copied.
            ///
            /// # Errors
            /// All faults of the text.
            pub fn parse(text: impl Into<String>) -> Result<Self, Faults> {
                let text = text.into();
                Faults::or($faults(&text), ()).map(|()| Self(text))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }
    };
}
pub(super) use text_type;

/// The length in characters and the allowed characters of a text.
pub(super) struct TextRule {
    pub(super) min_characters: usize,
    pub(super) max_characters: usize,
    pub(super) allows: fn(char) -> bool,
    /// The allowed characters, for descriptions: `a-z or _`.
    pub(super) allowed: &'static str,
}

impl TextRule {
    /// Returns all faults of the text. A valid text causes no allocation.
    pub(super) fn faults(&self, text: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        faults.extend(too_long(text, self.max_characters));
        if text.is_empty() && self.min_characters > 0 {
            faults.push(Fault {
                reason: reason::TOO_SHORT,
                description: format!(
                    "an empty text is not allowed; use at least {} character",
                    self.min_characters
                ),
            });
        }
        let rejected = text.chars().enumerate().find(|(_, character)| !(self.allows)(*character));
        if let Some((index, character)) = rejected {
            faults.push(Fault {
                reason: reason::INVALID_CHARACTERS,
                description: format!(
                    "U+{:04X} at position {} is not allowed; use {}",
                    u32::from(character),
                    index + 1,
                    self.allowed
                ),
            });
        }
        faults
    }
}

/// Returns the fault of a text that has more than `max` characters.
pub(super) fn too_long(text: &str, max: usize) -> Option<Fault> {
    // A character has at least one byte, so most texts need not be counted.
    if text.len() <= max {
        return None;
    }
    let received = text.chars().count();
    (received > max).then(|| Fault {
        reason: reason::TOO_LONG,
        description: format!("{received} characters are too many; use at most {max}"),
    })
}

/// Parses an optional text. An empty text is `None`.
pub(super) fn unless_empty<T>(
    text: String,
    parse: impl FnOnce(String) -> Result<T, Faults>,
) -> Result<Option<T>, Faults> {
    if text.is_empty() { Ok(None) } else { parse(text).map(Some) }
}

text_type!(
    /// The name of a configuration: 0 to 128 characters of `a-z A-Z 0-9 - _` (AWS's limit).
    ConfigurationName,
    |text: &str| {
        let rule = TextRule {
            min_characters: 0,
            max_characters: 128,
            allows: |c| matches!(c, 'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_'),
            allowed: "a-z, A-Z, 0-9, '-' or '_'",
        };
        rule.faults(text)
    }
);

text_type!(
    /// The caller's name for the participant: 0 to 128 characters (AWS's limit). All
    /// participants of the stage see it.
    UserId,
    |text: &str| Vec::from_iter(too_long(text, 128))
);

text_type!(
    /// The caller's idempotency key: 1 to 128 characters of `a-z A-Z 0-9 _ . : / = + - @`.
    /// Every key is a valid tag value (AWS: 256 characters, of these and few others).
    RequestId,
    |text: &str| {
        let rule = TextRule {
            min_characters: 1,
            max_characters: 128,
            allows: |c| {
                matches!(c, 'a'..='z' | 'A'..='Z' | '0'..='9')
                    || matches!(c, '_' | '.' | ':' | '/' | '=' | '+' | '-' | '@')
            },
            allowed: "a-z, A-Z, 0-9 or _ . : / = + - @",
        };
        rule.faults(text)
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons<T: fmt::Debug>(parsed: Result<T, Faults>) -> Vec<&'static str> {
        let mut found = super::super::violations::Found::default();
        assert!(found.value("f", parsed).is_none());
        found.into_violations().into_iter().map(|violation| violation.reason).collect()
    }

    #[test]
    fn all_faults_are_reported() {
        let too_long_and_not_allowed = " ".repeat(129);
        assert_eq!(
            reasons(ConfigurationName::parse(too_long_and_not_allowed)),
            [reason::TOO_LONG, reason::INVALID_CHARACTERS]
        );
        assert_eq!(reasons(RequestId::parse("")), [reason::TOO_SHORT]);
        let error = ConfigurationName::parse("stüdio").unwrap_err().to_string();
        assert_eq!(error, "U+00FC at position 3 is not allowed; use a-z, A-Z, 0-9, '-' or '_'");
    }

    #[test]
    fn a_length_counts_characters_not_bytes() {
        assert!(UserId::parse("\u{1F980}".repeat(128)).is_ok());
        let error = UserId::parse("\u{1F980}".repeat(129)).unwrap_err().to_string();
        assert_eq!(error, "129 characters are too many; use at most 128");
    }

    #[test]
    fn optional_texts_may_be_empty() {
        assert_eq!(ConfigurationName::parse("").unwrap().as_str(), "");
        assert_eq!(UserId::parse("").unwrap().as_str(), "");
        assert_eq!(unless_empty(String::new(), RequestId::parse), Ok(None));
    }
}
