//! At most one configuration a `request_id`, whatever the caller does.

use ivs_ingest_gateway::proto::v1::CreateIngestConfigurationRequest;
use ivs_realtime_emulator::{FaultKind, Operation};
use tokio::{task::JoinSet, time::timeout};
use tonic::Code;

use crate::{
    life::to_stage,
    support::{Caller, TIMEOUT, World, create, stage_of},
};

fn request(request_id: &str) -> CreateIngestConfigurationRequest {
    CreateIngestConfigurationRequest { request_id: request_id.into(), ..create("acme") }
}

/// ARN, stream key, and whether it was there before.
async fn created(
    acme: &Caller,
    request: CreateIngestConfigurationRequest,
) -> (String, String, bool) {
    let answer = acme.create(request).await.unwrap();
    let configuration = answer.ingest_configuration.unwrap();
    (configuration.arn, configuration.stream_key, answer.replayed)
}

#[tokio::test]
async fn the_same_request_twice_is_one_creation() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    let acme = gateway.caller("acme");
    let (arn, key, replayed) = created(&acme, request("r")).await;
    assert!(!replayed);
    let again = created(&acme, request("r")).await;
    assert_eq!(again, (arn.clone(), key.clone(), true));

    // The ledger remembers, not the process.
    gateway.stop().await;
    let acme = world.gateway(&[]).await.caller("acme");
    assert_eq!(created(&acme, request("r")).await, (arn.clone(), key, true));
    assert_eq!(world.emulator.creates(), 1);
    assert_ne!(created(&acme, request("s")).await.0, arn);
}

#[tokio::test]
async fn twenty_concurrent_calls_create_once() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    world.emulator.next_create(FaultKind::SlowAfter, 200);
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        // Connections of their own spread over the gateway's workers.
        let acme = gateway.caller("acme");
        calls.spawn(async move { created(&acme, request("r")).await });
    }
    let answers = calls.join_all().await;
    assert!(answers.iter().all(|(arn, key, _)| (arn, key) == (&answers[0].0, &answers[0].1)));
    assert_eq!(answers.iter().filter(|(_, _, replayed)| !replayed).count(), 1);
    assert_eq!(world.emulator.creates(), 1);
    assert_eq!(world.emulator.configurations().len(), 1);
}

#[tokio::test]
async fn other_content_under_the_same_request_id_is_refused() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    let acme = gateway.caller("acme");
    let other = || CreateIngestConfigurationRequest { name: "other".into(), ..request("r") };

    // While the first is running, and when it is over.
    world.emulator.hold_next_create();
    let first = tokio::spawn({
        let acme = acme.clone();
        async move { created(&acme, request("r")).await }
    });
    world.emulator.reached_by_creates(1).await;
    let refused_meanwhile = acme.create(other()).await.unwrap_err();
    world.emulator.release();
    first.await.unwrap();
    let refused_after = acme.create(other()).await.unwrap_err();

    for refused in [refused_meanwhile, refused_after] {
        assert_eq!((refused.code, refused.reason()), (Code::InvalidArgument, "REQUEST_ID_REUSED"));
        let violations = &refused.details.bad_request().unwrap().field_violations;
        assert_eq!(violations.len(), 1);
        assert_eq!(violations[0].field, "request_id");
        assert_eq!(refused.retry_after(), None);
    }
    assert_eq!(world.emulator.creates(), 1);
}

#[tokio::test]
async fn a_deadline_ends_the_waiting_and_not_the_work() {
    let world = World::new();
    let acme = world.gateway(&[]).await.caller("acme");
    world.emulator.hold_next_create();
    for _ in 0..2 {
        // The second joins the first, and its waiting ends as well.
        let mut call = acme.request(request("r"));
        call.metadata_mut().insert("grpc-timeout", "500m".parse().unwrap());
        let refused = acme.send(call).await.unwrap_err();
        assert_eq!((refused.code, refused.reason()), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
    }
    world.emulator.reached_by_creates(1).await;
    world.emulator.release();
    // One creation, and its key.
    let (_, key, replayed) = created(&acme, request("r")).await;
    assert!(replayed && !key.is_empty());
    assert_eq!(world.emulator.creates(), 1);
    assert_eq!(created(&acme, request("r")).await.1, key);
}

#[tokio::test]
async fn a_caller_who_goes_away_ends_the_waiting_and_not_the_work() {
    let world = World::new();
    let gateway = world.gateway(&["tenants.acme.max_ingest_configurations = 1"]).await;
    world.emulator.hold_next_create();
    let acme = gateway.caller("acme");
    let call = tokio::spawn({
        let acme = acme.clone();
        async move { acme.create(request("r")).await }
    });
    world.emulator.reached_by_creates(1).await;
    // Resets the stream.
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    // Closes the connection.
    drop(acme);
    world.emulator.release();

    let acme = gateway.caller("acme");
    let (_, key, replayed) = created(&acme, request("r")).await;
    assert!(replayed && !key.is_empty());
    assert_eq!(world.emulator.creates(), 1);
    assert_eq!(acme.create_one().await.unwrap_err().reason(), "TENANT_COUNT_QUOTA");
}

#[tokio::test]
async fn a_request_id_is_the_tenants_own() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    let (arn, _, _) = created(&gateway.caller("acme"), request("r")).await;
    let others = CreateIngestConfigurationRequest { request_id: "r".into(), ..create("globex") };
    let (others_arn, _, replayed) = created(&gateway.caller("globex"), others).await;
    assert!(!replayed && arn != others_arn);
    assert_eq!(world.emulator.creates(), 2);
}

