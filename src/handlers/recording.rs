//! Records the outcomes of calls to AWS. A write that fails is retried: a single failed write of the disk must not leave a row without its outcome.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Handlers, Shared};
use crate::{
    ledger::{Event, LedgerError, Transition},
    request::OperationId,
};

/// The time after which a record is given up. Later, the lease of its row expires, and the
/// resolver or the scan corrects the row.
const GIVE_UP_AFTER: Duration = Duration::from_secs(10);

/// The delays between two writes.
const FIRST_DELAY: Duration = Duration::from_millis(20);
const MAX_DELAY: Duration = Duration::from_secs(1);

impl Shared {
    /// Applies an event to the row. Repeats the write while the ledger is unavailable, for at most
    /// [`GIVE_UP_AFTER`].
    ///
    /// # Errors
    /// The error of the last write. Then the event may or may not be recorded.
    pub(super) async fn record(
        &self,
        operation_id: OperationId,
        event: Event,
    ) -> Result<Transition, LedgerError> {
        let latest = Instant::now() + GIVE_UP_AFTER;
        let mut delay = FIRST_DELAY;
        loop {
            match self.ledger.apply(operation_id, event.clone()).await {
                Err(error @ LedgerError::Unavailable(_)) if Instant::now() + delay < latest => {
                    let event = event.name();
                    tracing::warn!(%operation_id, event, %error, "could not record an event; retrying");
                    sleep(delay).await;
                    delay = (delay * 2).min(MAX_DELAY);
                }
                result => return result,
            }
        }
    }
}

impl Handlers {
    /// Records an event in a separate task, after a write of the ledger has failed. That write may
    /// be durable nevertheless, or the row may not exist.
    pub(super) fn record_later(&self, operation_id: OperationId, event: Event) {
        let shared = self.shared.clone();
        self.mutations.spawn(async move {
            let name = event.name();
            match shared.record(operation_id, event).await {
                Ok(_) | Err(LedgerError::NoSuchRow(_) | LedgerError::Illegal(_)) => {}
                Err(error) => {
                    tracing::error!(%operation_id, event = name, %error, "could not record an event");
                }
            }
        });
    }
}
