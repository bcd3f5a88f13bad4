//! Tests of the emulator through its interfaces: the AWS SDK for Rust, boto3, a bare TCP
//! connection, and in-process calls.

#![allow(clippy::unwrap_used, reason = "tests")]

mod faults;
mod in_process;
mod support;

use std::{env, process::Stdio, time::Duration};

use aws_sdk_ivsrealtime::{
    config::Credentials,
    error::ProvideErrorMetadata,
    types::{IngestConfigurationState, IngestProtocol},
};
use ivs_realtime_emulator::{Calls, Operation, PublishState, Server, Settings};
use tokio::{net::TcpStream, process::Command, time};
use tokio_util::sync::CancellationToken;

use crate::support::Running;

#[tokio::test]
async fn a_configuration_is_created_read_updated_and_deleted() {
    let running = Running::start(Settings::for_tests());
    let client = running.client();
    let created = client
        .create_ingest_configuration()
        .name("camera-1")
        .stage_arn(&running.stage_arn)
        .user_id("u-1")
        .attributes("room", "ü")
        .ingest_protocol(IngestProtocol::Rtmps)
        .redundant_ingest(true)
        .tags("tenant", "acme")
        .send()
        .await
        .unwrap()
        .ingest_configuration
        .unwrap();
    assert!(created.stream_key.starts_with("rt_123456789012_us-east-1_"));
    assert!(!created.participant_id.is_empty());
    assert_eq!(created.state, IngestConfigurationState::Inactive);
    assert_eq!(created.redundant_ingest_credentials.as_ref().unwrap().len(), 2);

    let get = || client.get_ingest_configuration().arn(&created.arn).send();
    let found = get().await.unwrap().ingest_configuration.unwrap();
    assert_eq!(found, created);
    assert_eq!(found.tags.unwrap()["tenant"], "acme");

    let listed = client.list_ingest_configurations().send().await.unwrap();
    assert_eq!(listed.ingest_configurations[0].arn, created.arn);

    let updated = client
        .update_ingest_configuration()
        .arn(&created.arn)
        .stage_arn("")
        .redundant_ingest(false)
        .send()
        .await
        .unwrap()
        .ingest_configuration
        .unwrap();
    assert_eq!(updated.stage_arn, "");
    assert_eq!(updated.redundant_ingest_credentials, None);
    assert_eq!(updated.stream_key, created.stream_key);

    client.delete_ingest_configuration().arn(&created.arn).send().await.unwrap();
    assert!(get().await.unwrap_err().into_service_error().is_resource_not_found_exception());
}

#[tokio::test]
async fn an_active_configuration_cannot_be_updated_and_is_deleted_only_with_force() {
    let running = Running::start(Settings::for_tests());
    let client = running.client();
    let arn = running.create(&client).await;
    running.control().set_state(&arn, PublishState::Active).unwrap();
    let update = client.update_ingest_configuration().arn(&arn).send().await.unwrap_err();
    assert!(update.into_service_error().is_conflict_exception());
    let delete = client.delete_ingest_configuration().arn(&arn).send().await.unwrap_err();
    assert!(delete.into_service_error().is_conflict_exception());
    client.delete_ingest_configuration().arn(&arn).force(true).send().await.unwrap();
}

#[tokio::test]
async fn requests_without_a_valid_signature_are_rejected() {
    let running = Running::start(Settings::for_tests());
    let key = |id, secret, token: Option<&str>| {
        Credentials::new(id, secret, token.map(Into::into), None, "test")
    };
    for (credentials, region, code) in [
        (key("emulator", "wrong", None), "us-east-1", "InvalidSignatureException"),
        (key("emulator", "emulator", None), "eu-west-1", "InvalidSignatureException"),
        (key("other", "emulator", None), "us-east-1", "UnrecognizedClientException"),
        (key("emulator", "emulator", Some("t")), "us-east-1", "UnrecognizedClientException"),
    ] {
        let client = running.client_with(credentials, region);
        let error = client.list_stages().send().await.unwrap_err();
        assert_eq!(error.raw_response().unwrap().status().as_u16(), 403);
        assert_eq!(error.code(), Some(code));
    }
    let unsigned = running.raw("POST /ListStages HTTP/1.1", "{}");
    assert!(unsigned.starts_with("HTTP/1.1 403 "), "{unsigned}");
    assert!(unsigned.contains("MissingAuthenticationTokenException"), "{unsigned}");
    let calls = running.calls(Operation::ListStages);
    assert_eq!(calls, Calls { calls: 5, throttled: 0, executed: 0 });
}

