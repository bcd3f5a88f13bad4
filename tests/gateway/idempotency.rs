//! At most one configuration per `request_id`, however the caller repeats or cancels calls.

use ivs_ingest_gateway::proto::v1::CreateIngestConfigurationRequest;
use ivs_realtime_emulator::{FaultKind, Operation};
use tokio::{task::JoinSet, time::timeout};
use tonic::Code;

use crate::{
    life::to_stage,
    quota::RELOADED,
    support::{Caller, TIMEOUT, World, create, stage_of},
};

fn request(request_id: &str) -> CreateIngestConfigurationRequest {
    CreateIngestConfigurationRequest { request_id: request_id.into(), ..create("acme") }
}

/// Returns the ARN, the stream key, and whether the response was a replay.
async fn created(
    acme: &Caller,
    request: CreateIngestConfigurationRequest,
) -> (String, String, bool) {
    let response = acme.create(request).await.unwrap();
    let configuration = response.ingest_configuration.unwrap();
    (configuration.arn, configuration.stream_key, response.replayed)
}

#[tokio::test]
async fn a_repeated_request_creates_one_configuration() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    let acme = gateway.caller("acme");
    let (arn, key, replayed) = created(&acme, request("r")).await;
    assert!(!replayed);
    let again = created(&acme, request("r")).await;
    assert_eq!(again, (arn.clone(), key.clone(), true));

    // A new process replays it too, because the record is in the ledger.
    gateway.stop().await;
    let acme = world.gateway(&[]).await.caller("acme");
    assert_eq!(created(&acme, request("r")).await, (arn.clone(), key, true));
    assert_eq!(world.emulator.creates(), 1);
    assert_ne!(created(&acme, request("s")).await.0, arn);
}

#[tokio::test]
async fn twenty_concurrent_requests_create_one_configuration() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    world.emulator.next_create(FaultKind::SlowAfter, 200);
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        // Separate connections, so that several workers of the gateway take part.
        let acme = gateway.caller("acme");
        calls.spawn(async move { created(&acme, request("r")).await });
    }
    let responses = calls.join_all().await;
    assert!(responses.iter().all(|(arn, key, _)| (arn, key) == (&responses[0].0, &responses[0].1)));
    assert_eq!(responses.iter().filter(|(_, _, replayed)| !replayed).count(), 1);
    assert_eq!(world.emulator.creates(), 1);
    assert_eq!(world.emulator.configurations().len(), 1);
}

#[tokio::test]
async fn different_content_with_the_same_request_id_is_rejected() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    let acme = gateway.caller("acme");
    let other = || CreateIngestConfigurationRequest { name: "other".into(), ..request("r") };

    // Both while the first create is in progress and after its end.
    world.emulator.hold_next_create();
    let first = tokio::spawn({
        let acme = acme.clone();
        async move { created(&acme, request("r")).await }
    });
    world.emulator.wait_for_creates(1).await;
    let during = acme.create(other()).await.unwrap_err();
    world.emulator.release();
    first.await.unwrap();
    let after = acme.create(other()).await.unwrap_err();

    for rejected in [during, after] {
        assert_eq!(
            (rejected.code, rejected.reason()),
            (Code::InvalidArgument, "REQUEST_ID_REUSED")
        );
        let violations = &rejected.details.bad_request().unwrap().field_violations;
        assert_eq!(violations.len(), 1);
        assert_eq!(violations[0].field, "request_id");
        assert_eq!(rejected.retry_after(), None);
    }
    assert_eq!(world.emulator.creates(), 1);
}

#[tokio::test]
async fn a_deadline_does_not_cancel_a_sent_create() {
    let world = World::new();
    let acme = world.gateway(&[]).await.caller("acme");
    world.emulator.hold_next_create();
    for _ in 0..2 {
        // The second call joins the first create, and also ends at its deadline.
        let mut call = acme.request(request("r"));
        call.metadata_mut().insert("grpc-timeout", "500m".parse().unwrap());
        let rejected = acme.send(call).await.unwrap_err();
        assert_eq!(
            (rejected.code, rejected.reason()),
            (Code::DeadlineExceeded, "DEADLINE_EXCEEDED")
        );
    }
    world.emulator.wait_for_creates(1).await;
    world.emulator.release();
    // The create was sent once, and its key is returned.
    let (_, key, replayed) = created(&acme, request("r")).await;
    assert!(replayed && !key.is_empty());
    assert_eq!(world.emulator.creates(), 1);
    assert_eq!(created(&acme, request("r")).await.1, key);
}

