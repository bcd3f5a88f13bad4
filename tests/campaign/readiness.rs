//! Measures the time from the start of the process until it is ready: after a clean stop, and
//! after a kill. The numbers of configurations come from the environment, and are small without
//! it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use ivs_ingest_gateway::ledger::State;
use tokio::task::JoinSet;

use crate::{
    aws::Aws,
    callers::{Job, Outcome},
    draws::Draws,
    gateway::{Gateway, GatewaySettings},
    number_from_environment, print,
};

/// AWS's call rate of each operation.
const AWS_CALLS_PER_SECOND: f64 = 5.0;

/// The rate while the test creates the configurations.
const FILL_CALLS_PER_SECOND: f64 = 1000.0;

const TENANTS: usize = 20;
const CALLERS: usize = 64;

/// The number of measured starts.
const STARTS: usize = 5;

/// Starts after a clean stop, which need no call to AWS.
pub(crate) async fn after_a_clean_stop() {
    let rows = number_from_environment("READY_ROWS", 1000);
    let (_aws, mut gateway) = filled(rows).await;
    let mut times = Vec::new();
    for _ in 0..STARTS {
        times.push(time_until_ready(&mut gateway).await.as_secs_f64());
        gateway.stop().await;
    }
    times.sort_by(f64::total_cmp);
    print(&format!(
        "\n{rows} rows, clean stop: ready {:.2} s after the start (median of {STARTS}; {:.2} to \
         {:.2} s)",
        times[STARTS / 2],
        times[0],
        times[STARTS - 1]
    ));
}

/// A start after a kill, which lists all configurations at AWS's rate.
pub(crate) async fn after_a_kill() {
    let configurations = number_from_environment("READY_CONFIGURATIONS", 500);
    let (_aws, mut gateway) = filled(configurations).await;
    gateway.start();
    gateway.ready().await;
    gateway.kill().await;
    let took = time_until_ready(&mut gateway).await;
    gateway.stop().await;
    print(&format!(
        "\n{configurations} configurations, SIGKILL, {AWS_CALLS_PER_SECOND} lists a second: ready \
         {:.1} s after the start",
        took.as_secs_f64()
    ));
}

async fn time_until_ready(gateway: &mut Gateway) -> Duration {
    let began = Instant::now();
    gateway.start();
    gateway.ready().await;
    began.elapsed()
}

/// Returns an emulator with this number of configurations and AWS's call rate, and a gateway that
/// has created them and was stopped.
async fn filled(configurations: usize) -> (Aws, Gateway) {
    let mut draws = Draws::of(1, 0);
    let tenants: Vec<_> =
        (0..TENANTS).map(|tenant| (format!("tenant-{tenant}"), configurations)).collect();
    let stage = |(tenant, _): &(String, usize)| (format!("{tenant}-studio"), tenant.clone());
    let (aws, stages) = Aws::start(0.0, 1, tenants.iter().map(stage));
    let settings = GatewaySettings {
        calls_per_second: FILL_CALLS_PER_SECOND,
        attempt_timeout_ms: 4000,
        retry_after_ms: 5000,
        scan_interval_ms: 3_600_000,
        ..GatewaySettings::default()
    };
    let mut gateway = Gateway::new(&aws, &settings, &tenants, &mut draws);
    gateway.start();
    gateway.ready().await;
    let job = |index: usize| {
        let tenant = index % TENANTS;
        let id = format!("ready-{index}");
        Job::draw(&mut draws, &tenants[tenant].0, &stages[tenant..=tenant], id)
    };
    create_all(&gateway, (0..configurations).map(job).collect()).await;
    // Before the stop: SQLite would leave a file beside the closed ledger.
    assert_eq!(gateway.ledger.count(&[State::Live]), configurations);
    gateway.stop().await;
    aws.control().set_rate(AWS_CALLS_PER_SECOND).unwrap();
    let upstream = |rate: f64| format!("calls_per_second = {rate:?}");
    gateway.edit(&upstream(FILL_CALLS_PER_SECOND), &upstream(AWS_CALLS_PER_SECOND));
    (aws, gateway)
}

async fn create_all(gateway: &Gateway, jobs: Vec<Job>) {
    let (jobs, next) = (Arc::new(jobs), Arc::new(AtomicUsize::new(0)));
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (client, jobs, next) = (gateway.client(), Arc::clone(&jobs), Arc::clone(&next));
        callers.spawn(async move {
            while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                let outcome = loop {
                    if let Some(outcome) = job.send_once(&client).await {
                        break outcome;
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                };
                assert!(matches!(outcome, Outcome::Acknowledged { .. }), "{outcome:?}");
            }
        });
    }
    callers.join_all().await;
}
