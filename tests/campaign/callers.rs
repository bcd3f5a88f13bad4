//! Callers of the gateway. They cancel calls, send some requests twice, and retry a request
//! until it has an outcome or they abandon it.

use std::{
    collections::BTreeMap,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use ivs_ingest_gateway::proto::v1::{
    CreateIngestConfigurationRequest, IngestProtocol, ingest_service_client::IngestServiceClient,
};
use tonic::{Request, Status, transport::Channel};
use tonic_types::StatusExt;

use crate::draws::Draws;

/// Time limit of a request after the end of all faults. Before, kills and faults may interrupt the
/// resolution of a create any number of times.
const LIMIT_AFTER_FAULTS: Duration = Duration::from_mins(3);

/// A create that one caller sends until it has an outcome.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) tenant: String,
    pub(crate) request: CreateIngestConfigurationRequest,
}

/// The outcome of a request, as its caller knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The gateway returned a configuration.
    Acknowledged { arn: String, stream_key: String },
    /// The gateway rejected the create because of the tenant's quota.
    Rejected,
    /// The caller cancelled a call and did not retry.
    Abandoned,
    /// The caller has deleted the configuration.
    Deleted { arn: String },
    /// The configuration was deleted before.
    NotFound,
    /// Any other outcome, which is a defect.
    Wrong(String),
}

/// Counts of the calls of all callers.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) calls: AtomicUsize,
    pub(crate) cancelled: AtomicUsize,
    pub(crate) replayed: AtomicUsize,
    pub(crate) deleted: AtomicUsize,
    /// Creates that were executed again after the delete of their configuration.
    pub(crate) executed_again: AtomicUsize,
    /// The number of times that an earlier copy of the ledger has replaced it so far.
    pub(crate) restores: AtomicUsize,
    pub(crate) faults_ended: OnceLock<Instant>,
}

impl Tally {
    /// Whether a request without an outcome is a defect.
    pub(crate) fn is_late(&self) -> bool {
        self.faults_ended.get().is_some_and(|ended| ended.elapsed() > LIMIT_AFTER_FAULTS)
    }
}

/// The cancellation of one call.
enum Cancellation {
    Never,
    /// By a deadline.
    Deadline(Duration),
    /// By a disconnect.
    Drop(Duration),
}

impl Job {
    /// Draws a create of the tenant. There are few values, so many creates are equal except
    /// for their tags.
    pub(crate) fn draw(draws: &mut Draws, tenant: &str, stages: &[String], id: String) -> Self {
        let text = |draws: &mut Draws, all: &[&str]| (*draws.one_of(all)).to_owned();
        let stage_arn =
            if draws.percent(1) { String::new() } else { draws.one_of(stages).to_owned() };
        let insecure_ingest = draws.percent(30);
        let protocol = if insecure_ingest { IngestProtocol::Rtmp } else { IngestProtocol::Rtmps };
        let request = CreateIngestConfigurationRequest {
            name: text(draws, &["", "studio", "camera-1"]),
            stage_arn,
            user_id: text(draws, &["", "producer"]),
            attributes: BTreeMap::from([("room".into(), text(draws, &["a", "b"]))]),
            ingest_protocol: protocol.into(),
            insecure_ingest,
            redundant_ingest: draws.percent(10),
            tags: BTreeMap::from([("show".into(), text(draws, &["morning", "evening"]))]),
            request_id: id,
            validate_only: false,
        };
        Self { tenant: tenant.to_owned(), request }
    }

    /// Sends the create once, without a cancellation.
    pub(crate) async fn send_once(&self, client: &IngestServiceClient<Channel>) -> Option<Outcome> {
        self.call(client, &Cancellation::Never, &Tally::default()).await
    }

    /// Sends the create until it has an outcome. Some callers delete the configuration then.
    pub(crate) async fn run(
        &self,
        client: &IngestServiceClient<Channel>,
        draws: &mut Draws,
        tally: &Tally,
    ) -> Outcome {
        match self.create(client, draws, tally).await {
            Outcome::Acknowledged { arn, .. } if draws.percent(10) => {
                self.delete(arn, client, draws, tally).await
            }
            Outcome::NotFound => Outcome::Wrong("NOT_FOUND without a delete".into()),
            outcome => outcome,
        }
    }

