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
    },
    /// The ledger knows everything.
    Complete,
}

impl Completeness {
    /// Whether the ledger knows everything.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        matches!(self, Self::Complete)
    }
}
