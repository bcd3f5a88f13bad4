//! A lost ledger is rebuilt from AWS alone, even if the gateway is killed during the rebuild.

use std::time::{Duration, Instant};

use ivs_ingest_gateway::proto::v1::ingest_service_client::IngestServiceClient;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use crate::{
    aws::Aws,
    callers::{Job, Outcome},
    draws::Draws,
    gateway::{Gateway, GatewaySettings, until},
    ledger_file::LedgerRow,
    number_from_environment, print,
};

const CREATES: usize = 300;

/// The comparison uses this rate. So it takes more than a second, and the test can kill
/// the gateway during it.
const CALLS_PER_SECOND: f64 = 400.0;

/// The configurations that were created before the ledger was lost.
struct Before {
    jobs: Vec<Job>,
    outcomes: Vec<Outcome>,
    rows: Vec<LedgerRow>,
}

pub(crate) async fn rebuild() {
    let seed = number_from_environment("CAMPAIGN_SEED", 1);
    let mut draws = Draws::of(seed, 0);
    // Each tenant uses its whole quota.
    let tenants: Vec<_> = (0..3).map(|tenant| (format!("tenant-{tenant}"), CREATES / 3)).collect();
    let of_tenant = |(tenant, _): &(String, usize)| (format!("{tenant}-studio"), tenant.clone());
    let (aws, stages) = Aws::start(CALLS_PER_SECOND, seed, tenants.iter().map(of_tenant));
    let settings = GatewaySettings {
        calls_per_second: CALLS_PER_SECOND,
        attempt_timeout_ms: 4000,
        scan_interval_ms: 60_000,
        retry_after_ms: 5000,
        give_up_after_ms: 900_000,
        ..GatewaySettings::default()
    };
    let mut gateway = Gateway::new(&aws, &settings, &tenants, &mut draws);
    gateway.start();
    gateway.ready().await;
    let job = |index: usize| {
        let tenant = index % 3;
        let mut job = Job::draw(
            &mut draws,
            &tenants[tenant].0,
            &stages[tenant..=tenant],
            format!("{seed}-{index}"),
        );
        if index.is_multiple_of(10) {
            job.request.request_id.clear();
        }
        job
    };
    let jobs: Vec<Job> = (0..CREATES).map(job).collect();
    let outcomes = send_all(&gateway.client(), &jobs).await;
    assert!(
        outcomes.iter().all(|outcome| matches!(outcome, Some(Outcome::Acknowledged { .. }))),
        "{outcomes:?}"
    );
    gateway.stop().await;
    let outcomes = outcomes.into_iter().flatten().collect();
    let before = Before { jobs, outcomes, rows: gateway.ledger.rows() };
    assert_eq!(before.rows.len(), CREATES);

    // Lists show new configurations late, and the rebuild finds only listed ones.
    until("AWS lists all of them", async || aws.listed().await == CREATES).await;
    gateway.ledger.delete();
    let lost = Instant::now();
    gateway.start();
    gateway.ready().await;
    let took = lost.elapsed();
    before.assert_restored(&gateway, &aws).await;
    gateway.stop().await;

    gateway.ledger.delete();
    gateway.start();
    let some = |rows: Vec<LedgerRow>| rows.len() > CREATES / 10;
    until("a tenth of the rows is rebuilt", async || gateway.ledger.try_rows().is_ok_and(some))
        .await;
    gateway.kill().await;
    let rebuilt = gateway.ledger.rows().len();
    assert!(rebuilt < CREATES, "the gateway was killed after the rebuild");
    gateway.start();
    gateway.ready().await;
    before.assert_restored(&gateway, &aws).await;
    gateway.stop().await;

    print(&format!(
        "\nlost ledger: {CREATES} rows of {} tenants rebuilt {:.1} s after the start, at {} reads \
         a second; killed at {rebuilt} rows, and rebuilt again",
        tenants.len(),
        took.as_secs_f64(),
        CALLS_PER_SECOND
    ));
}

impl Before {
    /// Checks that the ledger has the rows of before, and that callers receive the same
    /// responses as before.
    async fn assert_restored(&self, gateway: &Gateway, aws: &Aws) {
        let rows = gateway.ledger.rows();
        assert!(
            rows == self.rows,
            "{} rows differ from the {} rows before the loss",
            rows.len(),
            self.rows.len()
        );
        let client = gateway.client();
        let has_id = |(job, _): &(&Job, &Outcome)| !job.request.request_id.is_empty();
        let with_id = self.jobs.iter().zip(&self.outcomes).filter(has_id);
        let (jobs, outcomes): (Vec<_>, Vec<_>) =
            with_id.map(|(job, outcome)| (job.clone(), Some(outcome.clone()))).unzip();
        let again = send_all(&client, &jobs).await;
        assert!(again == outcomes, "an old request_id did not return its configuration");
        for tenant in 0..3 {
            let mut another = self.jobs[tenant].clone();
            another.request.request_id = "one-more".into();
            assert_eq!(another.send_once(&client).await, Some(Outcome::Rejected));
        }
        assert_eq!(aws.configurations().len(), CREATES);
    }
}

/// Sends all creates concurrently, and retries those that fail with a retryable error.
async fn send_all(client: &IngestServiceClient<Channel>, jobs: &[Job]) -> Vec<Option<Outcome>> {
    let mut calls = JoinSet::new();
    for (index, job) in jobs.iter().cloned().enumerate() {
        let client = client.clone();
        calls.spawn(async move {
            for _ in 0..100 {
                let outcome = job.send_once(&client).await;
                if outcome.is_some() {
                    return (index, outcome);
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            (index, None)
        });
    }
    let mut outcomes = calls.join_all().await;
    outcomes.sort_by_key(|(index, _)| *index);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}
