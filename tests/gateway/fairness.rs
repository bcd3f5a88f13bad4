//! A fair share of AWS's 5 calls a second, as the emulator grants them: each of these
//! takes a minute or more, because so do the bounds that it checks.

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

/// The connections of the tenant that floods.
const FLOOD_CONNECTIONS: usize = 64;

/// The tenants that keep to their share, and how often each calls.
const QUIET: usize = 9;
const QUIET_INTERVAL: Duration = Duration::from_millis(2500);

/// A call of each tenant: what start-time fair queuing promises to who keeps to its share.
const BOUND: Duration = Duration::from_secs(2);

/// Time of the network, two disk writes and the emulator, beside the wait.
const BESIDE_THE_WAIT: Duration = Duration::from_millis(500);

/// Long enough for the rate to be found, and then to be probed more than once.
const RATE_RUN: Duration = Duration::from_secs(140);

/// A gateway with AWS's own rate, open to all tenants, and limits of theirs out of the
/// way.
async fn gateway(world: &World) -> Gateway {
    world.emulator.control().set_rate(5.0).unwrap();
    world.emulator.show_immediately();
    let lines = [
        "upstream.calls_per_second = 5",
        "tenants.default.max_ingest_configurations = 100000",
        "tenants.default.request_rate = { per_second = 1000000, burst = 1000000 }",
        "tenants.default.create_rate = { per_second = 1000000, burst = 1000000 }",
    ];
    // At trace a flood would fill the disk.
    world.gateway_in(&lines, &[("RUST_LOG", "info")]).await
}

/// A create without a stage, so that nothing else is asked of AWS.
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

/// The resident memory of the gateway, in KiB.
fn resident_kib(gateway: &Gateway) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Creates as fast as it can until `end`. Returns how many were created and how many
/// rejected.
async fn flood(caller: Caller, end: Instant) -> (u64, u64) {
    let (mut created, mut refused) = (0, 0);
    while Instant::now() < end {
        let request = caller.request(create());
        match caller.client.clone().create_ingest_configuration(request).await {
            Ok(_) => created += 1,
            Err(status) => {
                // Not remembered for the search for keys: there are too many of them.
                assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
                assert!(status.get_details_retry_info().is_some(), "{status:?}");
                refused += 1;
            }
        }
    }
    (created, refused)
}

/// Creates at even distances until `end`. Returns how long each took.
async fn keep_to_share(caller: Caller, first: Duration, end: Instant) -> Vec<Duration> {
    let mut took = Vec::new();
    let mut turns = time::interval_at(time::Instant::now() + first, QUIET_INTERVAL);
    loop {
        turns.tick().await;
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
        quiet.spawn(keep_to_share(gateway.caller(&format!("quiet-{index}")), first, end));
    }
    time::sleep(Duration::from_secs(10)).await;
    let memory_before = resident_kib(&gateway);
    let mut took: Vec<Duration> = quiet.join_all().await.into_iter().flatten().collect();
    let memory_after = resident_kib(&gateway);
    let floods = floods.join_all().await;
    let (created, refused) = floods.iter().fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));

    let calls = world.emulator.counts(OPERATION);
    let (p50, p99) = (percentile(&mut took, 50), percentile(&mut took, 99));
    writeln!(
        stdout().lock(),
        "fairness, live: {} creates of {QUIET} tenants that keep to their share took {p50:.0?} \
         (p50), {p99:.0?} (p99); the flood had {created}, and {refused} refusals; AWS executed \
         {} and throttled {}; memory {memory_before} KiB, then {memory_after} KiB",
        took.len(),
        calls.executed,
        calls.throttled,
    )
    .unwrap();
    assert!(took.len() >= QUIET * 23, "{}", took.len());
    assert!(p99 <= BOUND + BESIDE_THE_WAIT, "{p99:?}");
    assert_eq!(calls.throttled, 0);
    assert!(calls.executed >= 290, "{}", calls.executed);
    assert!(memory_after <= memory_before + 32 * 1024, "{memory_before} KiB, {memory_after} KiB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_other_software_leaves_is_found() {
    let world = Arc::new(World::new());
    let gateway = gateway(&world).await;
    world.emulator.control().spend(OPERATION, 2.5).unwrap();
    let end = Instant::now() + RATE_RUN;
    let mut callers = JoinSet::new();
    for tenant in ["a", "b"] {
        // As many as may be at AWS and wait, so that there is always one more.
        for _ in 0..4 {
            callers.spawn(flood(gateway.caller(tenant), end));
        }
    }
    let ended = callers.join_all().await;
    let (created, refused) = ended.iter().fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
    let calls = world.emulator.counts(OPERATION);
    let (all, throttled) = (calls.calls, calls.throttled);
    writeln!(
        stdout().lock(),
        "fairness, live: with half the budget spent by others, {all} calls in {RATE_RUN:?}, of \
         which {throttled} were throttled; {created} creates, {refused} refused"
    )
    .unwrap();
    assert!(throttled * 50 < all, "{throttled} of {all}");
    assert_eq!(refused, 0);
    assert_eq!(all - throttled, created);
    assert!(created >= 315, "{created}");
}
