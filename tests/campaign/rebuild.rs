//! A lost ledger is rebuilt from AWS alone, even if the gateway is killed during that.

use std::time::{Duration, Instant};

use ivs_ingest_gateway::proto::v1::ingest_service_client::IngestServiceClient;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use crate::{
    aws::Aws,
    callers::{End, Wish},
    draws::Draws,
    gateway::{Gateway, LedgerRow, Times, until},
    number_from_environment, say,
};

const CREATES: usize = 300;

/// The rebuild uses half of it, so it takes more than a second and can be killed.
const CALLS_PER_SECOND: f64 = 400.0;

/// The configurations that were created before the ledger was lost.
struct Before {
    wishes: Vec<Wish>,
    ends: Vec<End>,
    rows: Vec<LedgerRow>,
}

pub(crate) async fn rebuild() {
    let seed = number_from_environment("CAMPAIGN_SEED", 1);
    let mut draws = Draws::of(seed, 0);
    // Each tenant uses its whole quota.
    let tenants: Vec<_> = (0..3).map(|tenant| (format!("tenant-{tenant}"), CREATES / 3)).collect();
    let of_tenant = |(tenant, _): &(String, usize)| (format!("{tenant}-studio"), tenant.clone());
    let (aws, stages) = Aws::start(CALLS_PER_SECOND, seed, tenants.iter().map(of_tenant));
    let times = Times {
        calls_per_second: CALLS_PER_SECOND,
        attempt_timeout_ms: 4000,
        scan_interval_ms: 60_000,
        retry_after_ms: 60_000,
        give_up_after_ms: 900_000,
        ..Times::default()
    };
    let mut gateway = Gateway::new(&aws, &times, &tenants, &mut draws);
    gateway.start();
    gateway.ready().await;
    let wish = |index: usize| {
        let tenant = index % 3;
        let mut wish = Wish::draw(
            &mut draws,
            &tenants[tenant].0,
            &stages[tenant..=tenant],
            format!("{seed}-{index}"),
        );
        if index.is_multiple_of(10) {
            wish.request.request_id.clear();
        }
        wish
    };
    let wishes: Vec<Wish> = (0..CREATES).map(wish).collect();
    let ends = ask_all(&gateway.client(), &wishes).await;
    assert!(ends.iter().all(|end| matches!(end, Some(End::Acknowledged { .. }))), "{ends:?}");
    gateway.stop().await;
    let ends = ends.into_iter().flatten().collect();
    let before = Before { wishes, ends, rows: gateway.rows() };
    assert_eq!(before.rows.len(), CREATES);

    // Lists show new configurations late, and the rebuild finds only listed ones.
    until("AWS lists all of them", async || aws.listed().await == CREATES).await;
    gateway.lose_ledger();
    let lost = Instant::now();
    gateway.start();
    gateway.ready().await;
    let took = lost.elapsed();
    before.is_back(&gateway, &aws).await;
    gateway.stop().await;

    gateway.lose_ledger();
    gateway.start();
    let some = |rows: Vec<LedgerRow>| rows.len() > CREATES / 10;
    until("some is rebuilt", async || gateway.try_rows().is_ok_and(some)).await;
    gateway.kill().await;
    let rebuilt = gateway.rows().len();
    assert!(rebuilt < CREATES, "it was killed too late");
    gateway.start();
    gateway.ready().await;
    before.is_back(&gateway, &aws).await;
    gateway.stop().await;

    say(&format!(
        "\nlost ledger: {CREATES} rows of {} tenants rebuilt {:.1} s after the start, at {} reads \
         a second; killed at {rebuilt} rows, and rebuilt again",
        tenants.len(),
        took.as_secs_f64(),
        CALLS_PER_SECOND / 2.0
    ));
}

impl Before {
    /// Checks that the rebuilt ledger equals the lost one, for a reader and for callers.
    async fn is_back(&self, gateway: &Gateway, aws: &Aws) {
        let rows = gateway.rows();
        assert!(rows == self.rows, "{} rows, not the {} of before", rows.len(), self.rows.len());
        let client = gateway.client();
        let with_id = |(wish, _): &(&Wish, &End)| !wish.request.request_id.is_empty();
        let asked = self.wishes.iter().zip(&self.ends).filter(with_id);
        let (wishes, ends): (Vec<_>, Vec<_>) =
            asked.map(|(wish, end)| (wish.clone(), Some(end.clone()))).unzip();
        let again = ask_all(&client, &wishes).await;
        assert!(again == ends, "an old request_id did not answer what it made");
        for tenant in 0..3 {
            let mut another = self.wishes[tenant].clone();
            another.request.request_id = "one-more".into();
            assert_eq!(another.ask(&client).await, Some(End::Refused));
        }
        assert_eq!(aws.held().len(), CREATES);
    }
}

/// Sends all requests concurrently, and retries those that the gateway rejected.
async fn ask_all(client: &IngestServiceClient<Channel>, wishes: &[Wish]) -> Vec<Option<End>> {
    let mut asking = JoinSet::new();
    for (index, wish) in wishes.iter().cloned().enumerate() {
        let client = client.clone();
        asking.spawn(async move {
            for _ in 0..100 {
                let end = wish.ask(&client).await;
                if end.is_some() {
                    return (index, end);
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            (index, None)
        });
    }
    let mut ends = asking.join_all().await;
    ends.sort_by_key(|(index, _)| *index);
    ends.into_iter().map(|(_, end)| end).collect()
}
