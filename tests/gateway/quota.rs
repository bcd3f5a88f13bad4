//! The limits of tenants: no tenant exceeds them, and rejected calls consume nothing.

use std::{
    fs,
    time::{Duration, Instant},
};

use ivs_ingest_gateway::proto::v1::{
    CreateIngestConfigurationRequest, ListIngestConfigurationsRequest,
};
use tokio::task::JoinSet;
use tonic::Code;

use crate::support::{Rejection, TIMEOUT, World, create};

const ONE_CALL: [&str; 2] =
    ["tenants.acme.max_concurrent_calls = 1", "tenants.acme.max_queued = 1"];

fn assert_count_quota(rejected: &Rejection, tenant: &str, limit: u32) {
    let code = (rejected.code, rejected.reason());
    assert_eq!(code, (Code::ResourceExhausted, "TENANT_COUNT_QUOTA"));
    // Without a delay, because a retry does not help.
    assert_eq!(rejected.retry_after(), None);
    let violations = &rejected.details.quota_failure().unwrap().violations;
    assert_eq!(violations.len(), 1);
    assert_eq!(violations[0].subject, format!("tenant:{tenant}"));
    let used = format!("{limit} of {limit}");
    assert!(violations[0].description.contains(&used), "{}", violations[0].description);
}

fn assert_rate_quota(rejected: &Rejection, reason: &str) -> Duration {
    assert_eq!((rejected.code, rejected.reason()), (Code::ResourceExhausted, reason));
    let violations = &rejected.details.quota_failure().unwrap().violations;
    assert_eq!(violations[0].subject, "tenant:acme");
    rejected.retry_after().unwrap()
}

#[tokio::test]
async fn two_hundred_concurrent_creates_never_exceed_a_limit_of_seven() {
    let world = World::new();
    let gateway = world.gateway(&["tenants.acme.max_ingest_configurations = 7"]).await;
    let mut calls = JoinSet::new();
    // Several connections, so that all workers of the gateway take part.
    for _ in 0..8 {
        let acme = gateway.caller("acme");
        for _ in 0..25 {
            let acme = acme.clone();
            calls.spawn(async move { acme.create_one().await });
        }
    }
    let responses = calls.join_all().await;
    let rejected: Vec<_> =
        responses.iter().filter_map(|response| response.as_ref().err()).collect();
    for rejected in &rejected {
        assert_count_quota(rejected, "acme", 7);
    }
    assert_eq!((responses.len(), rejected.len()), (200, 193));
    assert_eq!(world.emulator.creates(), 7);
    assert_eq!(world.emulator.configurations().len(), 7);
    // Other tenants have their own quotas.
    gateway.caller("globex").create_one().await.unwrap();
}

#[tokio::test]
async fn the_request_rate_counts_valid_and_invalid_calls() {
    let world = World::new();
    let gateway =
        world.gateway(&["tenants.acme.request_rate = { per_second = 0.01, burst = 2 }"]).await;
    let acme = gateway.caller("acme");
    acme.create_one().await.unwrap();
    // An invalid request counts too.
    acme.create(CreateIngestConfigurationRequest::default()).await.unwrap_err();
    let wait = assert_rate_quota(&acme.create_one().await.unwrap_err(), "TENANT_REQUEST_RATE");
    assert!((60..=100).contains(&wait.as_secs()), "{wait:?}");
    // The next delay is not longer, because a rejection consumes nothing.
    let second_wait =
        assert_rate_quota(&acme.create_one().await.unwrap_err(), "TENANT_REQUEST_RATE");
    assert!(second_wait <= wait);
    gateway.caller("globex").create_one().await.unwrap();
}

/// Other callers may share the connection through a proxy.
#[tokio::test]
async fn thousands_of_rejections_do_not_end_a_connection() {
    let world = World::new();
    let rate = "tenants.acme.request_rate = { per_second = 0.01, burst = 1 }";
    let gateway = world.gateway_in(&[rate], &[("RUST_LOG", "info")]).await;
    let acme = gateway.caller("acme");
    acme.create_one().await.unwrap();
    for _ in 0..3000 {
        assert_eq!(acme.create_one().await.unwrap_err().reason(), "TENANT_REQUEST_RATE");
    }
}

#[tokio::test]
async fn rejected_creates_do_not_consume_the_create_rate() {
    let world = World::new();
    let gateway = world
        .gateway(&[
            "tenants.acme.create_rate = { per_second = 0.01, burst = 3 }",
            "tenants.acme.max_ingest_configurations = 2",
        ])
        .await;
    let acme = gateway.caller("acme");
    let first = CreateIngestConfigurationRequest { request_id: "r".into(), ..create("acme") };
    acme.create(first.clone()).await.unwrap();
    for _ in 0..5 {
        let invalid = CreateIngestConfigurationRequest { name: "a b".into(), ..create("acme") };
        assert_eq!(acme.create(invalid).await.unwrap_err().reason(), "INVALID_FIELDS");
        let foreign = acme.create(create("globex")).await.unwrap_err();
        assert_eq!(foreign.reason(), "STAGE_FORBIDDEN");
        assert!(acme.create(first.clone()).await.unwrap().replayed);
    }
    acme.create_one().await.unwrap();
    for _ in 0..5 {
        assert_count_quota(&acme.create_one().await.unwrap_err(), "acme", 2);
    }

    // One of the three creates is left. A higher quota of configurations allows it.
    let raised = "tenants.acme.max_ingest_configurations = 3";
    let rate = "tenants.acme.create_rate = { per_second = 0.01, burst = 3 }";
    let text = fs::read_to_string(world.configure(&[raised, rate])).unwrap();
    gateway.reload(&text, RELOADED).await;
    acme.create_one().await.unwrap();
    let wait = assert_rate_quota(&acme.create_one().await.unwrap_err(), "TENANT_CREATE_RATE");
    assert!((60..=100).contains(&wait.as_secs()), "{wait:?}");
}

