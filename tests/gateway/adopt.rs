//! The `adopt` command gives configurations that exist at AWS to tenants.

use std::time::Duration;

use aws_sdk_ivsrealtime::types;
use ivs_ingest_gateway::proto::v1::ListIngestConfigurationsRequest;

use crate::support::World;

/// Creates a configuration at AWS without the gateway.
async fn create_without_gateway(world: &World) -> String {
    let create = world.emulator.sdk().create_ingest_configuration().name("old");
    let create = create.ingest_protocol(types::IngestProtocol::Rtmps).tags("team", "video");
    create.send().await.unwrap().ingest_configuration.unwrap().arn
}

#[tokio::test]
async fn adopt_gives_an_existing_configuration_to_a_tenant() {
    let world = World::new();
    world.emulator.list_immediately();
    let arn = create_without_gateway(&world).await;
    let lines = ["sweep.interval_ms = 100"];
    let gateway = world.gateway(&lines).await;
    let config = world.configure(&lines);
    let list = world.path("old.txt");
    std::fs::write(&list, format!("# by hand\n{arn} acme\n")).unwrap();
    let (config, list) = (config.to_str().unwrap(), list.to_str().unwrap());
    let adopt = ["adopt", "--config", config, "--list", list, "--apply"];

    let preview = world.run(&adopt[..5], &[]).await;
    assert!(preview.stdout.contains(&format!("{arn} acme: would be adopted")), "{preview:?}");
    assert_eq!(world.emulator.configurations()[0].tags.len(), 1);
    for ending in ["adopted\n", "is already adopted\n"] {
        let done = world.run(&adopt, &[]).await;
        assert_eq!((done.code, done.stdout.ends_with(ending)), (Some(0), true), "{done:?}");
    }
    std::fs::write(list, format!("{arn} globex\n")).unwrap();
    let rejected = world.run(&adopt, &[]).await;
    assert_eq!(rejected.code, Some(1));
    assert!(rejected.stdout.contains("it belongs to the tenant acme"), "{rejected:?}");

    let all = ListIngestConfigurationsRequest::default;
    let listed = loop {
        let (listed, _) = gateway.caller("acme").list(all()).await.unwrap();
        if !listed.is_empty() {
            break listed;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].arn.as_str(), listed[0].name.as_str()), (arn.as_str(), "old"));
    assert_eq!(listed[0].tags, [("team".to_owned(), "video".to_owned())].into());
    assert!(gateway.caller("globex").list(all()).await.unwrap().0.is_empty());
}
