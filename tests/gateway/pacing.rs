//! The pacer of creates: waiting, immediate rejection, throttling, and shadow limits.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use ivs_ingest_gateway::proto::v1::{
    CreateIngestConfigurationRequest, GetIngestConfigurationRequest, GetQuotaRequest,
    GetQuotaResponse,
};
use ivs_realtime_emulator::{Fault, Operation};
use serde_json::json;

use crate::support::{Caller, TIMEOUT, World, create};

impl Caller {
    pub(crate) async fn quota(&self) -> GetQuotaResponse {
        let response = self.client.clone().get_quota(self.request(GetQuotaRequest {})).await;
        response.unwrap().into_inner()
    }
}

/// Waits until `count` of the tenant's creates wait for a permit.
pub(crate) async fn wait_for_queued_creates(caller: &Caller, count: i32) -> GetQuotaResponse {
    let started = Instant::now();
    loop {
        let quota = caller.quota().await;
        if quota.queued_creates.as_ref().unwrap().used == count {
            return quota;
        }
        assert!(started.elapsed() < TIMEOUT, "not {count} waiting creates: {quota:?}");
        tokio::task::yield_now().await;
    }
}

/// Returns a value of `/metrics`, by the name and labels as they are printed.
fn metric(admin: SocketAddr, name: &str) -> f64 {
    let mut stream = TcpStream::connect(admin).unwrap();
    let request = "GET /metrics HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    value.unwrap_or_else(|| panic!("no {name} in:\n{text}")).trim().parse().unwrap()
}

#[tokio::test]
async fn a_disconnect_removes_a_create_from_the_queue_and_consumes_nothing() {
    let world = World::new();
    let gateway = world.gateway(&["upstream.calls_per_second = 1"]).await;
    let acme = gateway.caller("acme");
    acme.create_one().await.unwrap();
    let waiting: Vec<_> = (0..5)
        .map(|_| {
            let acme = acme.clone();
            tokio::spawn(async move { acme.create_one().await })
        })
        .collect();
    let quota = wait_for_queued_creates(&acme, 5).await;
    let wait = Duration::try_from(quota.predicted_create_wait.unwrap()).unwrap();
    assert!((4..=6).contains(&wait.as_secs()), "{wait:?}");

    for call in waiting {
        call.abort();
    }
    wait_for_queued_creates(&acme, 0).await;
    acme.create_one().await.unwrap();
    assert_eq!(world.emulator.creates(), 2);
    assert_eq!(acme.quota().await.ingest_configurations.unwrap().used, 2);
}

/// A second call with the same `request_id` keeps the queue position of the first, even if the
/// first is cancelled.
#[tokio::test]
async fn a_create_stays_queued_while_any_call_waits_for_it() {
    let world = World::new();
    let gateway = world.gateway(&["upstream.calls_per_second = 1"]).await;
    let acme = gateway.caller("acme");
    acme.create_one().await.unwrap();
    let repeatable =
        || CreateIngestConfigurationRequest { request_id: "r".into(), ..create("acme") };
    let call = |acme: Caller| tokio::spawn(async move { acme.create(repeatable()).await });
    let first = call(acme.clone());
    wait_for_queued_creates(&acme, 1).await;
    let second = call(acme.clone());
    while acme.quota().await.concurrent_calls.unwrap().used < 2 {
        tokio::task::yield_now().await;
    }
    first.abort();
    assert!(second.await.unwrap().unwrap().replayed);
    assert_eq!(world.emulator.creates(), 2);
}

