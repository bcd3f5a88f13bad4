//! Callers of the gateway. They cancel calls, send some requests twice, and retry a request
//! until it has an outcome or they abandon it.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use ivs_ingest_gateway::proto::v1::{
    CreateIngestConfigurationRequest, IngestProtocol, ingest_service_client::IngestServiceClient,
};
use tonic::{Request, Status, transport::Channel};
use tonic_types::StatusExt;

use crate::draws::Draws;

/// Time limit of a request with all its retries.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(150);

/// The request of one caller.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) tenant: String,
    pub(crate) request: CreateIngestConfigurationRequest,
}

/// The outcome of a request, as its caller knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// The gateway returned a configuration.
    Acknowledged { arn: String, stream_key: String },
    /// The gateway rejected the create for the tenant's quota.
    Refused,
    /// The caller cancelled a call and did not retry.
    Abandoned,
    /// Any other outcome is a defect.
    Wrong(String),
}

/// The results of all callers.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) calls: AtomicUsize,
    pub(crate) cancelled: AtomicUsize,
    pub(crate) replayed: AtomicUsize,
}

/// The cancellation of one call.
enum Cut {
    Never,
    /// By a deadline.
    Deadline(Duration),
    /// By a disconnect.
    Drop(Duration),
}

impl Wish {
    /// A create of the tenant. Most creates are equal except for their tags.
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

    /// Sends the create once, and waits for the response.
    pub(crate) async fn ask(&self, client: &IngestServiceClient<Channel>) -> Option<End> {
        self.call(client, &Cut::Never, &Tally::default()).await
    }

    /// Sends the create with the same `request_id` until it has an outcome.
    pub(crate) async fn carry_out(
        &self,
        client: &IngestServiceClient<Channel>,
        draws: &mut Draws,
        tally: &Tally,
    ) -> End {
        let began = Instant::now();
        let gives_up = draws.percent(15);
        loop {
            let cut = Cut::draw(draws);
            // Some callers send a request twice concurrently, as a hedging proxy does.
            let end = if draws.percent(5) {
                let (one, other) =
                    tokio::join!(self.call(client, &cut, tally), self.call(client, &cut, tally));
                agreed(one, other)
            } else {
                self.call(client, &cut, tally).await
            };
            match end {
                Some(End::Abandoned) if !gives_up => {}
                Some(end) => return end,
                None => {}
            }
            if began.elapsed() > REQUEST_TIMEOUT {
                return End::Wrong("no answer".into());
            }
            // Earlier than the RetryInfo of the gateway.
            tokio::time::sleep(draws.ms(100, 1000)).await;
        }
    }

    /// One call. Returns `None` for an error after which the caller retries.
    async fn call(
        &self,
        client: &IngestServiceClient<Channel>,
        cut: &Cut,
        tally: &Tally,
    ) -> Option<End> {
        tally.calls.fetch_add(1, Ordering::Relaxed);
        let mut request = Request::new(self.request.clone());
        request.metadata_mut().insert("x-tenant-id", self.tenant.parse().unwrap());
        if let Cut::Deadline(deadline) = cut {
            request.set_timeout(*deadline);
        }
        let mut client = client.clone();
        let call = client.create_ingest_configuration(request);
        let answer = match cut {
            Cut::Drop(after) => tokio::time::timeout(*after, call).await.ok(),
            _ => Some(call.await),
        };
        let Some(answer) = answer else {
            tally.cancelled.fetch_add(1, Ordering::Relaxed);
            return Some(End::Abandoned);
        };
        match answer {
            Ok(answer) => {
                let answer = answer.into_inner();
                tally.replayed.fetch_add(usize::from(answer.replayed), Ordering::Relaxed);
                let made = answer.ingest_configuration.unwrap();
                Some(End::Acknowledged { arn: made.arn, stream_key: made.stream_key })
            }
            Err(status) if matches!(cut, Cut::Deadline(_)) && is_deadline(&status) => {
                tally.cancelled.fetch_add(1, Ordering::Relaxed);
                Some(End::Abandoned)
            }
            Err(status) => judge(&status),
        }
    }
}

impl Cut {
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

/// Two calls with one `request_id` must have the same outcome.
fn agreed(one: Option<End>, other: Option<End>) -> Option<End> {
    match (one, other) {
        (Some(one @ End::Acknowledged { .. }), Some(other @ End::Acknowledged { .. }))
            if one != other =>
        {
            Some(End::Wrong("two calls with one request_id got two answers".into()))
        }
        (Some(acknowledged @ End::Acknowledged { .. }), _)
        | (_, Some(acknowledged @ End::Acknowledged { .. })) => Some(acknowledged),
        (Some(wrong @ End::Wrong(_)), _) | (_, Some(wrong @ End::Wrong(_))) => Some(wrong),
        (Some(End::Refused), Some(End::Refused)) => Some(End::Refused),
        (Some(End::Abandoned), _) | (_, Some(End::Abandoned)) => Some(End::Abandoned),
        _ => None,
    }
}

fn is_deadline(status: &Status) -> bool {
    matches!(status.code(), tonic::Code::DeadlineExceeded | tonic::Code::Cancelled)
}

fn judge(status: &Status) -> Option<End> {
    // Errors of the transport have no details: the gateway is down or starting.
    let reason = status.get_details_error_info()?.reason;
    if reason == "TENANT_COUNT_QUOTA" {
        return Some(End::Refused);
    }
    let again = status.get_details_retry_info().is_some() || reason == "DEADLINE_EXCEEDED";
    (!again).then(|| End::Wrong(format!("{reason}: {status}")))
}