#[tokio::test]
async fn calls_beyond_the_burst_are_throttled() {
    let running = Running::start(Settings { calls_per_second: 0.001, ..Settings::for_tests() });
    let client = running.client();
    client.list_stages().send().await.unwrap();
    let error = client.list_stages().send().await.unwrap_err();
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 429);
    assert_eq!(error.code(), Some("ThrottlingException"));
    client.get_stage().arn(&running.stage_arn).send().await.unwrap();
    let calls = running.calls(Operation::ListStages);
    assert_eq!(calls, Calls { calls: 2, throttled: 1, executed: 1 });
    running.control().set_rate(0.0).unwrap();
    client.list_stages().send().await.unwrap();
}

#[tokio::test]
async fn lists_omit_a_new_configuration_for_the_visibility_delay() {
    let hour = Duration::from_hours(1);
    let running = Running::start(Settings { visibility_delay: hour, ..Settings::for_tests() });
    let client = running.client();
    let hidden = running.create(&client).await;
    running.control().set_visibility_delay(Duration::ZERO).unwrap();
    let shown = running.create(&client).await;
    client.get_ingest_configuration().arn(&hidden).send().await.unwrap();
    let listed = client.list_ingest_configurations().send().await.unwrap();
    let arns: Vec<_> = listed.ingest_configurations.iter().map(|row| &row.arn).collect();
    assert_eq!(arns, [&shown]);
}

#[tokio::test]
async fn pages_show_each_configuration_once() {
    let running = Running::start(Settings::for_tests());
    let client = running.client();
    let mut created = Vec::new();
    for _ in 0..5 {
        created.push(running.create(&client).await);
    }
    let pages = client.list_ingest_configurations().max_results(2).into_paginator().send();
    let pages: Vec<_> = pages.collect::<Result<_, _>>().await.unwrap();
    assert_eq!(pages.len(), 3);
    let listed = pages.into_iter().flat_map(|page| page.ingest_configurations);
    assert_eq!(listed.map(|row| row.arn).collect::<Vec<_>>(), created);
}

#[tokio::test]
async fn malformed_requests_are_rejected_and_the_emulator_keeps_running() {
    let running = Running::start(Settings::for_tests());
    let long = "x".repeat(65 * 1024);
    for (line, body, status) in [
        ("POST /Nope HTTP/1.1", "{}", "404"),
        ("GET /ListStages HTTP/1.1", "", "404"),
        ("PUT /tags/arn HTTP/1.1", "{}", "404"),
        ("POST /ListStages HTTP/1.1", &long, "413"),
        ("POST /ListStages HTTP/1.1\r\nauthorization: AWS4-HMAC-SHA256 x", "{}", "403"),
        ("POST /_emulator/faults HTTP/1.1", "{", "400"),
        ("POST /_emulator/nope HTTP/1.1", "{}", "404"),
        ("nonsense", "", "400"),
    ] {
        let response = running.raw(line, body);
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{line}: {response}");
    }
    let typo = r#"{"calls_per_seconds": 1}"#;
    let rejection = running.raw("POST /_emulator/settings HTTP/1.1", typo);
    assert!(rejection.contains("`calls_per_seconds`"), "{rejection}");
    running.client().list_stages().send().await.unwrap();
}

#[tokio::test]
async fn a_reset_keeps_built_in_stages() {
    let running = Running::start(Settings::for_tests());
    let client = running.client();
    running.create(&client).await;
    client.create_stage().name("other").send().await.unwrap();
    running.control().reset().unwrap();
    let state = running.control().state().unwrap();
    assert_eq!(state.ingest_configurations, []);
    let stages: Vec<_> = state.stages.iter().map(|stage| &stage.arn).collect();
    assert_eq!(stages, [&running.stage_arn]);
}

#[tokio::test]
async fn the_control_api_shows_every_stream_key() {
    let running = Running::start(Settings::for_tests());
    let client = running.client();
    let arn = running.create(&client).await;
    let found = client.get_ingest_configuration().arn(&arn).send().await.unwrap();
    let row = &running.configurations()[0];
    assert_eq!(row.arn, arn);
    assert_eq!(row.stream_keys, [found.ingest_configuration.unwrap().stream_key]);
    assert_eq!(row.tags, [("tenant".into(), "acme".into())].into());
}

#[tokio::test]
async fn a_shutdown_closes_an_idle_connection() {
    let server = Server::bind(Settings::for_tests()).await.unwrap();
    let address = server.local_addr();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(server.serve(shutdown.clone()));
    let idle = TcpStream::connect(address).await.unwrap();
    shutdown.cancel();
    time::timeout(Duration::from_secs(10), serving).await.unwrap().unwrap();
    drop(idle);
    assert!(TcpStream::connect(address).await.is_err());
}

/// boto3 uses the same model as the AWS CLI. The script checks each response against it.
#[tokio::test]
async fn boto3_responses_conform_to_the_model() {
    let running = Running::start(Settings { calls_per_second: 5.0, ..Settings::for_tests() });
    let python = env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let output = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/boto3_conformance.py"))
        .arg(running.url())
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    println!("{}", String::from_utf8_lossy(&output.stdout));
    eprintln!("{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success());
}