#[tokio::test]
async fn calls_that_aws_throttles_are_sent_again() {
    let world = World::new();
    let gateway = world.gateway(&["tenants.acme.max_ingest_configurations = 1"]).await;
    let acme = gateway.caller("acme");
    world.emulator.next_create_error(429, "ThrottlingException");
    let created = acme.create_one().await.unwrap().ingest_configuration.unwrap();
    assert_eq!(world.emulator.creates(), 2);
    assert_eq!(world.emulator.configurations().len(), 1);

    let throttle = |operation| {
        world.emulator.fault(&Fault::error(429, "ThrottlingException").on(operation).times(1));
    };
    throttle(Operation::GetIngestConfiguration);
    let message = GetIngestConfigurationRequest { arn: created.arn.clone(), ..Default::default() };
    let read = acme.client.clone().get_ingest_configuration(acme.request(message)).await.unwrap();
    assert_eq!(read.into_inner().ingest_configuration.unwrap().stream_key, created.stream_key);
    throttle(Operation::UpdateIngestConfiguration);
    let changed = acme.update(crate::life::to_stage(&created.arn, "")).await.unwrap();
    assert_eq!(changed.stage_arn, "");
    // The time series exists before the first throttled call.
    let throttled = "ivs_ingest_gateway_aws_calls_total{operation=\"DeleteIngestConfiguration\",outcome=\"throttled\"}";
    assert!(metric(gateway.admin, throttled).abs() < 1e-9);
    throttle(Operation::DeleteIngestConfiguration);
    acme.delete(&created.arn, false).await.unwrap();
    assert!(world.emulator.configurations().is_empty());
    assert_eq!(acme.quota().await.ingest_configurations.unwrap().used, 0);

    let rate = "ivs_ingest_gateway_aws_calls_per_second{operation=\"CreateIngestConfiguration\"}";
    let rate = metric(gateway.admin, rate);
    assert!((700.0..1000.0).contains(&rate), "{rate}");
    assert!((metric(gateway.admin, throttled) - 1.0).abs() < 1e-9);
}

/// The gateway rejects from memory: it writes nothing and does not call AWS.
#[tokio::test]
async fn a_rejection_writes_nothing_and_makes_no_aws_call() {
    let world = World::new();
    let lines = ["upstream.calls_per_second = 0.05", "server.default_deadline_ms = 5000"];
    let gateway = world.gateway(&lines).await;
    let acme = gateway.caller("acme");
    acme.create_one().await.unwrap();
    let written = || std::fs::metadata(world.path("ledger.db-wal")).unwrap().len();
    let before = written();
    for _ in 0..100 {
        assert_eq!(acme.create_one().await.unwrap_err().reason(), "DEADLINE_TOO_SHORT");
    }
    assert_eq!(written(), before);
    assert_eq!(world.emulator.creates(), 1);
    let rejected = "ivs_ingest_gateway_limit_exceeded_total{limit=\"deadline\",shadow=\"false\"}";
    assert!((metric(gateway.admin, rejected) - 100.0).abs() < 1e-9);
}

#[tokio::test]
async fn shadow_limits_are_counted_and_reject_nothing() {
    let world = World::new();
    let gateway = world
        .gateway(&[
            "tenants.acme.shadow = true",
            "tenants.acme.max_ingest_configurations = 1",
            "tenants.acme.create_rate = { per_second = 0.01, burst = 1 }",
            "tenants.acme.request_rate = { per_second = 0.01, burst = 2 }",
            "tenants.globex.max_ingest_configurations = 1",
        ])
        .await;
    let acme = gateway.caller("acme");
    for name in ["first", "second", "third"] {
        let mut request = acme.request(create("acme"));
        request.metadata_mut().insert("x-request-id", name.parse().unwrap());
        acme.send(request).await.unwrap();
    }
    let shadow_reason = async |name| gateway.call_log(name).await["shadow_reason"].clone();
    assert_eq!(shadow_reason("first").await, json!(null));
    // The log has the first exceeded limit.
    assert_eq!(shadow_reason("second").await, json!("TENANT_CREATE_RATE"));
    for (limit, expected) in [("request_rate", 1.0), ("create_rate", 2.0), ("count", 2.0)] {
        let name =
            format!("ivs_ingest_gateway_limit_exceeded_total{{limit=\"{limit}\",shadow=\"true\"}}");
        let counted = metric(gateway.admin, &name);
        assert!((counted - expected).abs() < 1e-9, "{limit}: {counted}");
    }
    // The limits of other tenants apply.
    let globex = gateway.caller("globex");
    globex.create_one().await.unwrap();
    assert_eq!(globex.create_one().await.unwrap_err().reason(), "TENANT_COUNT_QUOTA");
}
