//! The owner of a stage, by tag and by configuration, and what a rejection must not reveal.

use std::{fs, time::Duration};

use ivs_ingest_gateway::proto::v1::{
    CreateIngestConfigurationRequest, UpdateIngestConfigurationRequest,
};
use ivs_realtime_emulator::{Fault, FaultKind, Operation};
use prost_types::FieldMask;
use tokio::task::JoinSet;
use tonic::Code;

use crate::support::{Caller, World, create, stage_of};

async fn assert_forbidden(caller: &Caller, stage_arn: &str) {
    let mut request = create("acme");
    stage_arn.clone_into(&mut request.stage_arn);
    let rejected = caller.create(request).await.unwrap_err();
    assert_eq!((rejected.code, rejected.reason()), (Code::PermissionDenied, "STAGE_FORBIDDEN"));
}

#[tokio::test]
async fn a_stage_in_the_configuration_belongs_to_that_tenant_regardless_of_its_tag() {
    let world = World::new();
    let listed = format!("tenants.globex.stage_arns = ['{}']", stage_of("acme"));
    let gateway = world.gateway(&[&listed]).await;
    let (acme, globex) = (gateway.caller("acme"), gateway.caller("globex"));

    let created = globex.create(create("acme")).await.unwrap().ingest_configuration.unwrap();
    assert_eq!(created.stage_arn, stage_of("acme"));
    assert!(created.ingest_endpoint.starts_with("rtmps://"));
    assert_forbidden(&acme, &stage_of("acme")).await;
    // A stage that is not in the configuration belongs to the tenant in its tag.
    globex.create_one().await.unwrap();

    // A reload changes the owner immediately, without a call to AWS.
    let calls = world.emulator.calls(Operation::GetStage);
    let text = fs::read_to_string(world.configure(&[])).unwrap();
    gateway
        .reload(&text, "applied the tenants, their limits and the certificates of the file")
        .await;
    assert_forbidden(&globex, &stage_of("acme")).await;
    acme.create_one().await.unwrap();
    assert_eq!(world.emulator.calls(Operation::GetStage), calls);
}

/// A different number of AWS calls would reveal whether another tenant uses the stage.
#[tokio::test]
async fn absent_and_foreign_stages_make_the_same_aws_calls() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    let (acme, globex) = (gateway.caller("acme"), gateway.caller("globex"));
    // The owner's create looks the stage up, and the gateway remembers it for the owner.
    globex.create_one().await.unwrap();

    let absent = stage_of("acme").replace("AcmeStudio", "NotThere");
    for stage_arn in [stage_of("globex"), absent] {
        let before = world.emulator.calls(Operation::GetStage);
        assert_forbidden(&acme, &stage_arn).await;
        assert_eq!(world.emulator.calls(Operation::GetStage), before + 1, "{stage_arn}");
        assert_forbidden(&acme, &stage_arn).await;
        assert_eq!(world.emulator.calls(Operation::GetStage), before + 1, "{stage_arn}");
    }
    let before = world.emulator.calls(Operation::GetStage);
    globex.create_one().await.unwrap();
    assert_eq!(world.emulator.calls(Operation::GetStage), before);
}

#[tokio::test]
async fn concurrent_lookups_share_one_aws_call() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    let acme = gateway.caller("acme");
    let slow = Fault::new(FaultKind::SlowAfter).delayed(Duration::from_millis(300));
    world.emulator.fault(&slow.on(Operation::GetStage));
    let mut creates = JoinSet::new();
    for _ in 0..20 {
        let acme = acme.clone();
        creates.spawn(async move { acme.create_one().await.unwrap() });
    }
    assert_eq!(creates.join_all().await.len(), 20);
    assert_eq!(world.emulator.calls(Operation::GetStage), 1);
}

/// The gateway remembers the owner of a stage that has been deleted at AWS since.
#[tokio::test]
async fn a_deleted_stage_is_forbidden_and_its_remembered_owner_is_dropped() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    let acme = gateway.caller("acme");
    let stage_arn = world.emulator.create_stage("acme").await;
    let on_stage =
        || CreateIngestConfigurationRequest { stage_arn: stage_arn.clone(), ..create("acme") };
    acme.create(on_stage()).await.unwrap();
    world.emulator.delete_all();

    let creates = world.emulator.creates();
    assert_forbidden(&acme, &stage_arn).await;
    assert_eq!(
        world.emulator.creates(),
        creates + 1,
        "the gateway remembers the owner, so it sends the create"
    );
    // The owner is no longer remembered: the gateway calls `GetStage` and sends no create.
    assert_forbidden(&acme, &stage_arn).await;
    assert_eq!(world.emulator.creates(), creates + 1);
}

#[tokio::test]
async fn an_update_distinguishes_a_deleted_stage_from_a_deleted_configuration() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    let acme = gateway.caller("acme");
    let created = acme.create_one().await.unwrap().ingest_configuration.unwrap();
    let update = async || {
        let message = UpdateIngestConfigurationRequest {
            arn: created.arn.clone(),
            stage_arn: stage_of("acme"),
            update_mask: Some(FieldMask { paths: vec!["stage_arn".into()] }),
            ..Default::default()
        };
        let update = acme.client.clone().update_ingest_configuration(acme.request(message)).await;
        acme.rejection(&update.unwrap_err()).reason().to_owned()
    };
    let absent = Fault::error(404, "ResourceNotFoundException").times(1);
    world.emulator.fault(&absent.clone().on(Operation::UpdateIngestConfiguration));
    // AWS may not show the new configuration yet.
    assert_eq!(update().await, "AWS_UNAVAILABLE");
    world.emulator.fault(&absent.clone().on(Operation::UpdateIngestConfiguration));
    world.emulator.fault(&absent.on(Operation::GetStage));
    assert_eq!(update().await, "STAGE_FORBIDDEN");
}
