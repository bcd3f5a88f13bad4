//! Creates one ingest configuration and keeps its `request_id` until the outcome is known.
//!
//! ```sh
//! cargo run --example create -- --address 127.0.0.1:50051 \
//!     --tenant acme --stage arn:aws:ivs:us-east-1:123456789012:stage/AcmeStudio0001
//! ```

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command that prints")]
#![expect(clippy::disallowed_methods, reason = "a client needs real randomness")]

use std::{error::Error, time::Duration};

use clap::Parser;
// A program of your own generates these with tonic-prost-build from `proto/`.
use ivs_ingest_gateway::proto::v1::{
    CreateIngestConfigurationRequest, IngestConfiguration, IngestProtocol,
    ingest_service_client::IngestServiceClient,
};
use rand::{RngExt, rngs::StdRng};
use tokio::time::{Instant, sleep, timeout_at};
use tonic::{Code, Request, Status, transport::Channel};
use tonic_types::StatusExt;

const ERROR_DOMAIN: &str = "ivs-ingest-gateway";
const FIRST_BACKOFF: Duration = Duration::from_millis(200);
const LAST_BACKOFF: Duration = Duration::from_secs(5);

#[derive(Parser)]
struct Options {
    #[arg(long, value_name = "HOST:PORT")]
    address: String,
    #[arg(long)]
    tenant: String,
    #[arg(long, value_name = "ARN")]
    stage: String,
    /// At most one configuration exists per tenant and id [default: 128 random bits]
    #[arg(long)]
    request_id: Option<String>,
    #[arg(long, default_value_t = 10_000)]
    attempt_timeout_ms: u64,
    #[arg(long, default_value_t = 60_000)]
    budget_ms: u64,
}

/// Returns the reason and the retry delay, if the gateway made the error.
fn gateway_error(status: &Status) -> Option<(String, Option<Duration>)> {
    let details = status.get_error_details();
    let info = details.error_info().filter(|info| info.domain == ERROR_DOMAIN)?;
    let delay = details.retry_info().and_then(|retry| retry.retry_delay);
    Some((info.reason.clone(), delay))
}

/// Sends one attempt, which ends at the deadline.
async fn attempt(
    mut client: IngestServiceClient<Channel>,
    message: CreateIngestConfigurationRequest,
    tenant: &str,
    deadline: Instant,
) -> Result<IngestConfiguration, Status> {
    let mut request = Request::new(message);
    let tenant = tenant.parse().map_err(|_| Status::invalid_argument("--tenant is not ASCII"))?;
    request.metadata_mut().insert("x-tenant-id", tenant);
    // The gateway learns the deadline, and ends the call shortly before it.
    request.set_timeout(deadline - Instant::now());
    let response = timeout_at(deadline, client.create_ingest_configuration(request)).await;
    let response = response.map_err(|_| Status::new(Code::DeadlineExceeded, "timed out"))??;
    let created = response.into_inner().ingest_configuration;
    created.ok_or_else(|| Status::internal("a response without a configuration"))
}

/// Returns the configuration and the number of attempts.
async fn create(
    client: &IngestServiceClient<Channel>,
    message: &CreateIngestConfigurationRequest,
    options: &Options,
    random: &mut StdRng,
) -> Result<(IngestConfiguration, u32), Status> {
    let end = Instant::now() + Duration::from_millis(options.budget_ms);
    let mut backoff = FIRST_BACKOFF;
    let mut attempts = 1;
    loop {
        let deadline = Instant::now() + Duration::from_millis(options.attempt_timeout_ms);
        // The message is the same in each attempt.
        let sent = attempt(client.clone(), message.clone(), &options.tenant, deadline.min(end));
        let status = match sent.await {
            Ok(created) => return Ok((created, attempts)),
            Err(status) => status,
        };
        let (reason, delay) = gateway_error(&status).unwrap_or_else(|| {
            // The network or a proxy made this error. The gateway may have created the
            // configuration, or may do so yet: only the same request_id finds out. The
            // jitter keeps many clients from returning in the same moment.
            let delay = backoff.mul_f64(random.random_range(0.5..1.0));
            backoff = (backoff * 2).min(LAST_BACKOFF);
            ("no ErrorInfo".to_owned(), Some(delay))
        });
        // If the gateway made it, it knows: without RetryInfo no retry can help.
        let delay = delay.filter(|delay| Instant::now() + *delay < end);
        let verdict = delay.map(|delay| format!("retry in {} ms", delay.as_millis()));
        let verdict = verdict.as_deref().unwrap_or("no retry");
        eprintln!("attempt {attempts}: {:?}, {reason}, {verdict}", status.code());
        sleep(delay.ok_or(status)?).await;
        attempts += 1;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let mut random: StdRng = rand::make_rng();
    // Made once, before the first attempt.
    let request_id = options.request_id.clone();
    let request_id = request_id.unwrap_or_else(|| format!("{:032x}", random.random::<u128>()));
    let message = CreateIngestConfigurationRequest {
        stage_arn: options.stage.clone(),
        ingest_protocol: IngestProtocol::Rtmps.into(),
        request_id: request_id.clone(),
        ..Default::default()
    };
    let channel = Channel::from_shared(format!("http://{}", options.address))?.connect_lazy();
    let client = IngestServiceClient::new(channel);
    let created = create(&client, &message, &options, &mut random).await;
    let (created, attempts) =
        created.map_err(|status| format!("request_id {request_id}: {}", status.message()))?;
    let json = serde_json::json!({
        "arn": created.arn,
        "stream_key": created.stream_key,
        "ingest_endpoint": created.ingest_endpoint,
        "attempts": attempts,
    });
    println!("{json}");
    Ok(())
}
