//! Configurations that were made before the gateway are given to tenants.

use aws_sdk_ivsrealtime::types;
use ivs_ingest_gateway::proto::v1::ListIngestConfigurationsRequest;

use crate::support::World;

/// Creates a configuration by calling AWS directly.
async fn made_before(world: &World) -> String {
    let create = world.emulator.sdk().create_ingest_configuration().name("old");
    let create = create.ingest_protocol(types::IngestProtocol::Rtmps).tags("team", "video");
    create.send().await.unwrap().ingest_configuration.unwrap().arn
}

#[tokio::test]
async fn what_was_made_before_becomes_a_tenants() {
    let world = World::new();
    world.emulator.show_immediately();
    let arn = made_before(&world).await;
    let config = world.configure(&[]);
    let list = world.path("old.txt");
    std::fs::write(&list, format!("# by hand\n{arn} acme\n")).unwrap();
    let (config, list) = (config.to_str().unwrap(), list.to_str().unwrap());
    let adopt = ["adopt", "--config", config, "--list", list, "--apply"];

    let told = world.run(&adopt[..5], &[]).await;
    assert!(told.stdout.contains(&format!("{arn} acme: would be adopted")), "{told:?}");
    assert_eq!(world.emulator.configurations()[0].tags.len(), 1);
    for said in ["adopted\n", "is adopted already\n"] {
        let done = world.run(&adopt, &[]).await;
        assert_eq!((done.code, done.stdout.ends_with(said)), (Some(0), true), "{done:?}");
    }
    std::fs::write(list, format!("{arn} globex\n")).unwrap();
    let refused = world.run(&adopt, &[]).await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.stdout.contains("it belongs to the tenant acme"), "{refused:?}");

    let gateway = world.gateway(&[]).await;
    let all = ListIngestConfigurationsRequest::default;
    let (listed, _) = gateway.caller("acme").list(all()).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].arn.as_str(), listed[0].name.as_str()), (arn.as_str(), "old"));
    assert_eq!(listed[0].tags, [("team".to_owned(), "video".to_owned())].into());
    assert!(gateway.caller("globex").list(all()).await.unwrap().0.is_empty());
}
