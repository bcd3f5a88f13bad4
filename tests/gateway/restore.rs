//! A ledger that is new, restored or of another upstream.

use std::{fs, os::unix::fs::FileExt, time::Duration};

use ivs_ingest_gateway::proto::v1::{CreateIngestConfigurationRequest, IngestConfigurationView};
use ivs_realtime_emulator::{Fault, FaultKind, Operation};

use crate::support::{Gateway, World};

/// AWS lists a configuration within a second.
const SETTLES_SOON: [&str; 3] = [
    "upstream.attempt_timeout_ms = 900",
    "upstream.connect_timeout_ms = 500",
    "settle.retry_after_ms = 1000",
];

fn request(request_id: &str) -> CreateIngestConfigurationRequest {
    CreateIngestConfigurationRequest {
        request_id: request_id.into(),
        ..crate::support::create("acme")
    }
}

/// Repeats the create until the ledger is complete. Returns whether it was a replay, and the ARN.
async fn created_at_last(gateway: &Gateway, request_id: &str) -> (bool, String) {
    loop {
        match gateway.caller("acme").create(request(request_id)).await {
            Ok(response) => {
                return (response.replayed, response.ingest_configuration.unwrap().arn);
            }
            Err(rejected) => {
                assert_eq!(rejected.reason(), "LEDGER_UNAVAILABLE");
                assert!(rejected.message.starts_with("the ledger is being compared with AWS"));
                let delay = rejected.retry_after().unwrap();
                assert!(delay >= Duration::from_secs(1) && delay < Duration::from_secs(5));
                tokio::time::sleep(delay).await;
            }
        }
    }
}

async fn comparison(gateway: &Gateway) -> String {
    gateway.log("opened the ledger").await["comparison"].as_str().unwrap().to_owned()
}

/// If the gateway did not wait, it would duplicate existing configurations.
#[tokio::test]
async fn a_gateway_with_a_lost_ledger_creates_nothing_before_it_is_rebuilt() {
    let world = World::new();
    world.emulator.list_immediately();
    let lines =
        [SETTLES_SOON.as_slice(), &["tenants.acme.extra_tags = { team = 'live' }"]].concat();
    let gateway = world.gateway(&lines).await;
    let (replayed, old) = created_at_last(&gateway, "old").await;
    assert!(!replayed);
    gateway.stop().await;
    fs::remove_file(world.ledger()).unwrap();

    let lost = Fault::new(FaultKind::DropBefore).on(Operation::ListIngestConfigurations);
    world.emulator.fault(&lost);
    let gateway = world.gateway(&lines).await;
    let acme = gateway.caller("acme");
    assert_eq!(acme.create(request("old")).await.unwrap_err().reason(), "LEDGER_UNAVAILABLE");
    // Nor does it say that a configuration does not exist.
    assert_eq!(
        acme.get(&old, IngestConfigurationView::Basic).await.unwrap_err().reason(),
        "LEDGER_UNAVAILABLE"
    );
    assert_eq!(acme.delete(&old, false).await.unwrap_err().reason(), "LEDGER_UNAVAILABLE");
    world.emulator.release();
    assert_eq!(created_at_last(&gateway, "old").await, (true, old.clone()));
    // The tag of the operator, which AWS has, is not shown.
    assert!(acme.get(&old, IngestConfigurationView::Basic).await.unwrap().tags.is_empty());
    assert_eq!(world.emulator.creates(), 1);
}

#[tokio::test]
async fn a_restored_ledger_is_compared_with_aws() {
    let world = World::new();
    world.emulator.list_immediately();
    let gateway = world.gateway(&SETTLES_SOON).await;
    created_at_last(&gateway, "before").await;
    gateway.stop().await;
    let copy = world.path("copy.db");
    fs::copy(world.ledger(), &copy).unwrap();
    let gateway = world.gateway(&SETTLES_SOON).await;
    assert_eq!(comparison(&gateway).await, "none");
    let (_, after) = created_at_last(&gateway, "after").await;
    gateway.stop().await;

    fs::remove_file(world.ledger()).unwrap();
    fs::copy(&copy, world.ledger()).unwrap();
    let gateway = world.gateway(&SETTLES_SOON).await;
    assert!(comparison(&gateway).await.starts_with("two scans: "));
    assert_eq!(created_at_last(&gateway, "after").await, (true, after));
    assert_eq!(world.emulator.creates(), 2);
}

