//! The results of reading a configuration: the problems, and the keys that exist.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    document::{Node, SyntaxError},
    environment,
    problems::{Origin, Problem, Problems},
    reference::Entry,
    settings::Settings,
};

#[derive(Default)]
pub(super) struct Report {
    problems: Vec<Problem>,
    broken_lines: BTreeSet<usize>,
    /// Every key that a section has read, by its dotted name, with its origin if it is set.
    known: BTreeMap<String, Option<Origin>>,
    /// The keys that no section has read.
    unknown: Vec<(String, Origin)>,
    /// The declarations of the keys that sections have read.
    entries: Vec<Entry>,
    /// Variables with the prefix of the gateway that set nothing.
    ignored_variables: Vec<String>,
    settings: Settings,
}

impl Report {
    /// Begins a report with the syntax errors.
    pub(super) fn new(syntax_errors: Vec<SyntaxError>) -> Self {
        let mut report = Self::default();
        for (line, message) in syntax_errors {
            report.problem_at(Origin::Line(line), String::new(), format!("is not TOML: {message}"));
            report.broken_lines.insert(line);
        }
        report
    }

    /// Whether the file has no syntax errors.
    pub(super) fn is_toml(&self) -> bool {
        self.broken_lines.is_empty()
    }

    /// Records that a key exists, with its origin and value if it is set.
    pub(super) fn asked_for(&mut self, key: &str, node: Option<&Node>) {
        self.known.insert(key.to_owned(), node.map(|node| node.origin.clone()));
        if let Some(node) = node {
            self.settings.set(key, &node.value);
        }
    }

    pub(super) fn ignored_variable(&mut self, name: String) {
        self.ignored_variables.push(name);
    }

    pub(super) fn declare(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    pub(super) fn into_entries(self) -> Vec<Entry> {
        self.entries
    }

    pub(super) fn take_settings(&mut self) -> Settings {
        std::mem::take(&mut self.settings)
    }

    /// Records a key that no section has read.
    pub(super) fn left_over(&mut self, key: String, origin: Origin) {
        self.unknown.push((key, origin));
    }

    /// Records a problem at its origin. A line with a syntax error was reported already, and
    /// the values that were recovered from it are unreliable.
    pub(super) fn problem_at(&mut self, origin: Origin, key: String, words: String) {
        if !matches!(&origin, Origin::Line(line) if self.broken_lines.contains(line)) {
            self.problems.push(Problem { origin, key, words });
        }
    }

    /// Whether a key of the section has a problem. The section as it was read is unreliable then.
    pub(super) fn has_problem(&self, section: &str) -> bool {
        let is_in = |key: &str| key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'));
        self.problems.iter().any(|problem| is_in(&problem.key))
    }

    /// Records a problem with a key that may be absent, such as a missing key or a conflict
    /// of two keys. The origin is then that of the nearest section. Does nothing if the file
    /// has syntax errors, because the key may be on a line that was not read.
    pub(super) fn problem(&mut self, key: &str, words: impl Into<String>) {
        if self.is_toml() {
            let itself_and_above = std::iter::successors(Some(key), |key| {
                key.rsplit_once('.').map(|(section, _)| section)
            });
            let origin =
                itself_and_above.filter_map(|key| self.known.get(key)).find_map(Option::clone);
            self.problem_at(origin.unwrap_or(Origin::File), key.to_owned(), words.into());
        }
    }

    /// Returns the configuration, or all problems.
    pub(super) fn finish<T>(mut self, file: &str, config: Option<T>) -> Result<T, Problems> {
        for (key, origin) in std::mem::take(&mut self.unknown) {
            let remedy = self.nearest(&key).map_or_else(
                || "correct or remove it".to_owned(),
                |nearest| format!("did you mean {nearest}?"),
            );
            self.problem_at(origin, key, format!("is not a known key; {remedy}"));
        }
        for name in std::mem::take(&mut self.ignored_variables) {
            let meant = |key: &String| Some((key.clone(), environment::correction(&name, key)?));
            if let Some((key, correction)) = self.known.keys().find_map(meant) {
                let words = format!(
                    "is not set by this variable, which has too few underscores; use {correction}"
                );
                self.problem_at(Origin::Variable(name), key, words);
            }
        }
        match config {
            Some(config) if self.problems.is_empty() => Ok(config),
            _ => Err(Problems::new(file, self.problems)),
        }
    }

    /// Returns the known key that is most similar to an unknown one: a key of the same section
    /// with a similar name, or the same name in another section.
    fn nearest(&self, key: &str) -> Option<&str> {
        let (section, name) = split(key);
        let alike = self
            .known
            .keys()
            .filter(|known| split(known).0 == section)
            .map(|known| (distance(name, split(known).1), known))
            .filter(|(distance, _)| *distance <= name.len().div_ceil(3))
            .min();
        let elsewhere = || self.known.keys().find(|known| split(known).1 == name);
        alike.map(|(_, known)| known).or_else(elsewhere).map(String::as_str)
    }

    #[cfg(test)]
    pub(super) fn known(&self) -> impl Iterator<Item = &str> {
        self.known.keys().map(String::as_str)
    }
}

/// The section and the name of a dotted key.
fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('.').unwrap_or(("", key))
}

/// Returns the edit distance of two words: insertions, removals and replacements.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, letter) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (column, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

/// Joins a key to its parent, as TOML writes it.
pub(super) fn dotted(parent: &str, name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let name = if !name.is_empty() && name.chars().all(bare) {
        name.to_owned()
    } else {
        format!("{name:?}")
    };
    if parent.is_empty() { name } else { format!("{parent}.{name}") }
}
