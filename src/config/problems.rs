//! What is wrong with a configuration, in words for the person who wrote it.
//! No problem ever quotes a value, since any value may be a secret that was put
//! in the wrong place: the line, or the variable, shows where to look.

use std::fmt;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// The file as a whole: it lacks something.
    File,
    /// A line of the file, from 1.
    Line(usize),
    /// An environment variable, by its name.
    Variable(String),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) origin: Origin,
    /// The dotted key; empty where the trouble is not with one key.
    pub(super) key: String,
    /// What is wrong, and the way out.
    pub(super) words: String,
}

/// Everything that is wrong with a configuration, at least one problem.
///
/// `Display` gives a line a problem, in the order of the file and then of the
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
