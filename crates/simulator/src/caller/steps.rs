//! The steps of a caller after its create: it reads, lists, changes and deletes.

use std::collections::BTreeSet;

use invariants::Invariant;
use ivs_ingest_gateway::{
    proto::v1::{
        DeleteIngestConfigurationRequest, GetIngestConfigurationRequest, IngestConfigurationView,
        ListIngestConfigurationsRequest, UpdateIngestConfigurationRequest,
    },
    rpc::Rpc,
};
use prost_types::FieldMask;
use tokio::time::{Instant, sleep, timeout};
use tonic::{Request, Response, Status};

use super::{Caller, CreateOutcome, MAX_ATTEMPTS, is_defect};
use crate::{gateway::CallError, method};

/// The error of a call that the caller has given up.
const NO_OUTCOME: &str = "no outcome";

impl Caller {
    /// A call for an own configuration failed.
    fn failed(&self, arn: &str, reason: &str) {
        self.says(reason);
        // Other reasons, for example that AWS denies the call, say nothing about existence.
        if reason == "NOT_FOUND" && self.history.exists(arn) {
            let detail = format!("{arn} exists, and its tenant got {reason}");
            self.history.violated(Invariant::Reachable, detail);
        }
        if is_defect(reason) {
            self.history.violated(Invariant::ErrorsAreTrue, format!("{arn}: {reason}"));
        }
    }

    pub(super) async fn get(&mut self, outcome: &CreateOutcome) {
        let CreateOutcome::Returned(arn) = outcome else { return };
        let message = GetIngestConfigurationRequest {
            arn: arn.clone(),
            view: IngestConfigurationView::Full.into(),
        };
        let began = Instant::now();
        match self.retried("get", &message, method!(get_ingest_configuration)).await {
            Ok(response) => {
                let read = response.ingest_configuration.unwrap_or_default();
                self.says(&format!("read {}", read.arn));
                self.history.returned(&self.key(), &read.arn, &read.stream_key, began);
            }
            Err(reason) => self.failed(arn, &reason),
        }
    }

    pub(super) async fn list(&mut self) {
        let (began, before) = (Instant::now(), self.history.kept_by(self.tenant()));
        let mut arns = BTreeSet::new();
        let mut message = ListIngestConfigurationsRequest { page_size: 7, ..Default::default() };
        loop {
            let page = self.retried("list", &message, method!(list_ingest_configurations)).await;
            let response = match page {
                Ok(response) => response,
                Err(reason) => return self.failed("the list", &reason),
            };
            arns.extend(response.ingest_configurations.into_iter().map(|it| it.arn));
            message.page_token = response.next_page_token;
            if message.page_token.is_empty() {
                break;
            }
        }
        self.says(&format!("listed {}", arns.len()));
        self.history.listed(self.tenant(), &arns, &before, began);
    }

    /// Tries to use a configuration of another tenant, as if it were its own.
    pub(super) async fn foreign(&mut self) {
        let Some(arn) = self.history.foreign(self.tenant()) else { return };
        let get = GetIngestConfigurationRequest { arn: arn.clone(), ..Default::default() };
        let get = self.retried("foreign get", &get, method!(get_ingest_configuration)).await;
        let update = UpdateIngestConfigurationRequest {
            arn: arn.clone(),
            redundant_ingest: true,
            update_mask: Some(FieldMask { paths: vec!["redundant_ingest".into()] }),
            ..UpdateIngestConfigurationRequest::default()
        };
        let update =
            self.retried("foreign update", &update, method!(update_ingest_configuration)).await;
        let delete = DeleteIngestConfigurationRequest { arn: arn.clone(), force: true };
        let delete =
            self.retried("foreign delete", &delete, method!(delete_ingest_configuration)).await;
        for reason in [get.err(), update.err(), delete.err()] {
            // `Liveness` has the calls without an outcome.
            if !matches!(reason.as_deref(), Some("NOT_FOUND" | NO_OUTCOME)) {
                let detail = format!("{} used {arn}: {reason:?}", self.tenant());
                self.history.violated(Invariant::Isolation, detail);
            }
        }
    }

    pub(super) async fn update(&mut self, outcome: &CreateOutcome) {
        let CreateOutcome::Returned(arn) = outcome else { return };
        let message = UpdateIngestConfigurationRequest {
            arn: arn.clone(),
            redundant_ingest: true,
            update_mask: Some(FieldMask { paths: vec!["redundant_ingest".into()] }),
            ..UpdateIngestConfigurationRequest::default()
        };
        match self.retried("update", &message, method!(update_ingest_configuration)).await {
            Ok(_) => {
                self.says("updated");
                self.history.update_confirmed(arn);
            }
            Err(reason) => self.failed(arn, &reason),
        }
    }

    pub(super) async fn delete(&mut self, outcome: &CreateOutcome) {
        let CreateOutcome::Returned(arn) = outcome else { return };
        self.history.delete_begun(arn);
        let message = DeleteIngestConfigurationRequest { arn: arn.clone(), force: false };
        match self.retried("delete", &message, method!(delete_ingest_configuration)).await {
            Ok(_) => {
                self.says(&format!("{arn} is deleted"));
                self.history.delete_confirmed(arn);
            }
            Err(reason) => self.failed(arn, &reason),
        }
    }

    /// Makes a call until it has an outcome. Returns the reason of a final error.
    async fn retried<M, R, F>(
        &mut self,
        name: &str,
        message: &M,
        method: impl Fn(Rpc, Request<M>) -> F,
    ) -> Result<R, String>
    where
        M: Clone,
        R: Send + 'static,
        F: Future<Output = Result<Response<R>, Status>> + Send + 'static,
    {
        // Since its last return.
        let mut present = Instant::now();
        let mut outcome = Err(NO_OUTCOME.to_owned());
        for attempt in 0..MAX_ATTEMPTS {
            let gateway = self.connected().await;
            self.says(name);
            let call = gateway.call(self.tenant(), message.clone(), self.plan.deadline, &method);
            let leaves = self.plan.leaves.filter(|_| attempt < self.plan.leaves_times);
            let response = match leaves {
                Some(leaves) => timeout(leaves, call).await.ok(),
                None => Some(call.await),
            };
            let Some(response) = response else {
                self.says("disconnects");
                sleep(self.plan.returns_after).await;
                present = Instant::now();
                continue;
            };
            match response {
                Ok(response) => {
                    outcome = Ok(response);
                    break;
                }
                Err(CallError::Retry { reason, delay }) => {
                    self.says(&format!("{reason}, retries after {delay:?}"));
                    self.pause(delay).await;
                }
                Err(CallError::Final { reason }) => {
                    outcome = Err(reason);
                    break;
                }
            }
        }
        self.history.call_ended(&format!("the {name} of {:?}", self.key()), present);
        outcome
    }
}
