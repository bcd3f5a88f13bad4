//! Callers that delete the configuration that they have received, and repeat the create then.

use std::{sync::atomic::Ordering, time::Duration};

use ivs_ingest_gateway::proto::v1::{
    DeleteIngestConfigurationRequest, ingest_service_client::IngestServiceClient,
};
use tonic::{Request, transport::Channel};
use tonic_types::StatusExt;

use crate::{
    callers::{Job, Outcome, Tally, is_retryable},
    draws::Draws,
};

/// Longest time, in milliseconds, between a delete and the repeated create.
const MAX_PAUSE_MS: usize = 6000;

impl Job {
    /// Deletes the configuration of the create. Half of the callers then send the create again,
    /// with the same `request_id`: only a restored ledger, which does not know the delete, may
    /// execute it.
    pub(crate) async fn delete(
        &self,
        arn: String,
        client: &IngestServiceClient<Channel>,
        draws: &mut Draws,
        tally: &Tally,
    ) -> Outcome {
        // Before the first call: a restore between the calls makes the ledger forget the delete too.
        let restores = tally.restores.load(Ordering::Relaxed);
        loop {
            match self.is_deleted(&arn, client).await {
                Ok(true) => break,
                Ok(false) => {}
                Err(wrong) => return Outcome::Wrong(wrong),
            }
            if tally.is_late() {
                return Outcome::Wrong("a delete had no outcome in time".into());
            }
            tokio::time::sleep(draws.ms(100, 1000)).await;
        }
        tally.deleted.fetch_add(1, Ordering::Relaxed);
        if draws.percent(50) {
            return Outcome::Deleted { arn };
        }
        tokio::time::sleep(draws.ms(0, MAX_PAUSE_MS)).await;
        loop {
            match self.send_once(client).await {
                Some(Outcome::NotFound | Outcome::Rejected) => return Outcome::Deleted { arn },
                Some(again @ Outcome::Acknowledged { .. }) => {
                    tally.executed_again.fetch_add(1, Ordering::Relaxed);
                    if tally.restores.load(Ordering::Relaxed) > restores {
                        return again;
                    }
                    return Outcome::Wrong(format!("{again:?} after the delete of {arn}"));
                }
                Some(other) => return other,
                None if tally.is_late() => {
                    return Outcome::Wrong("a repeated create had no outcome in time".into());
                }
                None => tokio::time::sleep(Duration::from_millis(300)).await,
            }
        }
    }

    /// One call. Returns `false` after an error after which the caller retries.
    async fn is_deleted(
        &self,
        arn: &str,
        client: &IngestServiceClient<Channel>,
    ) -> Result<bool, String> {
        let message = DeleteIngestConfigurationRequest { arn: arn.to_owned(), force: false };
        let mut request = Request::new(message);
        request.metadata_mut().insert("x-tenant-id", self.tenant.parse().unwrap());
        let Err(status) = client.clone().delete_ingest_configuration(request).await else {
            return Ok(true);
        };
        // Errors of the transport have no details.
        let Some(info) = status.get_details_error_info() else { return Ok(false) };
        match info.reason.as_str() {
            // An earlier call has deleted it, and the ledger was restored since.
            "NOT_FOUND" => Ok(true),
            reason if is_retryable(reason, &status) => Ok(false),
            reason => Err(format!("delete of {arn}: {reason}: {status}")),
        }
    }
}