/// All pages of the file except the first are overwritten while the gateway runs.
#[tokio::test]
async fn a_gateway_with_a_damaged_ledger_is_not_ready() {
    let world = World::new();
    world.emulator.list_immediately();
    let gateway = world.gateway(&[]).await;
    let (_, arn) = created_at_last(&gateway, "r").await;
    gateway.stop().await;
    let gateway = world.gateway(&[]).await;
    let file = fs::File::options().write(true).open(world.ledger()).unwrap();
    for page in 1..file.metadata().unwrap().len() / 4096 {
        file.write_all_at(&[0xff; 64], page * 4096).unwrap();
    }
    let acme = gateway.caller("acme");
    let rejected = acme.get(&arn, IngestConfigurationView::Basic).await.unwrap_err();
    assert_eq!(rejected.reason(), "LEDGER_UNAVAILABLE");
    let not_ready = gateway.log("the gateway is not ready").await;
    let damaged = "the file of the ledger is damaged: stop the gateway and move the file";
    assert!(not_ready["reasons"].as_str().unwrap().starts_with(damaged), "{not_ready}");
    assert_eq!(acme.create(request("s")).await.unwrap_err().reason(), "LEDGER_UNAVAILABLE");
    gateway.stop().await;

    let config = world.configure(&[]);
    let started = world.run(&["serve", "--config", config.to_str().unwrap()], &[]).await;
    assert_eq!(started.code, Some(1));
    assert!(started.stderr.contains("ledger.db-wal and "), "{started:?}");
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(world.path(&format!("ledger.db{suffix}")));
    }
    let gateway = world.gateway(&SETTLES_SOON).await;
    assert_eq!(created_at_last(&gateway, "r").await, (true, arn));
}

#[tokio::test]
async fn a_killed_gateway_compares_its_ledger_once() {
    let world = World::new();
    world.emulator.list_immediately();
    let gateway = world.gateway(&[]).await;
    let (_, arn) = created_at_last(&gateway, "r").await;
    gateway.kill();
    gateway.finished().await;
    let gateway = world.gateway(&[]).await;
    assert_eq!(comparison(&gateway).await, "one scan: the ledger was not closed by a gateway");
    assert_eq!(created_at_last(&gateway, "r").await, (true, arn));
}

#[tokio::test]
async fn a_new_installation_is_declared() {
    let world = World::new();
    let config = world.configure(&["ledger.url = 'sqlite:new/ledger.db'"]);
    let init = ["init-ledger", "--config", config.to_str().unwrap()];
    let created = world.run(&init, &[]).await;
    assert_eq!(created.code, Some(0), "{created:?}");
    assert!(created.stdout.ends_with("new/ledger.db: created\n"), "{created:?}");
    let again = world.run(&init, &[]).await;
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("ledger.url: "), "{again:?}");
    assert!(again.stderr.contains("exists already"), "{again:?}");
    let gateway = world.gateway(&["ledger.url = 'sqlite:new/ledger.db'"]).await;
    // It checks that it has created nothing.
    assert!(comparison(&gateway).await.starts_with("one scan: "));
    gateway.caller("acme").create(request("r")).await.unwrap();
}

/// With another account or region, every configuration of the ledger would be missing.
#[tokio::test]
async fn a_ledger_of_another_upstream_is_rejected() {
    let world = World::new();
    world.gateway(&[]).await.stop().await;
    for (line, expected) in [
        ("upstream.region = 'eu-west-1'", "and upstream is account 123456789012 in eu-west-1 at"),
        ("upstream.account_id = '210987654321'", "and upstream is account 210987654321 in"),
        ("upstream.endpoint_url = 'http://127.0.0.1:1'", "at http://127.0.0.1:1; correct upstream"),
    ] {
        let config = world.configure(&[line]);
        let config = config.to_str().unwrap();
        let serve = ["serve", "--config", config];
        let failed = world.run(&serve, &[]).await;
        assert_eq!(failed.code, Some(1), "{failed:?}");
        assert!(failed.stderr.contains("ledger.url: the ledger records the configurations of"));
        assert!(failed.stderr.contains(expected), "{failed:?}");
    }
    let config = world.configure(&["upstream.account_id = '210987654321'"]);
    let rebind = ["init-ledger", "--rebind", "--config", config.to_str().unwrap()];
    assert_eq!(world.run(&rebind, &[]).await.code, Some(0));
    let gateway = world.gateway(&["upstream.account_id = '210987654321'"]).await;
    assert!(comparison(&gateway).await.starts_with("two scans: "));
}
