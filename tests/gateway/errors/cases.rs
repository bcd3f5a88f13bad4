//! How each row of the error table is brought about.

mod aws;

use ivs_ingest_gateway::proto::v1::{CreateIngestConfigurationRequest, IngestProtocol};
use ivs_realtime_emulator::{Fault, FaultKind, Operation};
use rusqlite::Connection;
use rustix::process::Signal;
use tonic::Request;

pub(crate) use aws::*;

use crate::support::{Caller, Refusal, Replay, World, create, deaf_to_goodbyes};

async fn acme(world: &World, lines: &[&str]) -> Caller {
    world.gateway(lines).await.caller("acme")
}

async fn refused(caller: &Caller, request: CreateIngestConfigurationRequest) -> Refusal {
    caller.create(request).await.unwrap_err()
}

fn repeatable() -> CreateIngestConfigurationRequest {
    CreateIngestConfigurationRequest { request_id: "r".into(), ..create("acme") }
}

pub(crate) async fn invalid_fields(world: &World) -> Refusal {
    let request = CreateIngestConfigurationRequest { name: "no spaces".into(), ..create("acme") };
    let refused = refused(&acme(world, &[]).await, request).await;
    let violations = &refused.details.bad_request().unwrap().field_violations;
    assert_eq!((violations.len(), violations[0].field.as_str()), (1, "name"));
    refused
}

pub(crate) async fn invalid_message(world: &World) -> Refusal {
    let acme = acme(world, &["server.max_message_bytes = 1024"]).await;
    refused(&acme, CreateIngestConfigurationRequest { user_id: "x".repeat(1024), ..create("acme") })
        .await
}

pub(crate) async fn request_id_reused(world: &World) -> Refusal {
    let acme = acme(world, &[]).await;
    acme.create(repeatable()).await.unwrap();
    refused(&acme, CreateIngestConfigurationRequest { redundant_ingest: true, ..repeatable() })
        .await
}

pub(crate) async fn credential_missing(world: &World) -> Refusal {
    let acme = acme(world, &[]).await;
    acme.send(Request::new(create("acme"))).await.unwrap_err()
}

pub(crate) async fn credential_malformed(world: &World) -> Refusal {
    world.gateway(&[]).await.caller("no tenant").create(create("acme")).await.unwrap_err()
}

pub(crate) async fn credential_twice(world: &World) -> Refusal {
    let acme = acme(world, &[]).await;
    let mut request = acme.request(create("acme"));
    request.metadata_mut().append("x-tenant-id", "globex".parse().unwrap());
    acme.send(request).await.unwrap_err()
}

pub(crate) async fn tenant_forbidden(world: &World) -> Refusal {
    world.gateway(&[]).await.caller("initech").create(create("acme")).await.unwrap_err()
}

pub(crate) async fn stage_of_another(world: &World) -> Refusal {
    let acme = acme(world, &[]).await;
    let foreign = refused(&acme, create("globex")).await;
    // Not even the words tell whether it exists.
    let absent = refused(&acme, with_stage("123456789012:stage/NoSuchStage")).await;
    assert_eq!(foreign.message, absent.message);
    foreign
}

pub(crate) async fn stage_absent(world: &World) -> Refusal {
    refused(&acme(world, &[]).await, with_stage("123456789012:stage/NoSuchStage")).await
}

pub(crate) async fn stage_in_another_account(world: &World) -> Refusal {
    let refused = refused(&acme(world, &[]).await, with_stage("999999999999:stage/Theirs")).await;
    assert_eq!(world.emulator.calls(Operation::GetStage), 0);
    refused
}

fn with_stage(id: &str) -> CreateIngestConfigurationRequest {
    let stage_arn = format!("arn:aws:ivs:us-east-1:{id}");
    CreateIngestConfigurationRequest { stage_arn, ..create("acme") }
}

pub(crate) async fn protocol_forbidden(world: &World) -> Refusal {
    let acme = acme(world, &["tenants.acme.allowed_protocols = ['RTMPS']"]).await;
    let ingest_protocol = IngestProtocol::Rtmp.into();
    let rtmp = CreateIngestConfigurationRequest { ingest_protocol, ..create("acme") };
    refused(&acme, CreateIngestConfigurationRequest { insecure_ingest: true, ..rtmp }).await
}

pub(crate) async fn not_found(world: &World) -> Refusal {
    let acme = acme(world, &[]).await;
    acme.create(repeatable()).await.unwrap();
    world.emulator.delete_all();
    refused(&acme, repeatable()).await
}

pub(crate) async fn tenant_count_quota(world: &World) -> Refusal {
    let acme = acme(world, &["tenants.acme.max_ingest_configurations = 0"]).await;
    refused(&acme, create("acme")).await
}

pub(crate) async fn tenant_request_rate(world: &World) -> Refusal {
    second_of("tenants.acme.request_rate = { per_second = 0.01, burst = 1 }", world).await
}

pub(crate) async fn tenant_create_rate(world: &World) -> Refusal {
    second_of("tenants.acme.create_rate = { per_second = 0.01, burst = 1 }", world).await
}

pub(crate) async fn tenant_concurrency(world: &World) -> Refusal {
    let lines = ["tenants.acme.max_concurrent_calls = 1", "tenants.acme.max_queued = 1"];
    let acme = acme(world, &lines).await;
    world.emulator.hold_next_create();
    let under_way = tokio::spawn({
        let acme = acme.clone();
        async move { acme.create_one().await }
    });
    world.emulator.reached_by_creates(1).await;
    let refused = refused(&acme, create("acme")).await;
    // It is still running.
    drop(under_way);
    refused
}

