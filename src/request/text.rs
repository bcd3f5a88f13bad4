//! Texts with a rule: how many characters, and which. Lengths count characters
//! (Unicode scalar values), as AWS does.

use std::fmt;

use super::violations::{Fault, Faults, reason};

/// Defines a text that exists only if nothing is wrong with it.
macro_rules! text_type {
    ($(#[$attribute:meta])* $name:ident, $faults:expr) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// Parses the text; a `String` is moved, not copied.
            ///
            /// # Errors
            /// All that is wrong with it.
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

/// How long a text may be, in characters, and of which characters.
pub(super) struct TextRule {
    pub(super) min_characters: usize,
    pub(super) max_characters: usize,
    pub(super) allows: fn(char) -> bool,
    /// The allowed characters in words.
    pub(super) allowed: &'static str,
}

impl TextRule {
    /// All that is wrong with the text. Allocates only if something is.
    pub(super) fn faults(&self, text: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        faults.extend(too_long(text, self.max_characters));
        if text.is_empty() && self.min_characters > 0 {
            faults.push(Fault {
                reason: reason::TOO_SHORT,
                description: format!("must be at least {} character long", self.min_characters),
            });
        }
        let stranger = text.chars().enumerate().find(|(_, character)| !(self.allows)(*character));
        if let Some((index, character)) = stranger {
            faults.push(Fault {
                reason: reason::INVALID_CHARACTERS,
                description: format!(
                    "must consist of {}; character {} is U+{:04X}: remove or replace it",
                    self.allowed,
                    index + 1,
                    u32::from(character)
                ),
            });
        }
        faults
    }
}

/// The fault of a text of more than `max` characters.
pub(super) fn too_long(text: &str, max: usize) -> Option<Fault> {
    // A character is at least one byte: most texts need no count.
    if text.len() <= max {
        return None;
    }
    let received = text.chars().count();
    (received > max).then(|| Fault {
        reason: reason::TOO_LONG,
        description: format!("must be at most {max} characters, received {received}: shorten it"),
    })
}

/// Parses an optional text: an empty one is none.
pub(super) fn unless_empty<T>(
    text: String,
    parse: impl FnOnce(String) -> Result<T, Faults>,
) -> Result<Option<T>, Faults> {
    if text.is_empty() { Ok(None) } else { parse(text).map(Some) }
}

text_type!(
    /// The name of a configuration: 0 to 128 of `a-z A-Z 0-9 - _` (AWS's limit).
    ConfigurationName,
    |text: &str| {
        let rule = TextRule {
            min_characters: 0,
            max_characters: 128,
            allows: |c| matches!(c, 'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_'),
            allowed: "a-z, A-Z, 0-9, '-' and '_'",
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
    /// The caller's idempotency key: 1 to 128 of `a-z A-Z 0-9 _ . : / = + - @`, so
    /// that it fits a tag's value (AWS: 256 characters, and hardly more than these).
    RequestId,
    |text: &str| {
        let rule = TextRule {
            min_characters: 1,
            max_characters: 128,
            allows: |c| {
                matches!(c, 'a'..='z' | 'A'..='Z' | '0'..='9')
                    || matches!(c, '_' | '.' | ':' | '/' | '=' | '+' | '-' | '@')
            },
            allowed: "a-z, A-Z, 0-9 and _ . : / = + - @",
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
    fn all_that_is_wrong_is_told() {
        let long_and_strange = " ".repeat(129);
        assert_eq!(
            reasons(ConfigurationName::parse(long_and_strange)),
            [reason::TOO_LONG, reason::INVALID_CHARACTERS]
        );
        assert_eq!(reasons(RequestId::parse("")), [reason::TOO_SHORT]);
        let told = ConfigurationName::parse("stüdio").unwrap_err().to_string();
        assert!(told.contains("character 3 is U+00FC"), "{told}");
    }

    #[test]
    fn characters_are_counted_not_bytes() {
        assert!(UserId::parse("\u{1F980}".repeat(128)).is_ok());
        let told = UserId::parse("\u{1F980}".repeat(129)).unwrap_err().to_string();
        assert_eq!(told, "must be at most 128 characters, received 129: shorten it");
    }

    #[test]
    fn optional_texts_may_be_empty() {
        assert_eq!(ConfigurationName::parse("").unwrap().as_str(), "");
        assert_eq!(UserId::parse("").unwrap().as_str(), "");
        assert_eq!(unless_empty(String::new(), RequestId::parse), Ok(None));
    }
}
