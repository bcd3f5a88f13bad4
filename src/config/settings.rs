//! The values that a configuration sets, to compare it with another one.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::document::Value;

/// The values of the keys that the file and the environment set. They may be secrets.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Settings(BTreeMap<String, Value>);

impl Settings {
    pub(super) fn set(&mut self, key: &str, value: &Value) {
        if !matches!(value, Value::Table(_)) {
            self.0.insert(key.to_owned(), value.clone());
        }
    }

    /// The keys whose values differ.
    pub(super) fn differences<'a>(&'a self, other: &'a Self) -> BTreeSet<&'a str> {
        let keys = self.0.keys().chain(other.0.keys());
        keys.filter(|key| self.0.get(*key) != other.0.get(*key)).map(String::as_str).collect()
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
