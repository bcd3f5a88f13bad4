//! Whether the ledger knows every configuration of the gateway at AWS.

use tokio::time::Instant;

/// Whether the ledger knows every configuration of the gateway at AWS. Until then creates,
/// lists, quotas and calls without a row are rejected: a create could repeat one that the ledger
/// does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completeness {
    /// The gateway is comparing the ledger with AWS.
    Incomplete {
        /// The earliest time at which the ledger can be complete.
        not_before: Instant,
        /// The configurations that the ledger may lack, while a scan reads them.
        reading: Option<Reading>,
    },
    /// The ledger knows everything.
    Complete,
}

/// The progress of a scan that reads the configurations that the ledger may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Number of configurations that were read.
    pub done: usize,
    /// Number of configurations to read.
    pub all: usize,
}

impl Completeness {
    /// The state before the first scan: incomplete, without an estimate of the end.
    #[must_use]
    pub fn unknown() -> Self {
        Self::Incomplete { not_before: Instant::now(), reading: None }
    }

    /// The same, without the progress of a scan.
    #[must_use]
    pub const fn without_progress(self) -> Self {
        match self {
            Self::Complete => Self::Complete,
            Self::Incomplete { not_before, .. } => Self::Incomplete { not_before, reading: None },
        }
    }

    /// Whether the ledger knows everything.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        matches!(self, Self::Complete)
    }
}
