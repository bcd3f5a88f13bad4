//! Functions that cause each error of the error table.

mod aws;

use ivs_ingest_gateway::proto::v1::{CreateIngestConfigurationRequest, IngestProtocol};
use ivs_realtime_emulator::{Fault, FaultKind, Operation};
use rusqlite::Connection;
use rustix::process::Signal;
use tonic::Request;

pub(crate) use aws::*;

use crate::support::{Caller, Rejection, Replay, World, create, proxy_without_goaway};

async fn acme(world: &World, lines: &[&str]) -> Caller {
    world.gateway(lines).await.caller("acme")
}

async fn rejected(caller: &Caller, request: CreateIngestConfigurationRequest) -> Rejection {
    caller.create(request).await.unwrap_err()
}

fn repeatable() -> CreateIngestConfigurationRequest {
    CreateIngestConfigurationRequest { request_id: "r".into(), ..create("acme") }
}

pub(crate) async fn invalid_fields(world: &World) -> Rejection {
    let request = CreateIngestConfigurationRequest { name: "no spaces".into(), ..create("acme") };
    let rejected = rejected(&acme(world, &[]).await, request).await;
    let violations = &rejected.details.bad_request().unwrap().field_violations;
    assert_eq!((violations.len(), violations[0].field.as_str()), (1, "name"));
    rejected
}

pub(crate) async fn invalid_message(world: &World) -> Rejection {
    let acme = acme(world, &["server.max_message_bytes = 1024"]).await;
    rejected(
        &acme,
        CreateIngestConfigurationRequest { user_id: "x".repeat(1024), ..create("acme") },
    )
    .await
}

pub(crate) async fn request_id_reused(world: &World) -> Rejection {
    let acme = acme(world, &[]).await;
    acme.create(repeatable()).await.unwrap();
    rejected(&acme, CreateIngestConfigurationRequest { redundant_ingest: true, ..repeatable() })
        .await
}

pub(crate) async fn credential_missing(world: &World) -> Rejection {
    let acme = acme(world, &[]).await;
    acme.send(Request::new(create("acme"))).await.unwrap_err()
}

pub(crate) async fn credential_malformed(world: &World) -> Rejection {
    world.gateway(&[]).await.caller("no tenant").create(create("acme")).await.unwrap_err()
}

pub(crate) async fn credential_twice(world: &World) -> Rejection {
    let acme = acme(world, &[]).await;
    let mut request = acme.request(create("acme"));
    request.metadata_mut().append("x-tenant-id", "globex".parse().unwrap());
    acme.send(request).await.unwrap_err()
}

pub(crate) async fn tenant_forbidden(world: &World) -> Rejection {
    world.gateway(&[]).await.caller("initech").create(create("acme")).await.unwrap_err()
}

pub(crate) async fn stage_of_another(world: &World) -> Rejection {
    let acme = acme(world, &[]).await;
    let foreign = rejected(&acme, create("globex")).await;
    // The message must not reveal whether the stage exists.
    let absent = rejected(&acme, with_stage("123456789012:stage/NoSuchStage")).await;
    assert_eq!(foreign.message, absent.message);
    foreign
}

pub(crate) async fn stage_absent(world: &World) -> Rejection {
    rejected(&acme(world, &[]).await, with_stage("123456789012:stage/NoSuchStage")).await
}

pub(crate) async fn stage_in_another_account(world: &World) -> Rejection {
    let rejected = rejected(&acme(world, &[]).await, with_stage("999999999999:stage/Theirs")).await;
    assert_eq!(world.emulator.calls(Operation::GetStage), 0);
    rejected
}

fn with_stage(id: &str) -> CreateIngestConfigurationRequest {
    let stage_arn = format!("arn:aws:ivs:us-east-1:{id}");
    CreateIngestConfigurationRequest { stage_arn, ..create("acme") }
}

pub(crate) async fn protocol_forbidden(world: &World) -> Rejection {
    let acme = acme(world, &["tenants.acme.allowed_protocols = ['RTMPS']"]).await;
    let ingest_protocol = IngestProtocol::Rtmp.into();
    let rtmp = CreateIngestConfigurationRequest { ingest_protocol, ..create("acme") };
    rejected(&acme, CreateIngestConfigurationRequest { insecure_ingest: true, ..rtmp }).await
}

pub(crate) async fn not_found(world: &World) -> Rejection {
    let acme = acme(world, &[]).await;
    let created = acme.create(repeatable()).await.unwrap().ingest_configuration.unwrap();
    acme.delete(&created.arn, false).await.unwrap();
    rejected(&acme, repeatable()).await
}

pub(crate) async fn tenant_count_quota(world: &World) -> Rejection {
    let acme = acme(world, &["tenants.acme.max_ingest_configurations = 0"]).await;
    rejected(&acme, create("acme")).await
}

pub(crate) async fn tenant_request_rate(world: &World) -> Rejection {
    second_of("tenants.acme.request_rate = { per_second = 0.01, burst = 1 }", world).await
}

pub(crate) async fn tenant_create_rate(world: &World) -> Rejection {
    second_of("tenants.acme.create_rate = { per_second = 0.01, burst = 1 }", world).await
}

pub(crate) async fn tenant_concurrency(world: &World) -> Rejection {
    let lines = ["tenants.acme.max_concurrent_calls = 1", "tenants.acme.max_queued = 1"];
    let acme = acme(world, &lines).await;
    world.emulator.hold_next_create();
    let running = tokio::spawn({
        let acme = acme.clone();
        async move { acme.create_one().await }
    });
    world.emulator.wait_for_creates(1).await;
    let rejected = rejected(&acme, create("acme")).await;
    // The first create is still running here.
    drop(running);
    rejected
}

