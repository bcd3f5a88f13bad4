//! `CreateIngestConfiguration`: every field reaches AWS and is returned.

use std::collections::BTreeMap;

use ivs_ingest_gateway::proto::{
    FILE_DESCRIPTOR_SET,
    v1::{CreateIngestConfigurationRequest, CreateIngestConfigurationResponse, IngestProtocol},
};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde_json::{Value, json};
use tonic::Code;

use crate::support::{World, create, python, stage_of};

/// The gateway's fields that AWS's input does not have.
const OWN_INPUT: [&str; 2] = ["requestId", "validateOnly"];

/// The gateway's fields that AWS's output does not have.
const OWN_OUTPUT: [&str; 3] = ["createTime", "ingestEndpoint", "stateObserveTime"];

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Returns a create with every field set.
fn all_fields() -> CreateIngestConfigurationRequest {
    CreateIngestConfigurationRequest {
        name: "studio-a_1".into(),
        stage_arn: stage_of("acme"),
        user_id: "the präsenter 🎥".into(),
        attributes: texts(&[("seat", "left"), ("bühne", "ja")]),
        ingest_protocol: IngestProtocol::Rtmp.into(),
        insecure_ingest: true,
        redundant_ingest: true,
        tags: texts(&[("show", "morning"), ("Größe", "a b")]),
        request_id: "request-1".into(),
        validate_only: false,
    }
}

fn descriptor(name: &str) -> MessageDescriptor {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    pool.get_message_by_name(&format!("ivs.ingest.v1.{name}")).unwrap()
}

/// Returns the JSON names of the message's fields that are set.
fn fields_set(name: &str, message: &impl Message) -> Vec<String> {
    let message = DynamicMessage::decode(descriptor(name), &*message.encode_to_vec()).unwrap();
    let mut names: Vec<String> =
        message.fields().map(|(field, _)| field.json_name().to_owned()).collect();
    names.sort();
    names
}

/// Returns the names together with those that the gateway adds.
fn with_own(members: &Value, own: &[&str]) -> Vec<String> {
    let members = members.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
    let mut names: Vec<String> = members.chain(own.iter().copied()).map(String::from).collect();
    names.sort();
    names
}

async fn boto3_sees(world: &World, arn: &str) -> Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gateway/boto3_sees.py");
    let seen = world.run_client(python().arg(script).args([&world.emulator.url(), arn])).await;
    assert_eq!(seen.code, Some(0), "{}", seen.stderr);
    serde_json::from_str(&seen.stdout).unwrap()
}

fn unwrapped(
    response: CreateIngestConfigurationResponse,
) -> ivs_ingest_gateway::proto::v1::IngestConfiguration {
    response.ingest_configuration.unwrap()
}

#[tokio::test]
async fn every_field_reaches_aws_and_is_returned() {
    let world = World::new();
    let gateway =
        world.gateway(&["tenants.acme.extra_tags = { cost-center = '42', team = 'live' }"]).await;
    let response = gateway.caller("acme").create(all_fields()).await.unwrap();
    assert!(!response.replayed);
    let created = unwrapped(response);
    let seen = boto3_sees(&world, &created.arn).await;

    // The gateway's messages have every field of AWS's model, under the same name.
    let validated = CreateIngestConfigurationRequest { validate_only: true, ..all_fields() };
    assert_eq!(
        fields_set("CreateIngestConfigurationRequest", &validated),
        with_own(&seen["input_members"], &OWN_INPUT)
    );
    assert_eq!(
        fields_set("IngestConfiguration", &created),
        with_own(&seen["output_members"], &OWN_OUTPUT)
    );

    let requested = all_fields();
    let credentials: Vec<Value> = created
        .redundant_ingest_credentials
        .iter()
        .map(|one| json!({"participantId": one.participant_id, "streamKey": one.stream_key}))
        .collect();
    assert_eq!(credentials.len(), 2);
    assert_eq!(world.secrets().known(), 3, "the search for leaked keys must know every key");
    let tags = seen["configuration"]["tags"].clone();
    let expected = json!({
        "name": requested.name,
        "arn": created.arn,
        "ingestProtocol": "RTMP",
        "streamKey": created.stream_key,
        "stageArn": requested.stage_arn,
        "participantId": created.participant_id,
        "state": "INACTIVE",
        "userId": requested.user_id,
        "redundantIngest": true,
        "redundantIngestCredentials": credentials,
        "attributes": requested.attributes,
        "tags": tags,
    });
    assert_eq!(seen["configuration"], expected);
    assert_eq!(created.name, requested.name);
    assert_eq!(created.user_id, requested.user_id);
    assert_eq!(created.attributes, requested.attributes);
    assert_eq!(created.tags, requested.tags);
    assert_eq!(created.ingest_protocol(), IngestProtocol::Rtmp);

    // AWS has the caller's, the operator's and the gateway's own tags, and no others.
    assert_eq!(seen["tags"], tags);
    let id = tags["ivs-ingest-gateway:operation-id"].as_str().unwrap();
    let fingerprint = tags["ivs-ingest-gateway:fingerprint"].as_str().unwrap();
    assert_eq!((id.len(), fingerprint.len()), (26, 32));
    let expected = json!({
        "show": "morning",
        "Größe": "a b",
        "cost-center": "42",
        "team": "live",
        "ivs-ingest-gateway:tenant": "acme",
        "ivs-ingest-gateway:request-id": "request-1",
        "ivs-ingest-gateway:operation-id": id,
        "ivs-ingest-gateway:fingerprint": fingerprint,
    });
    assert_eq!(tags, expected);

    // A replay returns the same configuration, also without the gateway's tags.
    let replay = gateway.caller("acme").create(all_fields()).await.unwrap();
    assert!(replay.replayed);
    let replay = unwrapped(replay);
    let times = (created.create_time, created.state_observe_time);
    assert_eq!(replay.create_time, times.0);
    assert!(replay.state_observe_time.unwrap().seconds >= times.1.unwrap().seconds);
    let replay = ivs_ingest_gateway::proto::v1::IngestConfiguration {
        state_observe_time: times.1,
        ..replay
    };
    assert!(replay == created, "{replay:?} is not {created:?}");
}