#[tokio::test]
async fn what_was_deleted_at_aws_is_not_created_again() {
    let world = World::new();
    let acme = world.gateway(&[]).await.caller("acme");
    let (arn, _, _) = created(&acme, request("r")).await;
    world.emulator.delete_all();
    let refused = acme.create(request("r")).await.unwrap_err();
    assert_eq!((refused.code, refused.reason()), (Code::NotFound, "NOT_FOUND"));
    let resource = refused.details.resource_info().unwrap();
    assert_eq!(resource.resource_name, arn);
    assert_eq!(resource.resource_type, "ivs.ingest.v1.IngestConfiguration");
    assert_eq!(world.emulator.creates(), 0);
}

#[tokio::test]
async fn an_answer_that_was_lost_is_found() {
    let world = World::new();
    world.emulator.show_immediately();
    let acme = world.gateway(&[]).await.caller("acme");
    for fault in
        [FaultKind::DropAfter, FaultKind::Error500After, FaultKind::Truncate, FaultKind::Garbage]
    {
        world.emulator.next_create(fault, 0);
        // The first call waits a little for the resolution; a retry gets the configuration.
        let asking = async {
            loop {
                match acme.create(request(&format!("{fault:?}"))).await {
                    Ok(answer) => break answer.ingest_configuration.unwrap(),
                    Err(refused) => assert_eq!(refused.reason(), "OUTCOME_UNKNOWN"),
                }
            }
        };
        let found = timeout(TIMEOUT, asking).await.unwrap();
        let rows = world.emulator.configurations();
        let last = rows.last().unwrap();
        assert_eq!(last.arn, found.arn, "{fault:?}");
        assert_eq!(last.stream_keys[0], found.stream_key, "{fault:?}");
    }
    assert_eq!(world.emulator.creates(), 4);
}

#[tokio::test]
async fn what_an_earlier_call_created_is_a_replay_once_it_is_found() {
    let world = World::new();
    world.emulator.show_immediately();
    let acme = world.gateway(&["settle.first_probe_ms = 100"]).await.caller("acme");
    world.emulator.next_create(FaultKind::DropAfter, 0);
    // The first two looks fail, and the third is while a later call waits for it.
    for _ in 0..2 {
        world.emulator.next(Operation::ListIngestConfigurations, FaultKind::Error500Before, 0);
    }
    assert_eq!(acme.create(request("r")).await.unwrap_err().reason(), "OUTCOME_UNKNOWN");
    let asking = async {
        loop {
            match acme.create(request("r")).await {
                Ok(answer) => break answer.replayed,
                Err(refused) => assert_eq!(refused.reason(), "OUTCOME_UNKNOWN"),
            }
        }
    };
    assert!(timeout(TIMEOUT, asking).await.unwrap());
    assert_eq!(world.emulator.creates(), 1);
}

/// A caller without a `request_id` must not retry a create that may exist, so the error says
/// "nothing was created" only if that is certain.
#[tokio::test]
async fn what_was_found_and_cannot_be_read_is_not_told_as_not_created() {
    let world = World::new();
    world.emulator.show_immediately();
    let acme = world.gateway(&["settle.first_probe_ms = 1000"]).await.caller("acme");
    world.emulator.next_create(FaultKind::DropAfter, 0);
    world.emulator.next(Operation::GetIngestConfiguration, FaultKind::DropBefore, 0);
    let refused = acme.create_one().await.unwrap_err();
    assert_eq!((refused.code, refused.reason()), (Code::Unknown, "OUTCOME_UNKNOWN"));
    assert_eq!(world.emulator.calls(Operation::GetIngestConfiguration), 1);
    let operation_id = refused.info("operation_id").unwrap();
    let (_, key, replayed) = created(&acme, request(operation_id)).await;
    assert!(replayed && !key.is_empty());
    assert_eq!(world.emulator.creates(), 1);
}

#[tokio::test]
async fn a_replay_names_the_endpoint_that_the_configuration_has_now() {
    let world = World::new();
    let acme = world.gateway(&[]).await.caller("acme");
    let nowhere = CreateIngestConfigurationRequest { stage_arn: String::new(), ..request("r") };
    let (arn, _, _) = created(&acme, nowhere.clone()).await;
    let moved = acme.update(to_stage(&arn, &stage_of("acme"))).await.unwrap();
    let replay = acme.create(nowhere).await.unwrap().ingest_configuration.unwrap();
    assert!(!moved.ingest_endpoint.is_empty());
    assert_eq!(replay.ingest_endpoint, moved.ingest_endpoint);
}

#[tokio::test]
async fn a_create_that_aws_refused_may_be_sent_again() {
    let world = World::new();
    let acme = world.gateway(&["tenants.acme.max_ingest_configurations = 1"]).await.caller("acme");
    world.emulator.next_create_error(402, "ServiceQuotaExceededException");
    let refused = acme.create(request("r")).await.unwrap_err();
    assert_eq!(refused.reason(), "AWS_SERVICE_QUOTA");
    // Neither the place in the quota nor the request_id is used up.
    assert!(!created(&acme, request("r")).await.2);
}