async fn second_of(line: &str, world: &World) -> Refusal {
    let acme = acme(world, &[line]).await;
    acme.create_one().await.unwrap();
    refused(&acme, create("acme")).await
}

pub(crate) async fn tenant_queue_full(world: &World) -> Refusal {
    let limits = ["tenants.acme.max_in_flight = 2", "tenants.acme.max_queued = 1"];
    let acme = acme(world, &["upstream.calls_per_second = 0.05", limits[0], limits[1]]).await;
    acme.create_one().await.unwrap();
    let waits = tokio::spawn({
        let acme = acme.clone();
        async move { acme.create_one().await }
    });
    crate::pacing::queued_creates(&acme, 1).await;
    let refused = refused(&acme, create("acme")).await;
    // It still waits.
    drop(waits);
    // 20 s a create: the one that waits, and then this.
    assert!((21..=40).contains(&refused.retry_after().unwrap().as_secs()), "{refused:?}");
    assert_eq!(refused.info("aws_operation"), Some("CreateIngestConfiguration"));
    refused
}

pub(crate) async fn deadline_too_short(world: &World) -> Refusal {
    let lines = ["upstream.calls_per_second = 0.05", "server.default_deadline_ms = 5000"];
    let acme = acme(world, &lines).await;
    acme.create_one().await.unwrap();
    let refused = refused(&acme, create("acme")).await;
    assert!((10..=20).contains(&refused.retry_after().unwrap().as_secs()), "{refused:?}");
    refused
}

pub(crate) async fn in_progress(world: &World) -> Refusal {
    let acme = acme(world, &[]).await;
    acme.create(repeatable()).await.unwrap();
    // As another process would leave it that has just sent it.
    in_ledger(world, "UPDATE ingest_configurations SET state = 2, arn = NULL");
    let refused = refused(&acme, repeatable()).await;
    assert_eq!(refused.info("operation_id").unwrap().len(), 26);
    refused
}

pub(crate) async fn deadline_exceeded(world: &World) -> Refusal {
    let refused = late(world, repeatable()).await;
    assert!(refused.message.contains("same request_id"), "{refused:?}");
    refused
}

pub(crate) async fn deadline_exceeded_for_good(world: &World) -> Refusal {
    let refused = late(world, create("acme")).await;
    assert!(refused.message.contains("operation_id"), "{refused:?}");
    refused
}

async fn late(world: &World, request: CreateIngestConfigurationRequest) -> Refusal {
    let times = ["server.default_deadline_ms = 300", "server.max_deadline_ms = 300"];
    let acme = acme(world, &times).await;
    world.emulator.fault(&Fault::new(FaultKind::Hold).on(Operation::CreateIngestConfiguration));
    let refused = refused(&acme, request).await;
    assert_eq!(refused.info("operation_id").unwrap().len(), 26);
    refused
}

pub(crate) async fn ledger_unavailable(world: &World) -> Refusal {
    let acme = acme(world, &[]).await;
    in_ledger(world, "DROP TABLE ingest_configurations");
    let refused = refused(&acme, create("acme")).await;
    assert_eq!(world.emulator.creates(), 0, "creates fail closed");
    refused
}

pub(crate) async fn draining(world: &World) -> Refusal {
    let gateway = world.gateway(&[]).await;
    let acme = gateway.caller_at(deaf_to_goodbyes(gateway.address).await, "acme");
    world.emulator.hold_next_create();
    let under_way = tokio::spawn({
        let acme = acme.clone();
        async move { acme.create_one().await }
    });
    world.emulator.reached_by_creates(1).await;
    gateway.signal(Signal::TERM);
    gateway.log("draining: running calls finish, new calls are rejected").await;
    let refused = refused(&acme, create("acme")).await;
    under_way.abort();
    refused
}

pub(crate) async fn overloaded(world: &World) -> Refusal {
    let acme = acme(world, &["server.max_concurrent_requests = 1"]).await;
    world.emulator.hold_next_create();
    let under_way = tokio::spawn({
        let acme = acme.clone();
        async move { acme.create_one().await }
    });
    world.emulator.reached_by_creates(1).await;
    let refused = refused(&acme, create("acme")).await;
    // It is still running.
    drop(under_way);
    refused
}

pub(crate) async fn internal(world: &World) -> Refusal {
    let acme = acme(world, &[]).await;
    // A row that disappears immediately, which only a defect of the gateway can cause.
    in_ledger(
        world,
        "CREATE TRIGGER defect AFTER INSERT ON ingest_configurations BEGIN \
         DELETE FROM ingest_configurations WHERE operation_id = NEW.operation_id; END",
    );
    refused(&acme, create("acme")).await
}

pub(crate) async fn unimplemented(world: &World) -> Refusal {
    let gateway = world.gateway(&[]).await;
    let acme = gateway.caller("acme");
    let path = "/ivs.ingest.v1.IngestService/NoSuchMethod";
    let replay = Replay::of(gateway.address, path, &acme.request(()));
    let status = crate::server::grpc::call(&gateway, path, acme.request(())).await.unwrap_err();
    acme.refused(&status).of_call(replay)
}

/// Changes the ledger behind the gateway's back.
fn in_ledger(world: &World, sql: &str) {
    Connection::open(world.ledger()).unwrap().execute_batch(sql).unwrap();
}
