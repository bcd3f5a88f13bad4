//! Errors must be correct about what AWS executed, even if a second AWS call fails.

use std::{future::Future, time::Duration};

use ivs_ingest_gateway::proto::v1::{
    CreateIngestConfigurationRequest, DeleteIngestConfigurationRequest,
    GetIngestConfigurationRequest, IngestConfigurationView, UpdateIngestConfigurationRequest,
};
use ivs_realtime_emulator::{Fault, FaultKind, Operation};
use prost_types::FieldMask;
use tokio::task::JoinHandle;
use tonic::{Code, Request, Response, Status};

use crate::support::{Caller, Gateway, Rejection, World, create, stage_of};

/// Sends the message with a deadline, and returns the error.
async fn error_within<M, R, F>(
    deadline: Duration,
    caller: &Caller,
    message: M,
    call: impl FnOnce(Request<M>) -> F,
) -> Rejection
where
    F: Future<Output = Result<Response<R>, Status>>,
{
    let mut request = caller.request(message);
    request.set_timeout(deadline);
    caller.rejection(&call(request).await.err().unwrap())
}

/// Sends the message with a deadline of a second, and returns the error.
async fn error_of<M, R, F>(
    caller: &Caller,
    message: M,
    call: impl FnOnce(Request<M>) -> F,
) -> Rejection
where
    F: Future<Output = Result<Response<R>, Status>>,
{
    error_within(Duration::from_secs(1), caller, message, call).await
}

async fn create_error(caller: &Caller, message: CreateIngestConfigurationRequest) -> Rejection {
    let mut client = caller.client.clone();
    error_of(caller, message, async |request| client.create_ingest_configuration(request).await)
        .await
}

async fn update_error(caller: &Caller, arn: &str, path: &str) -> Rejection {
    let message = UpdateIngestConfigurationRequest {
        arn: arn.to_owned(),
        stage_arn: stage_of("acme"),
        redundant_ingest: true,
        update_mask: Some(FieldMask { paths: vec![path.to_owned()] }),
    };
    let mut client = caller.client.clone();
    error_of(caller, message, async |request| client.update_ingest_configuration(request).await)
        .await
}

async fn arn_of_new(caller: &Caller) -> String {
    caller.create_one().await.unwrap().ingest_configuration.unwrap().arn
}

fn get(caller: &Caller, arn: &str) -> JoinHandle<()> {
    let request =
        caller.request(GetIngestConfigurationRequest { arn: arn.to_owned(), ..Default::default() });
    let mut client = caller.client.clone();
    tokio::spawn(async move { drop(client.get_ingest_configuration(request).await) })
}

