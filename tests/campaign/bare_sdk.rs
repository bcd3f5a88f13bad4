//! The same creates through the AWS SDK alone, with its default retries.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use aws_sdk_ivsrealtime::{Client, types};
use ivs_ingest_gateway::proto::v1::IngestProtocol;
use ivs_realtime_emulator::Operation;
use tokio::{sync::Semaphore, task::JoinSet};

use crate::{aws::Aws, callers::Job};

/// Number of concurrent creates: low enough that only faults make creates fail.
const CONCURRENCY: usize = 48;

/// Delay before the program repeats a failed call.
const PAUSE: Duration = Duration::from_millis(250);

/// The result of the run.
pub(crate) struct Outcome {
    /// Calls of the SDK, each with the SDK's own retries.
    pub(crate) calls: usize,
    /// Creates that reached AWS.
    pub(crate) sent: u64,
    pub(crate) acknowledged: usize,
    pub(crate) live: usize,
    pub(crate) lost: usize,
    pub(crate) injected: Vec<(&'static str, u64, u64)>,
}

/// Executes every request. When the SDK gives up, the program calls it again.
pub(crate) async fn run(aws: &Aws, jobs: Vec<Job>, attempt_timeout: Duration) -> Outcome {
    let client = aws.client(None, attempt_timeout);
    let permits = Arc::new(Semaphore::new(CONCURRENCY));
    let mut callers = JoinSet::new();
    for job in jobs {
        let (client, permits) = (client.clone(), Arc::clone(&permits));
        callers.spawn(async move {
            let _permit = permits.acquire().await.unwrap();
            let mut calls = 1;
            loop {
                if let Some(arn) = create(&client, &job).await {
                    return (arn, calls);
                }
                calls += 1;
                tokio::time::sleep(PAUSE).await;
            }
        });
    }
    let outcomes = callers.join_all().await;
    aws.control().clear_faults().unwrap();
    // AWS executes delayed creates up to 600 ms later.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let held: BTreeSet<String> =
        aws.configurations().into_iter().map(|at_aws| at_aws.arn).collect();
    Outcome {
        calls: outcomes.iter().map(|(_, calls)| calls).sum(),
        sent: aws.calls(Operation::CreateIngestConfiguration).calls,
        acknowledged: outcomes.len(),
        live: held.len(),
        lost: outcomes.iter().filter(|(arn, _)| !held.contains(arn)).count(),
        injected: aws.injected(),
    }
}

/// One call. An error is final after the SDK's retries.
async fn create(client: &Client, job: &Job) -> Option<String> {
    let request = job.request.clone();
    let protocol = match request.ingest_protocol() {
        IngestProtocol::Rtmp => types::IngestProtocol::Rtmp,
        _ => types::IngestProtocol::Rtmps,
    };
    let call = client
        .create_ingest_configuration()
        .name(request.name)
        .stage_arn(request.stage_arn)
        .user_id(request.user_id)
        .set_attributes(Some(request.attributes.into_iter().collect()))
        .ingest_protocol(protocol)
        .insecure_ingest(request.insecure_ingest)
        .redundant_ingest(request.redundant_ingest)
        .tags("tenant", &job.tenant)
        .tags("request", request.request_id)
        .send();
    Some(call.await.ok()?.ingest_configuration?.arn)
}
