//! The assumptions of a run about AWS, the machine and the operator.

use std::{fmt, str::FromStr, time::Duration};

use invariants::Invariant;

use crate::history::Finding;

/// The assumptions of a run. Each level weakens different ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// AWS and the machine keep what the documents assume: lost and late responses, errors,
    /// outages and crashes occur. A create is executed, and lists show it, before
    /// `settle.retry_after_ms`.
    Documented,
    /// AWS is slower than assumed: executions are up to three minutes late, lists up to two,
    /// reads and tags up to 20 seconds, and page tokens skip.
    SlowAws,
    /// The machine is worse than assumed: commits fail or stall, and the clock jumps.
    BadMachine,
    /// An old copy of the ledger is restored.
    OldLedger,
    /// A slow AWS and a bad machine together.
    SlowAwsAndBadMachine,
    /// The endpoint is that of another, empty account for a time.
    WrongEndpoint,
    /// A proxy sends a create twice.
    Duplicates,
}

/// The effect of a level on a promise, from the strictest to the laxest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expected {
    /// It is kept.
    Kept,
    /// It may be broken until some time after the faults.
    Heals,
    /// It may be broken at any time.
    Breaks,
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
    pub const ALL: [Self; 7] = [
        Self::Documented,
        Self::SlowAws,
        Self::BadMachine,
        Self::OldLedger,
        Self::SlowAwsAndBadMachine,
        Self::WrongEndpoint,
        Self::Duplicates,
    ];

    /// Whether AWS is slower than assumed.
    #[must_use]
    pub const fn has_slow_aws(self) -> bool {
        matches!(self, Self::SlowAws | Self::SlowAwsAndBadMachine)
    }

    /// Whether the disk and the clock are worse than assumed.
    #[must_use]
    pub const fn has_bad_machine(self) -> bool {
        matches!(self, Self::BadMachine | Self::SlowAwsAndBadMachine)
    }

    /// Returns what the level does to the promise. `docs/simulation.md` has the reasons.
    #[must_use]
    pub fn expected(self, invariant: Invariant) -> Expected {
        match self {
            Self::Documented => Expected::Kept,
            Self::SlowAws => with_slow_aws(invariant),
            Self::BadMachine => with_bad_machine(invariant),
            Self::OldLedger => with_old_ledger(invariant),
            Self::WrongEndpoint => with_wrong_endpoint(invariant),
            Self::Duplicates => with_duplicates(invariant),
            Self::SlowAwsAndBadMachine => match invariant {
                Invariant::DeletedStaysDeleted => Expected::Breaks,
                Invariant::Reachable => Expected::Heals,
                _ => with_slow_aws(invariant).max(with_bad_machine(invariant)),
            },
        }
    }

    /// Whether the level may break the promise as the finding does.
    #[must_use]
    pub fn allows(self, finding: &Finding) -> bool {
        match self.expected(finding.violation.invariant) {
            Expected::Kept => false,
            Expected::Heals => !finding.is_late,
            Expected::Breaks => true,
        }
    }

    /// Returns the bounds of AWS.
    #[must_use]
    pub const fn aws(self) -> AwsBounds {
        if self.has_slow_aws() {
            AwsBounds {
                execution: Duration::from_mins(3),
                lists: Duration::from_mins(2),
                reads: Duration::from_secs(20),
                tags: Duration::from_secs(20),
            }
        } else {
            AwsBounds {
                execution: Duration::from_secs(30),
                lists: Duration::from_secs(29),
                reads: Duration::ZERO,
                tags: Duration::ZERO,
            }
        }
    }
}

const fn with_slow_aws(invariant: Invariant) -> Expected {
    match invariant {
        Invariant::OneCreate
        | Invariant::OneConfiguration
        | Invariant::ErrorsAreTrue
        | Invariant::Limit => Expected::Breaks,
        _ => Expected::Kept,
    }
}

const fn with_bad_machine(invariant: Invariant) -> Expected {
    match invariant {
        Invariant::Rate | Invariant::Fairness => Expected::Heals,
        _ => Expected::Kept,
    }
}

const fn with_old_ledger(invariant: Invariant) -> Expected {
    match invariant {
        Invariant::OneCreate | Invariant::SameResponse => Expected::Breaks,
        Invariant::DeletedStaysDeleted => Expected::Heals,
        _ => Expected::Kept,
    }
}

const fn with_wrong_endpoint(invariant: Invariant) -> Expected {
    match invariant {
        Invariant::Recorded
        | Invariant::Rate
        | Invariant::Fairness
        | Invariant::Isolation
        | Invariant::OneProcess
        | Invariant::Secrets => Expected::Kept,
        _ => Expected::Breaks,
    }
}

const fn with_duplicates(invariant: Invariant) -> Expected {
    match invariant {
        Invariant::OneCreate
        | Invariant::OneConfiguration
        | Invariant::ErrorsAreTrue
        | Invariant::Limit
        | Invariant::Rate => Expected::Breaks,
        _ => Expected::Kept,
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
            .ok_or_else(|| "use a number from 0 to 6".to_owned())
    }
}
