//! The rebuild of a new ledger, which may replace a lost one.

use std::time::Duration;

use tokio::sync::watch;

use super::{Scan, ScanError};

/// The pause before a failed rebuild is retried.
const RETRY: Duration = Duration::from_secs(1);

impl Scan {
    /// Scans until one complete scan has succeeded, unless `rebuilt` is already true. Then
    /// sends `true` to `rebuilt`.
    pub(super) async fn rebuild(&mut self, rebuilt: &watch::Sender<bool>) {
        while !*rebuilt.borrow() {
            match self.rebuild_once().await {
                Ok(()) => {
                    rebuilt.send_replace(true);
                }
                Err(error) => {
                    tracing::error!(%error, "the rebuild of the new ledger failed; creates are rejected until it succeeds");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// Scans once. The ledger counts as rebuilt only after a complete scan, which an interrupted
    /// start does not record.
    async fn rebuild_once(&mut self) -> Result<(), ScanError> {
        self.scan().await?;
        Ok(self.ledger.mark_rebuilt().await?)
    }
}
