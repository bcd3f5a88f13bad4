//! The drain after SIGTERM or SIGINT.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::task::JoinHandle;

use crate::support::{Caller, Rejection, World};

type Outcome = Result<ivs_ingest_gateway::proto::v1::CreateIngestConfigurationResponse, Rejection>;

/// Starts a create and waits until it has reached AWS.
async fn start_create(world: &World, acme: Caller) -> JoinHandle<Outcome> {
    let call = tokio::spawn(async move { acme.create_one().await });
    world.emulator.wait_for_creates(1).await;
    call
}

const DRAINING: &str = "draining: running calls finish, new calls are rejected";

#[tokio::test]
async fn a_drain_finishes_calls_in_progress_and_rejects_new_ones() {
    let world = World::new();
    let gateway = world.gateway(&["server.drain_timeout_ms = 20000"]).await;
    world.emulator.hold_next_create();
    let call = start_create(&world, gateway.caller("acme")).await;
    gateway.signal(Signal::TERM);
    gateway.log(DRAINING).await;

    let admin = gateway.admin.to_string();
    let probe = world.run(&["healthcheck", "--admin", &admin], &[]).await;
    assert_eq!(probe.code, Some(1));
    assert!(probe.stderr.contains("not ready: draining"), "{}", probe.stderr);
    gateway.caller("acme").create_one().await.unwrap_err();

    world.emulator.release();
    let created = call.await.unwrap().unwrap().ingest_configuration.unwrap();
    assert!(!created.stream_key.is_empty());
    let finished = gateway.finished().await;
    assert_eq!(finished.code, Some(0));
    let drained = gateway.log("drained").await;
    assert_eq!((&drained["connections_cut"], &drained["tasks_cut"]), (&0.into(), &0.into()));
    assert_eq!(world.emulator.creates(), 1);
}

#[tokio::test]
async fn a_drain_finishes_a_create_whose_caller_disconnected() {
    let world = World::new();
    let gateway = world.gateway(&["tenants.acme.max_ingest_configurations = 1"]).await;
    world.emulator.hold_next_create();
    let call = start_create(&world, gateway.caller("acme")).await;
    call.abort();
    gateway.signal(Signal::TERM);
    gateway.log(DRAINING).await;
    world.emulator.release();
    assert_eq!(gateway.finished().await.code, Some(0));
    assert_eq!(gateway.log("drained").await["tasks_cut"], 0);

    let gateway = world.gateway(&["tenants.acme.max_ingest_configurations = 1"]).await;
    let recovered = gateway.log(RECOVERED).await;
    assert_eq!((&recovered["in_doubt"], &recovered["rejected"]), (&0.into(), &0.into()));
    let rejected = gateway.caller("acme").create_one().await.unwrap_err();
    assert_eq!(rejected.reason(), "TENANT_COUNT_QUOTA");
}

const RECOVERED: &str = "opened the ledger";

#[tokio::test]
async fn a_create_that_a_drain_cuts_is_in_doubt() {
    let world = World::new();
    let gateway = world.gateway(&["server.drain_timeout_ms = 300"]).await;
    world.emulator.hold_next_create();
    let call = start_create(&world, gateway.caller("acme")).await;
    let started = Instant::now();
    gateway.stop().await;
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    let drained = gateway.log("drained").await;
    assert_eq!((&drained["connections_cut"], &drained["tasks_cut"]), (&1.into(), &1.into()));
    call.await.unwrap().unwrap_err();

    let recovered = world.gateway(&[]).await.log(RECOVERED).await;
    assert_eq!((&recovered["in_doubt"], &recovered["rejected"]), (&1.into(), &0.into()));
}

#[tokio::test]
async fn a_second_signal_ends_the_process_immediately() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    world.emulator.hold_next_create();
    let call = start_create(&world, gateway.caller("acme")).await;
    gateway.signal(Signal::INT);
    gateway.log(DRAINING).await;
    gateway.signal(Signal::TERM);
    assert_eq!(gateway.finished().await.code, Some(130));
    call.await.unwrap().unwrap_err();
}
