//! The problems that the background tasks see. While there is one, the gateway is not ready.

use std::{collections::BTreeSet, fmt, sync::Arc};

use tokio::sync::watch;

/// A problem that an operator must correct.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Problem {
    /// The ledger cannot be written.
    LedgerUnavailable,
    /// The file of the ledger is damaged.
    LedgerDamaged,
    /// The gateway has no AWS credentials.
    NoCredentials,
    /// AWS rejects every call of the gateway.
    CallsRejected,
    /// The credentials are those of another account than the configurations of the ledger.
    OtherAccount,
    /// A configuration of the gateway cannot be read, and may have no row.
    OwnUnreadable,
    /// AWS lists less than half of the configurations of the ledger.
    MostAreMissing,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LedgerUnavailable => "the ledger cannot be written",
            Self::LedgerDamaged => "the file of the ledger is damaged: stop the gateway and move the file of ledger.url, its -wal and its -shm away; the next start rebuilds the ledger from AWS",
            Self::NoCredentials => "no AWS credentials: the log has the reason",
            Self::CallsRejected => "AWS rejects the gateway's calls: correct its credentials, its clock or its IAM role; the log has AWS's words",
            Self::OtherAccount => "the credentials are not those of the ledger's account",
            Self::OwnUnreadable => "a configuration of the gateway cannot be read; the log names it",
            Self::MostAreMissing => "AWS lists less than half of the configurations of the ledger",
        })
    }
}

/// The present problems. Cheap to clone: all clones share them.
#[derive(Debug, Clone)]
pub struct Problems(Arc<watch::Sender<BTreeSet<Problem>>>);

impl Default for Problems {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(BTreeSet::new())))
    }
}

impl Problems {
    /// Begins or ends a problem.
    pub(super) fn set(&self, problem: Problem, is_present: bool) {
        self.0.send_if_modified(|problems| {
            if is_present { problems.insert(problem) } else { problems.remove(&problem) }
        });
    }

    /// Returns a receiver of the present problems.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<BTreeSet<Problem>> {
        self.0.subscribe()
    }
}
