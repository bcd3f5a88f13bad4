//! The ownership of stages, by tags and by the configuration, and the rejections.

use std::{fs, time::Duration};

use ivs_ingest_gateway::proto::v1::{
    CreateIngestConfigurationRequest, UpdateIngestConfigurationRequest,
};
use ivs_realtime_emulator::{Fault, FaultKind, Operation};
use prost_types::FieldMask;
use tokio::task::JoinSet;
use tonic::Code;

use crate::support::{Caller, World, create, stage_of};

async fn is_refused(caller: &Caller, stage_arn: &str) {
    let mut request = create("acme");
    stage_arn.clone_into(&mut request.stage_arn);
    let refused = caller.create(request).await.unwrap_err();
    assert_eq!((refused.code, refused.reason()), (Code::PermissionDenied, "STAGE_FORBIDDEN"));
}

#[tokio::test]
async fn a_listed_stage_is_its_tenants_whatever_its_tag_says() {
    let world = World::new();
    let listed = format!("tenants.globex.stage_arns = ['{}']", stage_of("acme"));
    let gateway = world.gateway(&[&listed]).await;
    let (acme, globex) = (gateway.caller("acme"), gateway.caller("globex"));

    let created = globex.create(create("acme")).await.unwrap().ingest_configuration.unwrap();
    assert_eq!(created.stage_arn, stage_of("acme"));
    assert!(created.ingest_endpoint.starts_with("rtmps://"));
    is_refused(&acme, &stage_of("acme")).await;
    // The tag decides the owner of a stage that no tenant lists.
    globex.create_one().await.unwrap();

    // A reload changes the owner immediately, without a call to AWS.
    let calls = world.emulator.calls(Operation::GetStage);
    let text = fs::read_to_string(world.configure(&[])).unwrap();
    gateway
        .reload(&text, "applied the tenants, their limits and the certificates of the file")
        .await;
    is_refused(&globex, &stage_of("acme")).await;
    acme.create_one().await.unwrap();
    assert_eq!(world.emulator.calls(Operation::GetStage), calls);
}

/// A difference would show whether another tenant uses the stage.
#[tokio::test]
async fn absent_and_foreign_stages_cost_the_same_calls() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    let (acme, globex) = (gateway.caller("acme"), gateway.caller("globex"));
    // Its owner looks it up, and it is remembered for the owner.
    globex.create_one().await.unwrap();

    let absent = stage_of("acme").replace("AcmeStudio", "NotThere");
    for stage_arn in [stage_of("globex"), absent] {
        let before = world.emulator.calls(Operation::GetStage);
        is_refused(&acme, &stage_arn).await;
        assert_eq!(world.emulator.calls(Operation::GetStage), before + 1, "{stage_arn}");
        is_refused(&acme, &stage_arn).await;
        assert_eq!(world.emulator.calls(Operation::GetStage), before + 1, "{stage_arn}");
    }
    let before = world.emulator.calls(Operation::GetStage);
    globex.create_one().await.unwrap();
    assert_eq!(world.emulator.calls(Operation::GetStage), before);
}

#[tokio::test]
async fn concurrent_callers_share_a_call() {
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

/// AWS finds no stage whose ownership is remembered: it was deleted since.
#[tokio::test]
async fn a_stage_that_was_deleted_is_forbidden_and_forgotten() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    let acme = gateway.caller("acme");
    let stage_arn = world.emulator.create_stage("acme").await;
    let on_stage =
        || CreateIngestConfigurationRequest { stage_arn: stage_arn.clone(), ..create("acme") };
    acme.create(on_stage()).await.unwrap();
    world.emulator.delete_all();

    let creates = world.emulator.creates();
    is_refused(&acme, &stage_arn).await;
    assert_eq!(world.emulator.creates(), creates + 1, "the ownership was remembered");
    // And is not any more: AWS is asked for the stage, and not for the create.
    is_refused(&acme, &stage_arn).await;
    assert_eq!(world.emulator.creates(), creates + 1);
}

#[tokio::test]
async fn an_update_tells_a_deleted_stage_from_a_deleted_configuration() {
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
        acme.refused(&update.unwrap_err()).reason().to_owned()
    };
    let absent = Fault::error(404, "ResourceNotFoundException").times(1);
    world.emulator.fault(&absent.clone().on(Operation::UpdateIngestConfiguration));
    assert_eq!(update().await, "NOT_FOUND");
    world.emulator.fault(&absent.clone().on(Operation::UpdateIngestConfiguration));
    world.emulator.fault(&absent.on(Operation::GetStage));
    assert_eq!(update().await, "STAGE_FORBIDDEN");
}
