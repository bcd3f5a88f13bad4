//! Whether the ledger knows every configuration of the gateway at AWS.

use tokio::time::Instant;

/// Whether the ledger knows every configuration of the gateway at AWS. Creates are rejected until
/// it does: a create could repeat one that the ledger does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completeness {
    /// The gateway reads what AWS has.
    Incomplete {
        /// The earliest time at which the ledger can be complete.
        until: Instant,
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
