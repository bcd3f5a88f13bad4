//! Records the outcomes of calls to AWS. A write that fails is retried: a single failed write of the disk must not leave a row without its outcome.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Handlers, Shared};
use crate::{
    ledger::{Event, LedgerError, Transition},
    request::OperationId,
};

/// The time for which a call waits for the record of its outcome.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The time after which a record is given up. The lease of its row has expired by then, and the
/// resolver or the scan corrects the row.
const GIVE_UP_AFTER: Duration = Duration::from_mins(5);

/// The delays between two writes.
const FIRST_DELAY: Duration = Duration::from_millis(20);
const MAX_DELAY: Duration = Duration::from_secs(1);

impl Shared {
    /// Applies an event to the row. Retries the write while the ledger is unavailable, for at most
    /// `longest`.
    ///
    /// # Errors
    /// The error of the last write. Then the event may or may not be recorded.
    async fn record_within(
        &self,
        operation_id: OperationId,
        event: Event,
        longest: Duration,
    ) -> Result<Transition, LedgerError> {
        let latest = Instant::now() + longest;
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
    /// Applies an event to the row. Retries the write while the ledger is unavailable: for at most
    /// [`LONGEST_WAIT`] in this call, and then in a separate task.
    ///
    /// # Errors
    /// The error of the last write of this call. Then the event may or may not be recorded.
    pub(super) async fn record(
        &self,
        operation_id: OperationId,
        event: Event,
    ) -> Result<Transition, LedgerError> {
        let recorded = self.shared.record_within(operation_id, event.clone(), LONGEST_WAIT).await;
        if matches!(recorded, Err(LedgerError::Unavailable(_))) {
            self.record_later(operation_id, event);
        }
        recorded
    }

    /// Records an event in a separate task, after a write of the ledger has failed. That write may
    /// be durable nevertheless, or the row may not exist.
    pub(super) fn record_later(&self, operation_id: OperationId, event: Event) {
        let shared = self.shared.clone();
        self.mutations.spawn(async move {
            let name = event.name();
            match shared.record_within(operation_id, event, GIVE_UP_AFTER).await {
                Ok(_) | Err(LedgerError::NoSuchRow(_) | LedgerError::Illegal(_)) => {}
                Err(error) => {
                    tracing::error!(%operation_id, event = name, %error, "could not record an event");
                }
            }
        });
    }
}