async fn second_of(line: &str, world: &World) -> Rejection {
    let acme = acme(world, &[line]).await;
    acme.create_one().await.unwrap();
    rejected(&acme, create("acme")).await
}

pub(crate) async fn tenant_queue_full(world: &World) -> Rejection {
    let limits = ["tenants.acme.max_in_flight = 2", "tenants.acme.max_queued = 1"];
    let acme = acme(world, &["upstream.calls_per_second = 0.05", limits[0], limits[1]]).await;
    acme.create_one().await.unwrap();
    let waiting = tokio::spawn({
        let acme = acme.clone();
        async move { acme.create_one().await }
    });
    crate::pacing::wait_for_queued_creates(&acme, 1).await;
    let rejected = rejected(&acme, create("acme")).await;
    // The second create is still waiting here.
    drop(waiting);
    // At one create per 20 s, the waiting create is sent first, and then this one.
    assert!((21..=40).contains(&rejected.retry_after().unwrap().as_secs()), "{rejected:?}");
    assert_eq!(rejected.info("aws_operation"), Some("CreateIngestConfiguration"));
    rejected
}

pub(crate) async fn deadline_too_short(world: &World) -> Rejection {
    let lines = ["upstream.calls_per_second = 0.05", "server.default_deadline_ms = 5000"];
    let acme = acme(world, &lines).await;
    acme.create_one().await.unwrap();
    let rejected = rejected(&acme, create("acme")).await;
    assert!((10..=20).contains(&rejected.retry_after().unwrap().as_secs()), "{rejected:?}");
    rejected
}

pub(crate) async fn in_progress(world: &World) -> Rejection {
    let acme = acme(world, &[]).await;
    acme.create(repeatable()).await.unwrap();
    // The state in which another process leaves a row that it has just sent.
    in_ledger(world, "UPDATE ingest_configurations SET state = 2, arn = NULL");
    let rejected = rejected(&acme, repeatable()).await;
    assert_eq!(rejected.info("operation_id").unwrap().len(), 26);
    rejected
}

pub(crate) async fn deadline_exceeded(world: &World) -> Rejection {
    let rejected = exceed_deadline(world, repeatable()).await;
    assert!(rejected.message.contains("same request_id"), "{rejected:?}");
    rejected
}

pub(crate) async fn deadline_exceeded_final(world: &World) -> Rejection {
    let rejected = exceed_deadline(world, create("acme")).await;
    assert!(rejected.message.contains("operation_id"), "{rejected:?}");
    rejected
}

async fn exceed_deadline(world: &World, request: CreateIngestConfigurationRequest) -> Rejection {
    let times = ["server.default_deadline_ms = 300", "server.max_deadline_ms = 300"];
    let acme = acme(world, &times).await;
    world.emulator.fault(&Fault::new(FaultKind::Hold).on(Operation::CreateIngestConfiguration));
    let rejected = rejected(&acme, request).await;
    assert_eq!(rejected.info("operation_id").unwrap().len(), 26);
    rejected
}

pub(crate) async fn ledger_unavailable(world: &World) -> Rejection {
    let acme = acme(world, &[]).await;
    in_ledger(world, "DROP TABLE ingest_configurations");
    let rejected = rejected(&acme, create("acme")).await;
    assert_eq!(world.emulator.creates(), 0, "creates fail closed");
    rejected
}

pub(crate) async fn draining(world: &World) -> Rejection {
    let gateway = world.gateway(&[]).await;
    let acme = gateway.caller_at(proxy_without_goaway(gateway.address).await, "acme");
    world.emulator.hold_next_create();
    let running = tokio::spawn({
        let acme = acme.clone();
        async move { acme.create_one().await }
    });
    world.emulator.wait_for_creates(1).await;
    gateway.signal(Signal::TERM);
    gateway.log("draining: running calls finish, new calls are rejected").await;
    let rejected = rejected(&acme, create("acme")).await;
    running.abort();
    rejected
}

pub(crate) async fn overloaded(world: &World) -> Rejection {
    let acme = acme(world, &["server.max_concurrent_requests = 1"]).await;
    world.emulator.hold_next_create();
    let running = tokio::spawn({
        let acme = acme.clone();
        async move { acme.create_one().await }
    });
    world.emulator.wait_for_creates(1).await;
    let rejected = rejected(&acme, create("acme")).await;
    // The first create is still running here.
    drop(running);
    rejected
}

pub(crate) async fn internal(world: &World) -> Rejection {
    let acme = acme(world, &[]).await;
    // The trigger deletes a row immediately after its insert, which only a defect of the
    // gateway could do.
    in_ledger(
        world,
        "CREATE TRIGGER defect AFTER INSERT ON ingest_configurations BEGIN \
         DELETE FROM ingest_configurations WHERE operation_id = NEW.operation_id; END",
    );
    rejected(&acme, create("acme")).await
}

pub(crate) async fn unimplemented(world: &World) -> Rejection {
    let gateway = world.gateway(&[]).await;
    let acme = gateway.caller("acme");
    let path = "/ivs.ingest.v1.IngestService/NoSuchMethod";
    let replay = Replay::of(gateway.address, path, &acme.request(()));
    let status = crate::server::grpc::call(&gateway, path, acme.request(())).await.unwrap_err();
    acme.rejection(&status).of_call(replay)
}

/// Changes the ledger's file directly, without the gateway.
fn in_ledger(world: &World, sql: &str) {
    Connection::open(world.ledger()).unwrap().execute_batch(sql).unwrap();
}
