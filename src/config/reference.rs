//! The reference of the keys, from the declarations in the code that reads them.
//!
//! `tests/configuration` writes `docs/configuration.md`, `docs/configuration.schema.json`
//! and `docs/gateway.example.toml` from it.

use std::{fmt::Display, ops::RangeInclusive};

use super::{Config, report::dotted};

/// A key of the configuration, or a section of keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The dotted path. `ID` stands for the id of a tenant.
    pub path: String,
    /// The values that the key takes.
    pub kind: Kind,
    /// The default, as TOML writes it or in words.
    pub default: Option<String>,
    /// A value for the example, as TOML writes it.
    pub example: Option<String>,
    /// Whether the example sets the key. It shows the others as comments.
    pub is_set_in_example: bool,
    /// The meaning.
    pub help: &'static str,
}

/// The values that a key takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A table of keys.
    Section,
    /// Text of that form.
    Text(&'static str),
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A list of texts of that form.
    Texts(&'static str),
    /// A table of texts, with free keys.
    Tags,
    /// A whole number in that range.
    Integer(RangeInclusive<i64>),
    /// A number above 0 and at most this.
    Positive(f64),
    /// `true` or `false`.
    Boolean,
}

/// The declaration of a key, where it is read.
pub(super) struct Key {
    pub(super) name: &'static str,
    help: &'static str,
    kind: Kind,
    default: Option<String>,
    example: Option<String>,
    is_set_in_example: bool,
}

impl Key {
    pub(super) const fn new(name: &'static str, help: &'static str) -> Self {
        let kind = Kind::Section;
        Self { name, help, kind, default: None, example: None, is_set_in_example: false }
    }

    /// The default, as TOML writes it or in words.
    pub(super) fn default(mut self, default: impl Display) -> Self {
        self.default.get_or_insert_with(|| default.to_string());
        self
    }

    pub(super) fn example(mut self, example: &str) -> Self {
        self.example = Some(example.to_owned());
        self
    }

    /// Makes the example set the key to `value`.
    pub(super) fn set_in_example(mut self, value: &str) -> Self {
        self.is_set_in_example = true;
        self.example(value)
    }

    pub(super) fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// The entry of this key in the section `parent`.
    pub(super) fn entry(self, parent: &str) -> Entry {
        let Self { name, help, kind, default, example, is_set_in_example } = self;
        Entry { path: dotted(parent, name), kind, default, example, is_set_in_example, help }
    }
}

/// A file with every optional section, whose keys are otherwise not read.
const EVERY_SECTION: &str = "[server.tls]\n[tenants.ID]\n[tenants.ID.create_rate]\n";

/// Every key, in the order in which the sections are read.
#[must_use]
pub fn reference() -> Vec<Entry> {
    let (_, report) = Config::examine(EVERY_SECTION, "reference.toml", []);
    report.into_entries()
}
