//! The parts of an output that differ from run to run: addresses, ids, keys and times.

use std::{collections::BTreeMap, sync::LazyLock};

use regex::{Captures, Regex};

/// Matches one token. The alternatives are tried in order.
static VARYING: LazyLock<Regex> = LazyLock::new(|| {
    let alternatives = [
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z",
        // The id of a row or of a call.
        r"\b0[0-7][0-9A-HJKMNP-TV-Z]{24}\b",
        r"rt_\d+_[a-z0-9-]+_\w+",
        r"(?:ingest-configuration|stage)/[A-Za-z0-9]{12}\b",
        // The id of a participant, and a stage's host name.
        r#""[A-Za-z0-9]{12}""#,
        r"\b[a-z0-9]{12}\.global",
        r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b",
        r"\b[0-9a-f]{32}\b",
        r"127\.0\.0\.1:\d+",
        r#""\d+(?:\.\d+)?s""#,
        r"\b\d+ ms\b",
        r#"_(?:ms|us)":"?\d+"#,
        // A rate refills while the session runs.
        r#""available": \d+"#,
    ];
    Regex::new(&alternatives.join("|")).unwrap()
});

/// The tokens of the documents, each with the token of this run that replaces it.
#[derive(Default)]
pub(crate) struct Names(BTreeMap<String, String>);

impl Names {
    pub(crate) fn set(&mut self, documented: &str, actual: &str) {
        self.0.insert(documented.to_owned(), actual.to_owned());
    }

    /// The text of a document as this run spells it.
    pub(crate) fn actual(&self, documented: &str) -> String {
        let named = |found: &Captures<'_>| {
            let token = &found[0];
            self.0.get(token).map_or(token, String::as_str).to_owned()
        };
        VARYING.replace_all(documented, named).into_owned()
    }

    /// The text of this run as the documents spell it.
    pub(crate) fn documented(&self, actual: &str) -> String {
        let named = |found: &Captures<'_>| {
            let token = &found[0];
            let known = self.0.iter().find(|(_, actual)| *actual == token);
            known.map_or(token, |(documented, _)| documented).to_owned()
        };
        VARYING.replace_all(actual, named).into_owned()
    }

    /// Whether a line of this run equals the documented line except for its tokens. Records the
    /// tokens. A stream key or an ARN must have the same value as in earlier lines.
    pub(crate) fn match_line(&mut self, documented: &str, actual: &str) -> bool {
        let shape = |line: &str| VARYING.replace_all(line.trim_end(), "<>").into_owned();
        if shape(documented) != shape(actual) {
            return false;
        }
        let pairs = VARYING.find_iter(documented).zip(VARYING.find_iter(actual));
        for (documented, actual) in pairs {
            let (documented, actual) = (documented.as_str(), actual.as_str());
            let is_name = documented.contains("rt_") || documented.contains('/');
            let known = self.0.insert(documented.to_owned(), actual.to_owned());
            if is_name && known.is_some_and(|known| known != actual) {
                return false;
            }
        }
        true
    }
}