#[tokio::test]
async fn the_endpoint_matches_the_protocol() {
    let world = World::new();
    let acme = world.gateway(&[]).await.caller("acme");
    let rtmp = CreateIngestConfigurationRequest {
        ingest_protocol: IngestProtocol::Rtmp.into(),
        insecure_ingest: true,
        ..create("acme")
    };
    let without_stage =
        CreateIngestConfigurationRequest { stage_arn: String::new(), ..create("acme") };
    for (request, endpoint) in [
        (create("acme"), "rtmps://acmestudio0001.global-contribute.live-video.net:443/app/"),
        (rtmp, "rtmp://acmestudio0001.global-contribute.live-video.net:1935/app/"),
        (without_stage, ""),
    ] {
        let created = unwrapped(acme.create(request.clone()).await.unwrap());
        assert_eq!(created.ingest_endpoint, endpoint);
        assert_eq!(created.stage_arn, request.stage_arn);
        assert!(!created.stream_key.is_empty() && !created.participant_id.is_empty());
        assert!(created.redundant_ingest_credentials.is_empty() && created.user_id.is_empty());
    }
    // Without a request_id each call creates a configuration, which has no request-id tag.
    let rows = world.emulator.configurations();
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row.tags.len() == 3));
}

#[tokio::test]
async fn validate_only_consumes_no_quota_rate_or_request_id() {
    let world = World::new();
    let acme = world
        .gateway(&[
            "tenants.acme.max_ingest_configurations = 1",
            "tenants.acme.create_rate = { per_second = 0.001, burst = 1 }",
        ])
        .await
        .caller("acme");
    let preview = CreateIngestConfigurationRequest { validate_only: true, ..all_fields() };
    for _ in 0..3 {
        let response = acme.create(preview.clone()).await.unwrap();
        assert!(!response.replayed);
        let shown = unwrapped(response);
        let set = fields_set("IngestConfiguration", &shown);
        for absent in ["arn", "streamKey", "participantId", "redundantIngestCredentials"] {
            assert!(!set.contains(&absent.to_owned()), "{absent} is set, but nothing was created");
        }
        assert_eq!(shown.tags, all_fields().tags);
        assert!(shown.ingest_endpoint.starts_with("rtmp://"));
    }
    assert_eq!(world.emulator.creates(), 0);

    // The quota, the rate and the request_id are still unused.
    assert!(!acme.create(all_fields()).await.unwrap().replayed);
    assert_eq!(world.emulator.creates(), 1);

    let rejected = acme.create(preview).await.unwrap_err();
    assert_eq!(rejected.reason(), "TENANT_COUNT_QUOTA");
    let invalid = CreateIngestConfigurationRequest {
        name: "no spaces".into(),
        validate_only: true,
        ..create("acme")
    };
    let rejected = acme.create(invalid).await.unwrap_err();
    assert_eq!((rejected.code, rejected.reason()), (Code::InvalidArgument, "INVALID_FIELDS"));
    let foreign = CreateIngestConfigurationRequest { validate_only: true, ..create("globex") };
    assert_eq!(acme.create(foreign).await.unwrap_err().reason(), "STAGE_FORBIDDEN");
}

#[tokio::test]
async fn callers_cannot_forge_the_gateways_tags() {
    let world = World::new();
    let acme =
        world.gateway(&["tenants.acme.extra_tags = { cost-center = '42' }"]).await.caller("acme");
    for (key, reason) in [
        ("ivs-ingest-gateway:tenant", "RESERVED_PREFIX"),
        ("Ivs-Ingest-GATEWAY:operation-id", "RESERVED_PREFIX"),
        ("AWS:createdBy", "RESERVED_PREFIX"),
        ("cost-center", "MANAGED_BY_GATEWAY"),
    ] {
        let tags = texts(&[(key, "globex")]);
        let request = CreateIngestConfigurationRequest { tags, ..create("acme") };
        let rejected = acme.create(request).await.unwrap_err();
        let violations = &rejected.details.bad_request().unwrap().field_violations;
        assert_eq!(violations.len(), 1, "{violations:?}");
        assert_eq!(violations[0].reason, reason, "{key}");
        assert_eq!(violations[0].field, format!("tags[{key:?}]"));
    }
    assert_eq!(world.emulator.creates(), 0);
}
