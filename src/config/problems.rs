//! The problems of a configuration, for the operator. A problem names the line or the
//! variable, and never quotes a value: any value may be a secret in the wrong place.

use std::fmt;

/// The origin of a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// The file as a whole, for a key that is missing.
    File,
    /// A line of the file; the first is 1.
    Line(usize),
    /// The name of an environment variable.
    Variable(String),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) origin: Origin,
    /// The dotted key; empty if the problem is not about one key.
    pub(super) key: String,
    /// The problem and the remedy.
    pub(super) words: String,
}

/// All problems of a configuration, at least one.
///
/// `Display` prints one line for each problem, in the order of the file and then of the
/// environment: `gateway.toml:12: tenants.acme.weight: is less than 1; give …`.
#[derive(Debug, PartialEq, Eq)]
pub struct Problems {
    file: String,
    problems: Vec<Problem>,
}

impl Problems {
    pub(super) fn new(file: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by(|a, b| a.origin.cmp(&b.origin));
        Self { file: file.to_owned(), problems }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Problem { origin, key, words }) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            match origin {
                Origin::File => write!(f, "{}: ", self.file)?,
                Origin::Line(line) => write!(f, "{}:{line}: ", self.file)?,
                Origin::Variable(name) => write!(f, "{name}: ")?,
            }
            if !key.is_empty() {
                write!(f, "{key}: ")?;
            }
            f.write_str(words)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
