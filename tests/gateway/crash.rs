//! After a SIGKILL, the quota use is correct and no create is duplicated.

use std::time::{Duration, SystemTime};

use ivs_ingest_gateway::{
    clock::Clock,
    ids::Ids,
    ledger::{Comparison, Fields, Leases, Ledger, Reservation, Reserved, SqliteLedger, State},
    proto::v1::CreateIngestConfigurationRequest,
    request::{Fingerprint, IngestProtocol},
    tenancy::TenantId,
};
use ivs_realtime_emulator::{FaultKind, Operation};
use serde_json::Value;

use crate::support::{World, create};

const LEASES: Leases = Leases { reserved: Duration::ZERO, sending: Duration::ZERO };

/// Returns the counts of creates that the previous process left, in the start-up log line.
async fn recovered(gateway: &crate::support::Gateway) -> [Value; 2] {
    let line = gateway.log("opened the ledger").await;
    ["rejected", "in_doubt"].map(|key| line[key].clone())
}

/// Returns the number of acme's rows in each state that counts against the quota.
async fn usage(world: &World) -> Vec<(State, u32)> {
    let (ledger, _) = SqliteLedger::open(&world.ledger(), LEASES, Clock::system()).unwrap();
    let usage = ledger.usage(TenantId::parse("acme").unwrap()).await.unwrap();
    usage.0.into_iter().collect()
}

fn request(request_id: &str) -> CreateIngestConfigurationRequest {
    CreateIngestConfigurationRequest { request_id: request_id.into(), ..create("acme") }
}

#[tokio::test]
async fn a_sent_create_is_in_doubt_after_a_kill_and_counts_against_the_quota() {
    let world = World::new();
    let limit = "tenants.acme.max_ingest_configurations = 3";
    let gateway = world.gateway(&[limit]).await;
    let acme = gateway.caller("acme");
    let live = acme.create(request("live")).await.unwrap().ingest_configuration.unwrap();
    acme.create_one().await.unwrap();
    // The create reaches AWS, and its response never arrives.
    world.emulator.next_create(FaultKind::SlowBefore, 60_000);
    let call = tokio::spawn(async move { acme.create(request("sent")).await });
    world.emulator.wait_for_creates(3).await;
    gateway.kill();
    call.await.unwrap().unwrap_err();

    let gateway = world.gateway(&[limit]).await;
    assert_eq!(recovered(&gateway).await, [0, 1]);
    let acme = gateway.caller("acme");
    // Its request_id creates no second configuration, and the quota of three is exhausted.
    let rejected = acme.create(request("sent")).await.unwrap_err();
    assert_eq!(rejected.reason(), "OUTCOME_UNKNOWN");
    let rejected = acme.create_one().await.unwrap_err();
    assert_eq!(rejected.reason(), "TENANT_COUNT_QUOTA");
    assert!(rejected.message.contains("3 of 3"), "{}", rejected.message);
    // The earlier configuration still exists, with its key.
    let again = acme.create(request("live")).await.unwrap();
    let (again, replayed) = (again.ingest_configuration.unwrap(), again.replayed);
    assert!(replayed && again.arn == live.arn && again.stream_key == live.stream_key);
    assert_eq!(world.emulator.creates(), 3);

    // Another crash changes nothing.
    gateway.kill();
    let gateway = world.gateway(&[limit]).await;
    assert_eq!(recovered(&gateway).await, [0, 0]);
    gateway.stop().await;
    assert_eq!(usage(&world).await, [(State::InDoubt, 1), (State::Live, 2)]);
}

/// The next process does not wait until the lease of the delete expires.
#[tokio::test]
async fn a_delete_that_aws_has_executed_returns_its_quota_soon_after_a_kill() {
    let world = World::new();
    let lines = ["upstream.attempt_timeout_ms = 5000", "settle.retry_after_ms = 6000"];
    let gateway = world.gateway(&lines).await;
    let acme = gateway.caller("acme");
    let arn = acme.create_one().await.unwrap().ingest_configuration.unwrap().arn;
    world.emulator.next(Operation::DeleteIngestConfiguration, FaultKind::SlowAfter, 60_000);
    let call = tokio::spawn(async move { acme.delete(&arn, false).await });
    while !world.emulator.configurations().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let killed = std::time::Instant::now();
    gateway.kill();
    call.await.unwrap().unwrap_err();
    let acme = world.gateway(&lines).await.caller("acme");
    while acme.used().await == 1 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The lease is the time-out and 30 s.
    assert!(killed.elapsed() < Duration::from_secs(30), "{:?}", killed.elapsed());
}

#[tokio::test]
async fn a_create_that_was_only_reserved_returns_its_quota_after_a_kill() {
    let world = World::new();
    reserve_only(&world.ledger()).await;
    let gateway = world.gateway(&["tenants.acme.max_ingest_configurations = 1"]).await;
    assert_eq!(recovered(&gateway).await, [1, 0]);
    // The quota and the request_id are unused, because nothing was created.
    let response = gateway.caller("acme").create(request("reserved")).await.unwrap();
    assert!(!response.replayed);
    gateway.stop().await;
    assert_eq!(usage(&world).await, [(State::Live, 1)]);
}

/// Writes the ledger of a gateway that was killed after it reserved a create and before it sent
/// the create. That time is too short for a test to kill a real process in it.
async fn reserve_only(path: &std::path::Path) {
    let (ledger, _) = SqliteLedger::open(path, LEASES, Clock::system()).unwrap();
    ledger.set_comparison(Comparison::NotNeeded).await.unwrap();
    let reservation = Reservation {
        operation_id: Ids::random().next_operation_id(SystemTime::now()),
        tenant: TenantId::parse("acme").unwrap(),
        request_id: "reserved".to_owned(),
        fingerprint: Fingerprint::from([7; 16]),
        limit: 1,
        fields: Fields {
            name: String::new(),
            stage_arn: None,
            user_id: String::new(),
            attributes: [].into(),
            ingest_protocol: IngestProtocol::Rtmps,
            redundant_ingest: false,
            tags: [].into(),
        },
    };
    assert_eq!(ledger.reserve(reservation).await.unwrap(), Reserved::New);
}
