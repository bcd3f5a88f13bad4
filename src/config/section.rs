//! Typed reading of a section. A problem goes to the report, and the reader gets the
//! default, so that one run finds all problems.

use std::{cell::RefCell, fmt::Display, ops::RangeInclusive, time::Duration};

use super::{
    document::{Node, Table},
    problems::Origin,
    reference::{Key, Kind},
    report::{Report, dotted},
};

/// The keys of one table. When it is dropped, it reports the keys that were not taken.
pub(super) struct Section<'r> {
    report: &'r RefCell<Report>,
    key: String,
    entries: Table,
}

impl<'r> Section<'r> {
    pub(super) fn root(entries: Table, report: &'r RefCell<Report>) -> Self {
        Self { report, key: String::new(), entries }
    }

    /// Whether the key is set, to a valid or an invalid value.
    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The names of the keys that were not taken yet.
    pub(super) fn names(&self) -> Vec<String> {
        self.entries.keys().cloned().collect()
    }

    /// Reports a problem with a key, which may be absent.
    pub(super) fn problem(&self, name: &str, words: impl Into<String>) {
        self.report.borrow_mut().problem(&dotted(&self.key, name), words);
    }

    /// Takes a key and converts its value. Returns `None` if it is absent or invalid.
    pub(super) fn take<T>(
        &mut self,
        name: &str,
        convert: impl FnOnce(Node) -> Result<T, String>,
    ) -> Option<T> {
        let key = dotted(&self.key, name);
        let node = self.entries.remove(name);
        let origin = node.as_ref().map(|node| node.origin.clone());
        self.report.borrow_mut().asked_for(&key, node.as_ref());
        convert(node?)
            .map_err(|words| {
                let origin = origin.unwrap_or(Origin::File);
                self.report.borrow_mut().problem_at(origin, key, words);
            })
            .ok()
    }

    /// Takes a section. An absent section has no keys.
    pub(super) fn section(&mut self, key: Key) -> Self {
        let name = self.declare(key, Kind::Section);
        self.named_section(name)
    }

    /// Takes a section whose name is not fixed, such as the id of a tenant.
    pub(super) fn named_section(&mut self, name: &str) -> Self {
        let entries = self.take(name, Node::table).unwrap_or_default();
        Self { report: self.report, key: dotted(&self.key, name), entries }
    }

    /// Takes required text of a form, and parses it.
    pub(super) fn required<T>(
        &mut self,
        key: Key,
        form: &'static str,
        remedy: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        if !self.has(key.name) {
            self.problem(key.name, format!("is missing; {remedy}"));
        }
        self.text(key, form, parse)
    }

    /// Takes text of a form, and parses it.
    pub(super) fn text<T>(
        &mut self,
        key: Key,
        form: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let name = self.declare(key, Kind::Text(form));
        self.take(name, |node| parse(&node.text()?))
    }

    /// Takes one of these texts.
    pub(super) fn one_of<T: Copy>(
        &mut self,
        key: Key,
        texts: &'static [&'static str],
        values: &[T],
    ) -> Option<T> {
        let name = self.declare(key, Kind::OneOf(texts));
        self.take(name, |node| {
            let choice = texts.join("\" or \"");
            let text = node.text().map_err(|problem| match problem.split_once(';') {
                Some((problem, _)) => format!("{problem}; give \"{choice}\""),
                None => problem,
            })?;
            let known = texts.iter().zip(values).find(|(known, _)| **known == text);
            known.map(|(_, value)| *value).ok_or_else(|| format!("is not known; give \"{choice}\""))
        })
    }

    /// Takes a list of texts of a form.
    pub(super) fn texts<T>(
        &mut self,
        key: Key,
        form: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let name = self.declare(key, Kind::Texts(form));
        let items = self.take(name, Node::list)?;
        let key = dotted(&self.key, name);
        let mut values = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let origin = item.origin.clone();
            match item.text().and_then(|text| parse(&text)) {
                Ok(value) => values.push(value),
                Err(words) => {
                    self.report.borrow_mut().problem_at(origin, format!("{key}[{index}]"), words);
                }
            }
        }
        Some(values)
    }

    /// Takes a table of texts with free keys.
    pub(super) fn tags(&mut self, key: Key) -> Self {
        let name = self.declare(key, Kind::Tags);
        self.named_section(name)
    }

    /// Takes `true` or `false`.
    pub(super) fn boolean(&mut self, key: Key, default: bool) -> bool {
        let name = self.declare(key.default(default), Kind::Boolean);
        self.take(name, Node::boolean).unwrap_or(default)
    }

    /// Takes a whole number.
    pub(super) fn integer<T>(&mut self, key: Key, default: T, range: RangeInclusive<T>) -> T
    where
        T: Copy + Display + TryFrom<i64> + TryInto<i64>,
    {
        let limit = |limit: T| limit.try_into().unwrap_or(i64::MAX);
        let range = limit(*range.start())..=limit(*range.end());
        let name = self.declare(key.default(default), Kind::Integer(range.clone()));
        self.take(name, |node| node.integer(&range))
            .and_then(|number| T::try_from(number).ok())
            .unwrap_or(default)
    }

    /// Takes a number above zero and at most `most`.
    pub(super) fn positive(&mut self, key: Key, default: f64, most: f64) -> f64 {
        let name = self.declare(key.default(default), Kind::Positive(most));
        self.take(name, |node| node.positive(most)).unwrap_or(default)
    }

    /// Takes a whole number of milliseconds.
    pub(super) fn milliseconds(
        &mut self,
        key: Key,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> Duration {
        self.duration(key, Duration::from_millis(default), range)
    }

    /// Takes a whole number of milliseconds, with a default that is a duration.
    pub(super) fn duration(
        &mut self,
        key: Key,
        default: Duration,
        range: RangeInclusive<u64>,
    ) -> Duration {
        let default = u64::try_from(default.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.integer(key, default, range))
    }

    /// Records the declaration of a key, and returns its name.
    fn declare(&self, key: Key, kind: Kind) -> &'static str {
        let name = key.name;
        self.report.borrow_mut().declare(key.kind(kind).entry(&self.key));
        name
    }

    /// Takes a key that must not be set, and reports the problem if it is.
    pub(super) fn refuse(&mut self, name: &str, words: impl Into<String>) {
        if let Some(node) = self.entries.remove(name) {
            let key = dotted(&self.key, name);
            self.report.borrow_mut().problem_at(node.origin, key, words.into());
        }
    }
}

impl Drop for Section<'_> {
    fn drop(&mut self) {
        let mut report = self.report.borrow_mut();
        for (name, node) in std::mem::take(&mut self.entries) {
            report.left_over(dotted(&self.key, &name), node.origin);
        }
    }
}
