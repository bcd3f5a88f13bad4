//! The same creates through the AWS SDK alone, with its default retries.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use aws_sdk_ivsrealtime::{Client, types};
use ivs_ingest_gateway::proto::v1::IngestProtocol;
use ivs_realtime_emulator::Operation;
use tokio::{sync::Semaphore, task::JoinSet};

use crate::{aws::Aws, callers::Wish};

/// Number of concurrent creates: low enough that only faults make creates fail.
const CONCURRENCY: usize = 48;

/// Time between two calls of a program that retries.
const PAUSE: Duration = Duration::from_millis(250);

/// The result.
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
pub(crate) async fn run(aws: &Aws, wishes: Vec<Wish>, attempt_timeout: Duration) -> Outcome {
    let client = aws.client(None, attempt_timeout);
    let places = Arc::new(Semaphore::new(CONCURRENCY));
    let mut callers = JoinSet::new();
    for wish in wishes {
        let (client, places) = (client.clone(), Arc::clone(&places));
        callers.spawn(async move {
            let _place = places.acquire().await.unwrap();
            let mut calls = 1;
            loop {
                if let Some(arn) = create(&client, &wish).await {
                    return (arn, calls);
                }
                calls += 1;
                tokio::time::sleep(PAUSE).await;
            }
        });
    }
    let ends = callers.join_all().await;
    // Late executions have ended by now.
    aws.control().clear_faults().unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let held: BTreeSet<String> = aws.held().into_iter().map(|held| held.arn).collect();
    Outcome {
        calls: ends.iter().map(|(_, calls)| calls).sum(),
        sent: aws.calls(Operation::CreateIngestConfiguration).calls,
        acknowledged: ends.len(),
        live: held.len(),
        lost: ends.iter().filter(|(arn, _)| !held.contains(arn)).count(),
        injected: aws.injected(),
    }
}

/// One call. An error is final after the SDK's retries.
async fn create(client: &Client, wish: &Wish) -> Option<String> {
    let request = wish.request.clone();
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
        .tags("tenant", &wish.tenant)
        .tags("request", request.request_id)
        .send();
    Some(call.await.ok()?.ingest_configuration?.arn)
}
