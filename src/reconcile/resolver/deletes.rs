//! The resolution of in-doubt deletes.

use super::Resolver;
use crate::{
    clock::is_younger,
    ivs::FailureKind,
    ledger::{Event, LedgerError, UnconfirmedRow},
};

impl Resolver {
    /// Resolves a delete whose lease has expired, by a read. The delete no longer runs, so a
    /// configuration that the read finds stays.
    pub(super) async fn resolve_delete(
        &mut self,
        abandoned: UnconfirmedRow,
    ) -> Result<(), LedgerError> {
        let UnconfirmedRow { operation_id, arn, sent_at } = abandoned;
        self.deletes.tick().await;
        let permit = self.pacers.get.internal_permit().await;
        let event = match self.ivs.get_ingest_configuration(permit, &arn).await {
            Ok(_) => Event::DeleteRefused,
            Err(error) if error.failure().kind == FailureKind::NotFound => {
                // AWS may not show a new configuration yet. A later round reads it again.
                if is_younger(sent_at, self.clock.wall(), self.times.retry_after) {
                    return Ok(());
                }
                Event::DeleteConfirmed
            }
            Err(error) => {
                let failure = error.failure();
                tracing::warn!(%operation_id, %failure, "could not resolve an in-doubt delete");
                return Ok(());
            }
        };
        let name = event.name();
        self.ledger.apply(operation_id, event).await?;
        tracing::info!(%operation_id, arn, event = name, "resolved an in-doubt delete");
        Ok(())
    }
}
