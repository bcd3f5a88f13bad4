//! Fair sharing of AWS's 5 calls a second, which the emulator enforces. Each test takes a
//! minute or more, because it checks bounds over such a time.

use std::{
    fs,
    io::{Write, stdout},
    sync::Arc,
    time::{Duration, Instant},
};

use ivs_ingest_gateway::proto::v1::{CreateIngestConfigurationRequest, IngestProtocol};
use ivs_realtime_emulator::Operation;
use tokio::{task::JoinSet, time};
use tonic::Code;
use tonic_types::StatusExt;

use crate::support::{Caller, Gateway, World};

const OPERATION: Operation = Operation::CreateIngestConfiguration;

/// The connections of the flooding tenant.
const FLOOD_CONNECTIONS: usize = 64;

/// The number of tenants within their share, and the interval of each one's calls.
const QUIET: usize = 9;
const QUIET_INTERVAL: Duration = Duration::from_millis(2500);

/// The longest wait of a tenant within its share under start-time fair queuing: one call of
/// each tenant.
const BOUND: Duration = Duration::from_secs(2);

/// An upper bound of the time for the network, two disk writes and the emulator.
const OVERHEAD: Duration = Duration::from_millis(500);

/// Long enough for the pacer's rate to converge and for several increases after that.
const RATE_RUN: Duration = Duration::from_secs(140);

/// Starts a gateway with AWS's real rate that accepts every tenant. The tenants' own limits
/// are too high to be reached.
async fn gateway(world: &World) -> Gateway {
    world.emulator.control().set_rate(5.0).unwrap();
    world.emulator.list_immediately();
    let lines = [
        "upstream.calls_per_second = 5",
        "tenants.default.max_ingest_configurations = 100000",
        "tenants.default.request_rate = { per_second = 1000000, burst = 1000000 }",
        "tenants.default.create_rate = { per_second = 1000000, burst = 1000000 }",
    ];
    // At level trace, the logs of a flood would fill the disk.
    world.gateway_in(&lines, &[("RUST_LOG", "info")]).await
}

/// Returns a create without a stage, which needs no other AWS call.
fn create() -> CreateIngestConfigurationRequest {
    CreateIngestConfigurationRequest {
        ingest_protocol: IngestProtocol::Rtmps.into(),
        ..Default::default()
    }
}

fn percentile(values: &mut [Duration], percent: usize) -> Duration {
    values.sort_unstable();
    values[(values.len() * percent).div_ceil(100) - 1]
}

/// Returns the resident memory of the gateway in KiB.
fn resident_kib(gateway: &Gateway) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Sends creates without a pause until `end`. Returns the numbers of successes and of
/// rejections.
async fn flood(caller: Caller, end: Instant) -> (u64, u64) {
    let (mut created, mut rejected) = (0, 0);
    while Instant::now() < end {
        let request = caller.request(create());
        match caller.client.clone().create_ingest_configuration(request).await {
            Ok(_) => created += 1,
            Err(status) => {
                // The search for keys excludes these errors, because there are too many.
                assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
                assert!(status.get_details_retry_info().is_some(), "{status:?}");
                rejected += 1;
            }
        }
    }
    (created, rejected)
}

/// Sends creates at equal intervals until `end`. Returns the latency of each.
async fn create_at_intervals(caller: Caller, first: Duration, end: Instant) -> Vec<Duration> {
    let mut took = Vec::new();
    let mut ticks = time::interval_at(time::Instant::now() + first, QUIET_INTERVAL);
    loop {
        ticks.tick().await;
        let began = Instant::now();
        if began >= end {
            return took;
        }
        caller.create(create()).await.unwrap();
        took.push(began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_one_tenant_does_not_delay_others() {
    let world = Arc::new(World::new());
    let gateway = gateway(&world).await;
    let end = Instant::now() + Duration::from_mins(1);
    let mut floods = JoinSet::new();
    for _ in 0..FLOOD_CONNECTIONS {
        floods.spawn(flood(gateway.caller("flood"), end));
    }
    let mut quiet = JoinSet::new();
    for index in 0..QUIET {
        let first = QUIET_INTERVAL * u32::try_from(index).unwrap() / u32::try_from(QUIET).unwrap();
        quiet.spawn(create_at_intervals(gateway.caller(&format!("quiet-{index}")), first, end));
    }
    time::sleep(Duration::from_secs(10)).await;
    let memory_before = resident_kib(&gateway);
    let mut took: Vec<Duration> = quiet.join_all().await.into_iter().flatten().collect();
    let memory_after = resident_kib(&gateway);
    let floods = floods.join_all().await;
    let (created, rejected) = floods.iter().fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));

    let calls = world.emulator.counts(OPERATION);
    let (p50, p99) = (percentile(&mut took, 50), percentile(&mut took, 99));
    writeln!(
        stdout().lock(),
        "fairness, live: {} creates of {QUIET} tenants within their share took {p50:.0?} (p50), \
         {p99:.0?} (p99); the flood had {created} creates and {rejected} rejections; AWS \
         executed {} and throttled {}; memory {memory_before} KiB, then {memory_after} KiB",
        took.len(),
        calls.executed,
        calls.throttled,
    )
    .unwrap();
    assert!(took.len() >= QUIET * 23, "{}", took.len());
    assert!(p99 <= BOUND + OVERHEAD, "{p99:?}");
    assert_eq!(calls.throttled, 0);
    assert!(calls.executed >= 290, "{}", calls.executed);
    assert!(memory_after <= memory_before + 32 * 1024, "{memory_before} KiB, {memory_after} KiB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pacer_converges_to_the_rate_that_other_software_leaves() {
    let world = Arc::new(World::new());
    let gateway = gateway(&world).await;
    world.emulator.control().spend(OPERATION, 2.5).unwrap();
    let end = Instant::now() + RATE_RUN;
    let mut callers = JoinSet::new();
    for tenant in ["a", "b"] {
        // Two calls of a tenant may be at AWS, so of four calls at least one is always waiting.
        for _ in 0..4 {
            callers.spawn(flood(gateway.caller(tenant), end));
        }
    }
    let ended = callers.join_all().await;
    let (created, rejected) = ended.iter().fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
    let calls = world.emulator.counts(OPERATION);
    let (all, throttled) = (calls.calls, calls.throttled);
    writeln!(
        stdout().lock(),
        "fairness, live: while other software uses half the limit, {all} calls in {RATE_RUN:?}, \
         of which {throttled} were throttled; {created} creates, {rejected} rejected"
    )
    .unwrap();
    assert!(throttled * 50 < all, "{throttled} of {all}");
    assert_eq!(rejected, 0);
    assert_eq!(all - throttled, created);
    assert!(created >= 315, "{created}");
}