#[tokio::test]
async fn a_disconnect_does_not_cancel_a_sent_create() {
    let world = World::new();
    let gateway = world.gateway(&["tenants.acme.max_ingest_configurations = 1"]).await;
    world.emulator.hold_next_create();
    let acme = gateway.caller("acme");
    let call = tokio::spawn({
        let acme = acme.clone();
        async move { acme.create(request("r")).await }
    });
    world.emulator.wait_for_creates(1).await;
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

/// The operator has set a tag since the first call. Its configuration exists nevertheless.
#[tokio::test]
async fn a_replay_is_found_although_its_tags_are_not_allowed_any_more() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    let acme = gateway.caller("acme");
    let tagged = |request_id| CreateIngestConfigurationRequest {
        tags: [("team".to_owned(), "a".to_owned())].into(),
        ..request(request_id)
    };
    let (arn, key, _) = created(&acme, tagged("first")).await;
    let text = world.configure(&["tenants.acme.extra_tags = { team = 'b' }"]);
    gateway.reload(&std::fs::read_to_string(text).unwrap(), RELOADED).await;
    assert_eq!(created(&acme, tagged("first")).await, (arn, key, true));
    let rejected = acme.create(tagged("second")).await.unwrap_err();
    assert_eq!(rejected.reason(), "INVALID_FIELDS");
    let without = CreateIngestConfigurationRequest { request_id: String::new(), ..tagged("") };
    assert_eq!(acme.create(without).await.unwrap_err().reason(), "INVALID_FIELDS");
    assert_eq!(world.emulator.creates(), 1);
}

#[tokio::test]
async fn tenants_do_not_share_request_ids() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    let (arn, _, _) = created(&gateway.caller("acme"), request("r")).await;
    let others = CreateIngestConfigurationRequest { request_id: "r".into(), ..create("globex") };
    let (other_arn, _, replayed) = created(&gateway.caller("globex"), others).await;
    assert!(!replayed && arn != other_arn);
    assert_eq!(world.emulator.creates(), 2);
}

#[tokio::test]
async fn a_configuration_deleted_at_aws_is_not_created_again() {
    let world = World::new();
    let lines = [
        "upstream.connect_timeout_ms = 400",
        "upstream.attempt_timeout_ms = 500",
        "settle.retry_after_ms = 1000",
    ];
    let acme = world.gateway(&lines).await.caller("acme");
    let (arn, _, _) = created(&acme, request("r")).await;
    world.emulator.delete_all();
    // AWS may not show a new configuration yet.
    let unknown = acme.create(request("r")).await.unwrap_err();
    assert_eq!((unknown.code, unknown.reason()), (Code::Unavailable, "OUTCOME_UNKNOWN"));
    acme.deleted(&arn).await;
    let rejected = acme.create(request("r")).await.unwrap_err();
    assert_eq!((rejected.code, rejected.reason()), (Code::NotFound, "NOT_FOUND"));
    let resource = rejected.details.resource_info().unwrap();
    assert_eq!(resource.resource_name, arn);
    assert_eq!(resource.resource_type, "ivs.ingest.v1.IngestConfiguration");
    assert_eq!(world.emulator.creates(), 0);
}

