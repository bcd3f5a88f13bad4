//! The example of `docs/emulator.md`.

#![allow(clippy::unwrap_used, reason = "tests")]

use aws_sdk_ivsrealtime::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig},
    types::IngestProtocol,
};
use ivs_realtime_emulator::{Background, Fault, FaultKind, Operation, Settings};

#[tokio::test]
async fn a_lost_response_leaves_a_configuration() {
    let emulator = Background::start(Settings::for_tests()).unwrap();
    let config = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .endpoint_url(emulator.url())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("emulator", "emulator", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .build();
    let client = Client::from_conf(config);

    let lost = Fault::new(FaultKind::DropAfter).on(Operation::CreateIngestConfiguration);
    emulator.control().add_fault(&lost.times(1)).unwrap();
    let create = client.create_ingest_configuration().ingest_protocol(IngestProtocol::Rtmps);
    assert!(create.send().await.is_err());

    let state = emulator.control().state().unwrap();
    assert_eq!(state.ingest_configurations.len(), 1);
}
