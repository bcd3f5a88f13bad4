//! The assumptions of a run about AWS, the machine and the operator.

use std::{fmt, str::FromStr, time::Duration};

/// The assumptions of a run. Each level breaks others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// AWS and the machine keep what the documents assume: lost and late responses, errors,
    /// outages and crashes occur. A create is executed, and lists show it, before
    /// `settle.retry_after_ms`.
    Documented,
    /// AWS is slower than assumed: executions, lists, reads and tags are minutes late, and
    /// page tokens skip.
    SlowAws,
    /// The machine is worse than assumed: commits fail or stall, and the clock jumps.
    BadMachine,
    /// The operator makes mistakes: an old ledger is restored, or the endpoint is wrong.
    Mistakes,
}

/// The bounds of what AWS does at a level.
#[derive(Debug, Clone, Copy)]
pub struct AwsBounds {
    /// The longest time from a request to its execution.
    pub execution: Duration,
    /// The longest time from the execution of a create until lists show it.
    pub lists: Duration,
    /// The longest time from the execution of a create until reads find it.
    pub reads: Duration,
    /// The longest time from the execution of a create until its tags can be read.
    pub tags: Duration,
}

impl Level {
    /// Every level.
    pub const ALL: [Self; 4] = [Self::Documented, Self::SlowAws, Self::BadMachine, Self::Mistakes];

    /// Returns the bounds of AWS.
    #[must_use]
    pub const fn aws(self) -> AwsBounds {
        match self {
            Self::SlowAws => AwsBounds {
                execution: Duration::from_mins(3),
                lists: Duration::from_mins(2),
                reads: Duration::from_secs(20),
                tags: Duration::from_secs(20),
            },
            _ => AwsBounds {
                execution: Duration::from_secs(30),
                lists: Duration::from_secs(20),
                reads: Duration::ZERO,
                tags: Duration::ZERO,
            },
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", *self as u8)
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|level| level.to_string() == text)
            .ok_or_else(|| "use 0, 1, 2 or 3".to_owned())
    }
}