#[tokio::test]
async fn a_create_whose_response_was_lost_is_found() {
    let world = World::new();
    world.emulator.list_immediately();
    let acme = world.gateway(&[]).await.caller("acme");
    for fault in
        [FaultKind::DropAfter, FaultKind::Error500After, FaultKind::Truncate, FaultKind::Garbage]
    {
        world.emulator.next_create(fault, 0);
        // The first call waits for the resolver for a limited time; a retry gets the outcome.
        let retries = async {
            loop {
                match acme.create(request(&format!("{fault:?}"))).await {
                    Ok(response) => break response.ingest_configuration.unwrap(),
                    Err(rejected) => assert_eq!(rejected.reason(), "OUTCOME_UNKNOWN"),
                }
            }
        };
        let found = timeout(TIMEOUT, retries).await.unwrap();
        let rows = world.emulator.configurations();
        let last = rows.last().unwrap();
        assert_eq!(last.arn, found.arn, "{fault:?}");
        assert_eq!(last.stream_keys[0], found.stream_key, "{fault:?}");
    }
    assert_eq!(world.emulator.creates(), 4);
}

#[tokio::test]
async fn a_configuration_of_an_earlier_call_is_returned_as_a_replay_once_it_is_found() {
    let world = World::new();
    world.emulator.list_immediately();
    let acme = world.gateway(&["settle.first_probe_ms = 100"]).await.caller("acme");
    // The scan of the start.
    while world.emulator.calls(Operation::ListIngestConfigurations) == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    world.emulator.next_create(FaultKind::DropAfter, 0);
    // The first two probes fail, each with three lists, and the third runs while a later call waits
    // for it.
    for _ in 0..6 {
        world.emulator.next(Operation::ListIngestConfigurations, FaultKind::Error500Before, 0);
    }
    assert_eq!(acme.create(request("r")).await.unwrap_err().reason(), "OUTCOME_UNKNOWN");
    let retries = async {
        loop {
            match acme.create(request("r")).await {
                Ok(response) => break response.replayed,
                Err(rejected) => assert_eq!(rejected.reason(), "OUTCOME_UNKNOWN"),
            }
        }
    };
    assert!(timeout(TIMEOUT, retries).await.unwrap());
    assert_eq!(world.emulator.creates(), 1);
}

/// A caller without a `request_id` must not retry, because the configuration may exist. So
/// the error must not say that nothing was created.
#[tokio::test]
async fn a_configuration_that_cannot_be_read_is_not_reported_as_not_created() {
    let world = World::new();
    world.emulator.list_immediately();
    let acme = world.gateway(&["settle.first_probe_ms = 1000"]).await.caller("acme");
    world.emulator.next_create(FaultKind::DropAfter, 0);
    world.emulator.next(Operation::GetIngestConfiguration, FaultKind::DropBefore, 0);
    let rejected = acme.create_one().await.unwrap_err();
    assert_eq!((rejected.code, rejected.reason()), (Code::Unknown, "OUTCOME_UNKNOWN"));
    assert_eq!(world.emulator.calls(Operation::GetIngestConfiguration), 1);
    let operation_id = rejected.info("operation_id").unwrap();
    let (_, key, replayed) = created(&acme, request(operation_id)).await;
    assert!(replayed && !key.is_empty());
    assert_eq!(world.emulator.creates(), 1);
}

#[tokio::test]
async fn a_replay_returns_the_current_endpoint() {
    let world = World::new();
    let acme = world.gateway(&[]).await.caller("acme");
    let without_stage =
        CreateIngestConfigurationRequest { stage_arn: String::new(), ..request("r") };
    let (arn, _, _) = created(&acme, without_stage.clone()).await;
    let moved = acme.update(to_stage(&arn, &stage_of("acme"))).await.unwrap();
    let replay = acme.create(without_stage).await.unwrap().ingest_configuration.unwrap();
    assert!(!moved.ingest_endpoint.is_empty());
    assert_eq!(replay.ingest_endpoint, moved.ingest_endpoint);
}

#[tokio::test]
async fn a_create_that_aws_rejected_may_be_retried() {
    let world = World::new();
    let acme = world.gateway(&["tenants.acme.max_ingest_configurations = 1"]).await.caller("acme");
    world.emulator.next_create_error(402, "ServiceQuotaExceededException");
    let rejected = acme.create(request("r")).await.unwrap_err();
    assert_eq!(rejected.reason(), "AWS_SERVICE_QUOTA");
    // The quota and the request_id are still unused.
    assert!(!created(&acme, request("r")).await.2);
}
