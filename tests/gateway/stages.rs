//! Whose a stage is: by its tag, by the configuration, and what a refusal gives away.

use std::{fs, time::Duration};

use ivs_realtime_emulator::{Fault, FaultKind, Operation};
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
    // A stage that nobody lists is still whose its tag says.
    globex.create_one().await.unwrap();

    // A reload takes it back at once, without another look at AWS.
    let calls = world.emulator.calls(Operation::GetStage);
    let text = fs::read_to_string(world.configure(&[])).unwrap();
    gateway.reload(&text, "tenants, limits and certificates are as the file says now").await;
    is_refused(&globex, &stage_of("acme")).await;
    acme.create_one().await.unwrap();
    assert_eq!(world.emulator.calls(Operation::GetStage), calls);
}

/// What a refusal costs would tell whether somebody uses the stage.
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
async fn callers_who_ask_at_once_share_a_call() {
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