/// Starts a read that stays at AWS, so that the tenant's reads reach their limit: one at AWS,
/// and none waiting.
async fn fill_queue_of_reads(world: &World, caller: &Caller, arn: &str) -> JoinHandle<()> {
    let reads = world.emulator.calls(Operation::GetIngestConfiguration);
    let hold = Fault::new(FaultKind::Hold).on(Operation::GetIngestConfiguration);
    world.emulator.fault(&hold.times(1));
    let read = get(caller, arn);
    while world.emulator.calls(Operation::GetIngestConfiguration) == reads {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    read
}

/// Limits of one call at AWS and no waiting call. The first probe comes early, so that an
/// in-doubt create is resolved before its caller stops waiting.
const ONE_AT_A_TIME: [&str; 3] = [
    "tenants.acme.max_in_flight = 1",
    "tenants.acme.max_queued = 0",
    "settle.first_probe_ms = 150",
];

async fn acme(world: &World, lines: &[&str]) -> (Gateway, Caller) {
    let gateway = world.gateway(lines).await;
    let acme = gateway.caller("acme");
    (gateway, acme)
}

/// AWS may not show a new configuration to every operation yet, so its 404 proves nothing.
#[tokio::test]
async fn a_new_configuration_that_aws_does_not_show_may_be_retried() {
    let world = World::new();
    let (_gateway, acme) = acme(&world, &[]).await;
    let arn = arn_of_new(&acme).await;
    let absent = |operation| {
        world
            .emulator
            .fault(&Fault::error(404, "ResourceNotFoundException").times(1).on(operation));
    };
    absent(Operation::GetIngestConfiguration);
    let read = acme.get(&arn, IngestConfigurationView::Full).await.unwrap_err();
    absent(Operation::UpdateIngestConfiguration);
    let updated = update_error(&acme, &arn, "redundant_ingest").await;
    for error in [read, updated] {
        assert_eq!(error.reason(), "AWS_UNAVAILABLE", "{error:?}");
        assert!(error.retry_after().is_some());
    }
    acme.get(&arn, IngestConfigurationView::Full).await.unwrap();
}

#[tokio::test]
async fn an_update_whose_stage_cannot_be_looked_up_may_be_retried() {
    let world = World::new();
    let (_gateway, acme) = acme(&world, &[]).await;
    let arn = arn_of_new(&acme).await;
    let absent = Fault::error(404, "ResourceNotFoundException").times(1);
    world.emulator.fault(&absent.on(Operation::UpdateIngestConfiguration));
    world.emulator.next(Operation::GetStage, FaultKind::Error500Before, 0);
    let error = update_error(&acme, &arn, "stage_arn").await;
    assert_eq!(error.reason(), "AWS_UNAVAILABLE", "{error:?}");
    assert!(error.retry_after().is_some());
}

/// AWS may also reject an unknown stage with a `ValidationException`.
#[tokio::test]
async fn an_update_to_an_invalid_stage_is_forbidden_if_the_stage_is_gone() {
    let world = World::new();
    let (_gateway, acme) = acme(&world, &[]).await;
    let arn = arn_of_new(&acme).await;
    let update = Operation::UpdateIngestConfiguration;
    let invalid = Fault::error(400, "ValidationException").times(1).on(update);
    world.emulator.fault(&invalid);
    assert_eq!(update_error(&acme, &arn, "stage_arn").await.reason(), "AWS_VALIDATION");
    world.emulator.fault(&invalid);
    let absent = Fault::error(404, "ResourceNotFoundException").times(1);
    world.emulator.fault(&absent.on(Operation::GetStage));
    assert_eq!(update_error(&acme, &arn, "stage_arn").await.reason(), "STAGE_FORBIDDEN");
}

#[tokio::test]
async fn a_create_whose_stage_aws_does_not_find_is_forbidden_even_without_a_lookup() {
    let world = World::new();
    let (_gateway, acme) = acme(&world, &[]).await;
    arn_of_new(&acme).await;
    world.emulator.create_errors(404, "ResourceNotFoundException");
    world.emulator.next(Operation::GetStage, FaultKind::Error500Before, 0);
    assert_eq!(create_error(&acme, create("acme")).await.reason(), "STAGE_FORBIDDEN");
    // Without a stage, a 404 of AWS does not concern the stage.
    let bare = CreateIngestConfigurationRequest { stage_arn: String::new(), ..create("acme") };
    assert_eq!(create_error(&acme, bare).await.reason(), "AWS_REJECTED");
}

#[tokio::test]
async fn an_executed_update_is_not_reported_as_not_sent() {
    let world = World::new();
    let (_gateway, acme) = acme(&world, &ONE_AT_A_TIME).await;
    let arn = arn_of_new(&acme).await;
    let read = fill_queue_of_reads(&world, &acme, &arn).await;
    world.emulator.next(Operation::UpdateIngestConfiguration, FaultKind::DropAfter, 0);
    let error = update_error(&acme, &arn, "redundant_ingest").await;
    assert_eq!(error.reason(), "OUTCOME_UNKNOWN", "{error:?}");
    assert!(error.retry_after().is_some());
    world.emulator.release();
    read.await.unwrap();
}

/// The configuration of a create without a `request_id` exists, and its keys cannot be read.
/// A retry would create a second configuration.
#[tokio::test]
async fn an_executed_create_is_not_reported_as_not_sent() {
    let world = World::new();
    world.emulator.list_immediately();
    let (_gateway, acme) = acme(&world, &ONE_AT_A_TIME).await;
    let arn = arn_of_new(&acme).await;
    let read = fill_queue_of_reads(&world, &acme, &arn).await;
    world.emulator.next_create(FaultKind::DropAfter, 0);
    let error = create_error(&acme, create("acme")).await;
    assert_eq!((error.code, error.reason()), (Code::Unknown, "OUTCOME_UNKNOWN"), "{error:?}");
    assert_eq!(error.retry_after(), None);
    world.emulator.release();
    read.await.unwrap();
}

/// Like the test above, but the predicted wait of the read exceeds the deadline.
#[tokio::test]
async fn an_executed_create_is_not_reported_as_too_late() {
    let world = World::new();
    world.emulator.list_immediately();
    let lines = [ONE_AT_A_TIME[0], "tenants.acme.max_queued = 5", ONE_AT_A_TIME[2]];
    let (_gateway, acme) = acme(&world, &lines).await;
    let arn = arn_of_new(&acme).await;
    world.emulator.next(Operation::GetIngestConfiguration, FaultKind::SlowAfter, 1500);
    get(&acme, &arn).await.unwrap();
    let read = fill_queue_of_reads(&world, &acme, &arn).await;
    world.emulator.next_create(FaultKind::DropAfter, 0);
    let error = create_error(&acme, create("acme")).await;
    assert_eq!((error.code, error.reason()), (Code::Unknown, "OUTCOME_UNKNOWN"), "{error:?}");
    assert_eq!(error.retry_after(), None);
    world.emulator.release();
    read.await.unwrap();
}

#[tokio::test]
async fn a_create_that_was_never_sent_may_be_retried() {
    let world = World::new();
    let (_gateway, acme) = acme(&world, &["tenants.acme.max_in_flight = 1"]).await;
    world.emulator.hold_next_create();
    let holder = acme.clone();
    let held = tokio::spawn(async move { holder.create_one().await });
    world.emulator.wait_for_creates(1).await;
    let error = create_error(&acme, create("acme")).await;
    assert_eq!(error.reason(), "DEADLINE_EXCEEDED", "{error:?}");
    assert!(error.retry_after().is_some(), "{error:?}");
    assert_eq!(error.info("operation_id"), None);
    world.emulator.release();
    held.await.unwrap().unwrap();
    assert_eq!(world.emulator.creates(), 1);
}

#[tokio::test]
async fn the_error_of_a_delete_of_unknown_outcome_names_the_delete() {
    let world = World::new();
    let (_gateway, acme) = acme(&world, &[]).await;
    let arn = arn_of_new(&acme).await;
    world.emulator.next(Operation::DeleteIngestConfiguration, FaultKind::DropBefore, 0);
    let message = DeleteIngestConfigurationRequest { arn, ..Default::default() };
    let mut client = acme.client.clone();
    let error =
        error_of(&acme, message, async |request| client.delete_ingest_configuration(request).await)
            .await;
    assert_eq!((error.code, error.reason()), (Code::Unavailable, "OUTCOME_UNKNOWN"), "{error:?}");
    assert!(error.message.contains("deleted") && !error.message.contains("request_id"));
    assert!(error.retry_after().is_some());
}

/// The configuration exists, whatever happens to the read of its key.
#[tokio::test]
async fn a_replay_that_cannot_be_read_is_not_reported_as_not_created() {
    let world = World::new();
    let (_gateway, acme) = acme(&world, &ONE_AT_A_TIME).await;
    let named = CreateIngestConfigurationRequest { request_id: "r".into(), ..create("acme") };
    let created = acme.create(named.clone()).await.unwrap().ingest_configuration.unwrap();
    let get = Operation::GetIngestConfiguration;
    for fault in [
        Fault::error(429, "ThrottlingException"),
        Fault::error(403, "AccessDeniedException"),
        Fault::error(404, "ResourceNotFoundException"),
        Fault::new(FaultKind::DropBefore),
        Fault::new(FaultKind::Error500Before),
        Fault::new(FaultKind::Truncate),
    ] {
        world.emulator.fault(&fault.on(get));
        let mut client = acme.client.clone();
        let call = async |request| client.create_ingest_configuration(request).await;
        let error = error_within(Duration::from_secs(6), &acme, named.clone(), call).await;
        // A throttled read is repeated until the deadline.
        match error.reason() {
            "DEADLINE_EXCEEDED" => assert_eq!(error.code, Code::DeadlineExceeded),
            reason => assert_eq!((error.code, reason), (Code::Unavailable, "OUTCOME_UNKNOWN")),
        }
        assert!(error.retry_after().is_some(), "{error:?}");
        world.emulator.release();
    }
    let reading = fill_queue_of_reads(&world, &acme, &created.arn).await;
    let error = create_error(&acme, named.clone()).await;
    assert_eq!((error.code, error.reason()), (Code::Unavailable, "OUTCOME_UNKNOWN"));
    world.emulator.release();
    reading.await.unwrap();
    assert!(acme.create(named).await.unwrap().replayed);
    assert_eq!(world.emulator.creates(), 1);
}

/// The tenant no longer owns the stage, but the configuration exists.
#[tokio::test]
async fn a_request_id_returns_its_configuration_after_the_stage_is_gone() {
    let world = World::new();
    let (_gateway, acme) = acme(&world, &["upstream.stage_cache_ms = 0"]).await;
    let named = |request_id: &str| CreateIngestConfigurationRequest {
        request_id: request_id.to_owned(),
        ..create("acme")
    };
    let created = acme.create(named("r1")).await.unwrap().ingest_configuration.unwrap();
    let absent = Fault::error(404, "ResourceNotFoundException").on(Operation::GetStage);
    world.emulator.fault(&absent);
    let again = acme.create(named("r1")).await.unwrap();
    assert!(again.replayed);
    let again = again.ingest_configuration.unwrap();
    assert_eq!((again.arn, again.stream_key), (created.arn, created.stream_key));
    assert_eq!(create_error(&acme, named("r2")).await.reason(), "STAGE_FORBIDDEN");
    let other = CreateIngestConfigurationRequest { name: "other".into(), ..named("r1") };
    assert_eq!(create_error(&acme, other).await.reason(), "REQUEST_ID_REUSED");
    assert_eq!(create_error(&acme, create("acme")).await.reason(), "STAGE_FORBIDDEN");
    let validated = CreateIngestConfigurationRequest { validate_only: true, ..named("r1") };
    assert_eq!(create_error(&acme, validated).await.reason(), "STAGE_FORBIDDEN");
    assert_eq!(world.emulator.creates(), 1);
}