#[tokio::test]
async fn concurrent_calls_have_a_limit() {
    let world = World::new();
    let gateway = world.gateway(&ONE_CALL).await;
    let acme = gateway.caller("acme");
    let quota = acme.quota().await;
    let (calls, reads) = (quota.concurrent_calls.unwrap(), quota.concurrent_reads.unwrap());
    assert_eq!((calls.limit, calls.used, reads.limit, reads.used), (1, 0, 500, 1));
    world.emulator.hold_next_create();
    let first = tokio::spawn({
        let acme = acme.clone();
        async move { acme.create_one().await }
    });
    world.emulator.wait_for_creates(1).await;
    let rejected = acme.create_one().await.unwrap_err();
    assert_rate_quota(&rejected, "TENANT_CONCURRENCY");
    gateway.caller("globex").create_one().await.unwrap();
    world.emulator.release();
    first.await.unwrap().unwrap();
    // After the end of the first call, another is allowed.
    acme.create_one().await.unwrap();
}

/// Reads of the ledger make no AWS call, so they do not count as calls that do.
#[tokio::test]
async fn reads_of_the_ledger_have_their_own_limit() {
    let world = World::new();
    let gateway = world.gateway(&ONE_CALL).await;
    let acme = gateway.caller("acme");
    world.emulator.hold_next_create();
    let create = tokio::spawn({
        let acme = acme.clone();
        async move { acme.create_one().await }
    });
    world.emulator.wait_for_creates(1).await;
    let mut lists = JoinSet::new();
    for _ in 0..500 {
        let acme = acme.clone();
        let request = acme.request(ListIngestConfigurationsRequest::default());
        lists.spawn(async move { acme.client.clone().list_ingest_configurations(request).await });
    }
    for list in lists.join_all().await {
        list.unwrap();
    }
    world.emulator.release();
    create.await.unwrap().unwrap();
}

/// The create continues without its caller, and does not count as one of the tenant's
/// concurrent calls.
#[tokio::test]
async fn a_cancelled_call_no_longer_counts_as_concurrent() {
    let world = World::new();
    let gateway = world.gateway(&ONE_CALL).await;
    let acme = gateway.caller("acme");
    world.emulator.hold_next_create();
    let first = tokio::spawn({
        let acme = acme.clone();
        async move { acme.create_one().await }
    });
    world.emulator.wait_for_creates(1).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    // The gateway notices the cancellation when its RST_STREAM arrives.
    let started = Instant::now();
    while acme.create_one().await.is_err() {
        assert!(started.elapsed() < TIMEOUT, "the cancelled call still counts as concurrent");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.emulator.release();
}

#[tokio::test]
async fn unknown_tenants_are_rejected_unless_default_limits_exist() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    let without_stage =
        || CreateIngestConfigurationRequest { stage_arn: String::new(), ..create("acme") };
    let rejected = gateway.caller("initech").create(without_stage()).await.unwrap_err();
    assert_eq!((rejected.code, rejected.reason()), (Code::PermissionDenied, "TENANT_FORBIDDEN"));
    gateway.stop().await;

    let gateway = world.gateway(&["tenants.default.max_ingest_configurations = 1"]).await;
    let initech = gateway.caller("initech");
    initech.create(without_stage()).await.unwrap();
    assert_count_quota(&initech.create(without_stage()).await.unwrap_err(), "initech", 1);
    // Each tenant has its own quota of the default size.
    gateway.caller("umbrella").create(without_stage()).await.unwrap();
}

pub(crate) const RELOADED: &str =
    "applied the tenants, their limits and the certificates of the file";

#[tokio::test]
async fn a_reload_raises_a_limit_and_a_bad_file_changes_nothing() {
    let world = World::new();
    let gateway = world.gateway(&["tenants.acme.max_ingest_configurations = 1"]).await;
    let acme = gateway.caller("acme");
    acme.create_one().await.unwrap();
    assert_count_quota(&acme.create_one().await.unwrap_err(), "acme", 1);

    let bad = "tenants.acme.max_ingest_configurations = 'many'\n";
    let line =
        gateway.reload(bad, "the new configuration is invalid; the old one stays in force").await;
    assert_eq!(line["level"], "ERROR");
    let problems = line["problems"].as_str().unwrap();
    assert!(problems.contains("tenants.acme.max_ingest_configurations: is text"), "{problems}");
    assert!(problems.contains("ledger.url: is missing"), "{problems}");
    assert_count_quota(&acme.create_one().await.unwrap_err(), "acme", 1);

    let raised = world.configure(&["tenants.acme.max_ingest_configurations = 2"]);
    gateway.reload(&fs::read_to_string(raised).unwrap(), RELOADED).await;
    acme.create_one().await.unwrap();
    assert_count_quota(&acme.create_one().await.unwrap_err(), "acme", 2);
}
