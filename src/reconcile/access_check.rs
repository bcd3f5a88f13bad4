//! Finds out whether AWS rejects every call of the gateway, and not only those of one tenant.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Parts, Problem, Problems};
use crate::ivs::{Access, Ivs, Pacers};

/// The pause between two calls.
const PAUSE: Duration = Duration::from_secs(2);

/// AWS rejects every call if it has rejected this number and accepted none. Credentials that AWS rejects
/// are loaded again meanwhile.
const REJECTIONS: u32 = 3;

/// Makes calls of its own after AWS has rejected one. The gateway is not ready while AWS rejects
/// them.
pub struct AccessCheck {
    ivs: Ivs,
    pacers: Pacers,
    problems: Problems,
}

impl AccessCheck {
    /// Returns a check that reports to the problems of `parts`.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { ivs, pacers, problems, .. } = parts;
        Self { ivs, pacers, problems }
    }

    /// Checks until `shutdown` fires.
    pub async fn run(self, shutdown: CancellationToken) {
        let checks = async {
            loop {
                self.ivs.suspicion().await;
                self.check().await;
            }
        };
        // Its result is irrelevant.
        let _ = shutdown.run_until_cancelled(checks).await;
    }

    /// Makes calls until AWS accepts one.
    async fn check(&self) {
        let mut rejected = 0;
        loop {
            let permit = self.pacers.list.internal_permit().await;
            let access = self.ivs.check_access(permit).await;
            match access {
                Access::Accepted | Access::NoCredentials => rejected = 0,
                Access::Rejected => rejected += 1,
                Access::Unknown => {}
            }
            self.problems.set(Problem::NoCredentials, access == Access::NoCredentials);
            self.problems.set(Problem::CallsRejected, rejected >= REJECTIONS);
            if access == Access::Accepted {
                return;
            }
            sleep(PAUSE).await;
        }
    }
}
