//! The log line of a call, and the absence of stream keys from the log.

use ivs_ingest_gateway::proto::v1::CreateIngestConfigurationRequest;
use ivs_realtime_emulator::FaultKind;
use serde_json::{Value, json};
use tonic::Request;

use crate::support::{Caller, World, create};

/// Returns a request with this call id, by which the test finds the call in the log.
fn named(
    acme: &Caller,
    call_id: &str,
    message: CreateIngestConfigurationRequest,
) -> Request<CreateIngestConfigurationRequest> {
    let mut request = acme.request(message);
    request.metadata_mut().insert("x-request-id", call_id.parse().unwrap());
    request
}

/// Returns the fields of a log line whose values the test can predict.
fn predictable(line: &Value) -> Value {
    json!({
        "level": line["level"], "rpc": line["rpc"], "code": line["code"],
        "reason": line["reason"], "tenant": line["tenant"],
    })
}

#[tokio::test]
async fn every_call_has_one_log_line_with_its_outcome() {
    let world = World::new();
    let gateway = world.gateway(&["tenants.acme.max_ingest_configurations = 2"]).await;
    let acme = gateway.caller("acme");
    let rpc = "ivs.ingest.v1.IngestService/CreateIngestConfiguration";

    acme.send(named(&acme, "good", create("acme"))).await.unwrap();
    let line = gateway.call_log("good").await;
    let expected =
        json!({"level": "INFO", "rpc": rpc, "code": "OK", "reason": null, "tenant": "acme"});
    assert_eq!(predictable(&line), expected);
    let rows = world.emulator.configurations();
    assert_eq!(line["operation_id"], rows[0].tags["ivs-ingest-gateway:operation-id"]);
    assert_eq!(line["aws_request_id"].as_str().unwrap().len(), 36);
    assert!(line["duration_us"].as_u64().unwrap() > 0);

    world.emulator.next_create(FaultKind::Error500After, 0);
    let rejected = acme.send(named(&acme, "unknown", create("acme"))).await.unwrap_err();
    let line = gateway.call_log("unknown").await;
    assert_eq!((&line["code"], &line["reason"]), (&json!("UNKNOWN"), &json!("OUTCOME_UNKNOWN")));
    assert_eq!(line["aws_request_id"], rejected.info("aws_request_id").unwrap());
    assert_eq!(line["operation_id"], rejected.info("operation_id").unwrap());

    acme.send(named(&acme, "full", create("acme"))).await.unwrap_err();
    let line = gateway.call_log("full").await;
    let code = "RESOURCE_EXHAUSTED";
    let reason = "TENANT_COUNT_QUOTA";
    let expected =
        json!({"level": "INFO", "rpc": rpc, "code": code, "reason": reason, "tenant": "acme"});
    assert_eq!(predictable(&line), expected);
    assert_eq!(line["aws_request_id"], Value::Null);

    // A flood can repeat this error, so it is logged at level debug only.
    let mut anonymous = Request::new(create("acme"));
    anonymous.metadata_mut().insert("x-request-id", "anonymous".parse().unwrap());
    acme.send(anonymous).await.unwrap_err();
    let line = gateway.call_log("anonymous").await;
    assert_eq!((&line["level"], &line["tenant"]), (&json!("DEBUG"), &Value::Null));
    assert_eq!(line["reason"], "CREDENTIAL_MISSING");
}

#[tokio::test]
async fn a_cancelled_call_has_a_log_line() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    let acme = gateway.caller("acme");
    world.emulator.hold_next_create();
    let request = named(&acme, "gone", create("acme"));
    let call = tokio::spawn(async move { acme.send(request).await });
    world.emulator.wait_for_creates(1).await;
    call.abort();
    let line = gateway.call_log("gone").await;
    assert_eq!((&line["code"], &line["tenant"]), (&json!("CANCELLED"), &json!("acme")));
}

/// Runs with the most verbose filters and with the setting that makes the SDK log response
/// bodies. Every test checks at its end that the log has no stream key. These are the worst
/// cases.
#[tokio::test]
async fn no_log_setting_reveals_a_stream_key() {
    let bodies = ("LOG_SENSITIVE_BODIES", "true");
    let sdk = "aws_smithy_runtime::client::orchestrator=trace,[try_attempt]=trace,trace";
    for level in ["trace", "debug", sdk] {
        let world = World::new();
        let variables = [bodies, ("RUST_LOG", level)];
        let gateway = world.gateway_in(&[], &variables).await;
        let acme = gateway.caller("acme");
        let request = CreateIngestConfigurationRequest {
            redundant_ingest: true,
            request_id: "r".into(),
            ..create("acme")
        };
        acme.create(request.clone()).await.unwrap();
        assert!(acme.create(request).await.unwrap().replayed);
        for fault in [
            FaultKind::Garbage,
            FaultKind::Truncate,
            FaultKind::DropAfter,
            FaultKind::Error500After,
        ] {
            world.emulator.next_create(fault, 0);
            assert_eq!(acme.create_one().await.unwrap_err().reason(), "OUTCOME_UNKNOWN");
        }
        gateway.stop().await;
    }
}