    /// Sends the create with the same `request_id` until it has an outcome.
    async fn create(
        &self,
        client: &IngestServiceClient<Channel>,
        draws: &mut Draws,
        tally: &Tally,
    ) -> Outcome {
        let abandons = draws.percent(15);
        loop {
            let cancellation = Cancellation::draw(draws);
            // Some callers send a request twice concurrently, as a hedging proxy does.
            let outcome = if draws.percent(5) {
                let (one, other) = tokio::join!(
                    self.call(client, &cancellation, tally),
                    self.call(client, &cancellation, tally)
                );
                merge(one, other)
            } else {
                self.call(client, &cancellation, tally).await
            };
            match outcome {
                Some(Outcome::Abandoned) if !abandons => {}
                Some(outcome) => return outcome,
                None => {}
            }
            if tally.is_late() {
                return Outcome::Wrong("no outcome in time".into());
            }
            // Retries earlier than the gateway's `RetryInfo` requests.
            tokio::time::sleep(draws.ms(100, 1000)).await;
        }
    }

    /// One call. Returns `None` for an error after which the caller retries.
    async fn call(
        &self,
        client: &IngestServiceClient<Channel>,
        cancellation: &Cancellation,
        tally: &Tally,
    ) -> Option<Outcome> {
        tally.calls.fetch_add(1, Ordering::Relaxed);
        let mut request = Request::new(self.request.clone());
        request.metadata_mut().insert("x-tenant-id", self.tenant.parse().unwrap());
        if let Cancellation::Deadline(deadline) = cancellation {
            request.set_timeout(*deadline);
        }
        let mut client = client.clone();
        let call = client.create_ingest_configuration(request);
        let response = match cancellation {
            Cancellation::Drop(after) => tokio::time::timeout(*after, call).await.ok(),
            _ => Some(call.await),
        };
        let Some(response) = response else {
            tally.cancelled.fetch_add(1, Ordering::Relaxed);
            return Some(Outcome::Abandoned);
        };
        match response {
            Ok(response) => {
                let response = response.into_inner();
                tally.replayed.fetch_add(usize::from(response.replayed), Ordering::Relaxed);
                let created = response.ingest_configuration.unwrap();
                Some(Outcome::Acknowledged { arn: created.arn, stream_key: created.stream_key })
            }
            Err(status)
                if matches!(cancellation, Cancellation::Deadline(_)) && is_deadline(&status) =>
            {
                tally.cancelled.fetch_add(1, Ordering::Relaxed);
                Some(Outcome::Abandoned)
            }
            Err(status) => outcome_of(&status),
        }
    }
}

impl Cancellation {
    fn draw(draws: &mut Draws) -> Self {
        if !draws.percent(20) {
            return Self::Never;
        }
        // Most creates take a few milliseconds, so most cancellations must occur in that time.
        let longest = *draws.one_of(&[4, 10, 30, 100, 500]);
        let after = draws.ms(0, longest);
        if draws.percent(50) { Self::Deadline(after) } else { Self::Drop(after) }
    }
}

/// Merges the outcomes of two concurrent calls with one `request_id`. They must not return
/// different configurations.
fn merge(one: Option<Outcome>, other: Option<Outcome>) -> Option<Outcome> {
    match (one, other) {
        (Some(one @ Outcome::Acknowledged { .. }), Some(other @ Outcome::Acknowledged { .. }))
            if one != other =>
        {
            Some(Outcome::Wrong(
                "two calls with one request_id returned different configurations".into(),
            ))
        }
        (Some(acknowledged @ Outcome::Acknowledged { .. }), _)
        | (_, Some(acknowledged @ Outcome::Acknowledged { .. })) => Some(acknowledged),
        (Some(wrong @ Outcome::Wrong(_)), _) | (_, Some(wrong @ Outcome::Wrong(_))) => Some(wrong),
        (Some(Outcome::Rejected), Some(Outcome::Rejected)) => Some(Outcome::Rejected),
        (Some(Outcome::Abandoned), _) | (_, Some(Outcome::Abandoned)) => Some(Outcome::Abandoned),
        _ => None,
    }
}

fn is_deadline(status: &Status) -> bool {
    matches!(status.code(), tonic::Code::DeadlineExceeded | tonic::Code::Cancelled)
}

fn outcome_of(status: &Status) -> Option<Outcome> {
    // Errors of the transport have no details. The gateway is down or starting.
    let reason = status.get_details_error_info()?.reason;
    match reason.as_str() {
        "TENANT_COUNT_QUOTA" => Some(Outcome::Rejected),
        "NOT_FOUND" => Some(Outcome::NotFound),
        reason if is_retryable(reason, status) => None,
        reason => Some(Outcome::Wrong(format!("{reason}: {status}"))),
    }
}

/// Whether the caller retries after the error.
pub(crate) fn is_retryable(reason: &str, status: &Status) -> bool {
    status.get_details_retry_info().is_some() || reason == "DEADLINE_EXCEEDED"
}
