//! In-process calls without a socket. The tests set the time and the ids, so that a run can
//! be reproduced.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningParams, SigningSettings, sign},
    sign::v4,
};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use ivs_realtime_emulator::{Clock, Emulator, Fault, FaultKind, Ids, Settings, SettingsChange};
use serde_json::Value;
use tokio::time::Instant;

/// 2001-09-09T01:46:40Z, which differs from every real clock.
fn long_ago() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)
}

fn emulator() -> Emulator {
    let settings =
        Settings { clock: Clock::new(long_ago), ids: Ids::seeded(7), ..Settings::for_tests() };
    Emulator::new(settings)
}

/// Returns a signed request.
fn signed(path: &str, body: impl Into<String>) -> Request<Full<bytes::Bytes>> {
    let body = body.into();
    let identity = Credentials::new("emulator", "emulator", None, None, "test").into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("ivs")
        .time(long_ago())
        .settings(SigningSettings::default())
        .build()
        .unwrap();
    let headers = [("host", "emulator")].into_iter();
    let body_bytes = SignableBody::Bytes(body.as_bytes());
    let signable = SignableRequest::new("POST", path, headers, body_bytes).unwrap();
    let (instructions, _) = sign(signable, &SigningParams::from(params)).unwrap().into_parts();
    let request = Request::post(path).header("host", "emulator");
    let mut request = request.body(Full::from(body)).unwrap();
    instructions.apply_to_request_http1x(&mut request);
    request
}

/// Makes a call that must succeed, and returns its request id and body.
async fn call(emulator: &Emulator, request: Request<Full<bytes::Bytes>>) -> (String, Value) {
    let response = emulator.respond(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let request_id = response.headers()["x-amzn-requestid"].to_str().unwrap().to_owned();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (request_id, serde_json::from_slice(&body).unwrap())
}

async fn create_and_read_state() -> [(String, Value); 2] {
    let emulator = emulator();
    let create = signed("/CreateIngestConfiguration", r#"{"ingestProtocol": "RTMPS"}"#);
    let state = Request::get("/_emulator/state").body(Full::default()).unwrap();
    [call(&emulator, create).await, call(&emulator, state).await]
}

#[tokio::test]
async fn a_seed_and_a_clock_reproduce_every_response() {
    let [created, state] = create_and_read_state().await;
    assert_eq!([created.clone(), state.clone()], create_and_read_state().await);
    let row = &state.1["ingestConfigurations"][0];
    assert_eq!(row["arn"], created.1["ingestConfiguration"]["arn"]);
    assert_eq!(row["createdAt"], "2001-09-09T01:46:40Z");
}

#[tokio::test(start_paused = true)]
async fn a_paused_clock_skips_the_delay_of_a_fault() {
    let emulator = emulator();
    let hour = Duration::from_hours(1);
    let slow = serde_json::to_string(&Fault::new(FaultKind::SlowBefore).delayed(hour)).unwrap();
    let fault = Request::post("/_emulator/faults").body(Full::from(slow)).unwrap();
    call(&emulator, fault).await;
    let begin = Instant::now();
    call(&emulator, signed("/ListStages", "")).await;
    assert!(begin.elapsed() >= hour);
}

#[tokio::test]
async fn a_dropped_connection_is_an_error() {
    let emulator = emulator();
    let drop = serde_json::to_string(&Fault::new(FaultKind::DropAfter)).unwrap();
    let fault = Request::post("/_emulator/faults").body(Full::from(drop)).unwrap();
    call(&emulator, fault).await;
    let create = signed("/CreateIngestConfiguration", r#"{"ingestProtocol": "RTMPS"}"#);
    assert!(emulator.respond(create).await.is_err());
    let state = Request::get("/_emulator/state").body(Full::default()).unwrap();
    let (_, state) = call(&emulator, state).await;
    assert_eq!(state["ingestConfigurations"].as_array().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn reads_and_tags_of_a_new_configuration_can_be_late() {
    let emulator = emulator();
    let change = SettingsChange {
        read_delay_ms: Some(10_000),
        tag_delay_ms: Some(20_000),
        ..SettingsChange::default()
    };
    emulator.change_settings(&change).unwrap();
    let create = r#"{"ingestProtocol": "RTMPS", "tags": {"show": "morning"}}"#;
    let (_, created) = call(&emulator, signed("/CreateIngestConfiguration", create)).await;
    assert_eq!(created["ingestConfiguration"]["tags"]["show"], "morning");
    let arn = &created["ingestConfiguration"]["arn"];
    let get = || signed("/GetIngestConfiguration", format!(r#"{{"arn": {arn}}}"#));
    let early = emulator.respond(get()).await.unwrap();
    assert_eq!(early.status(), StatusCode::NOT_FOUND);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let (_, found) = call(&emulator, get()).await;
    assert_eq!(found["ingestConfiguration"]["tags"], serde_json::json!({}));
    tokio::time::sleep(Duration::from_secs(10)).await;
    let (_, tagged) = call(&emulator, get()).await;
    assert_eq!(tagged["ingestConfiguration"]["tags"]["show"], "morning");
}

#[tokio::test]
async fn pages_by_offset_skip_a_configuration_after_a_delete() {
    let emulator = emulator();
    let change = SettingsChange { pages_by_offset: Some(true), ..SettingsChange::default() };
    emulator.change_settings(&change).unwrap();
    let mut arns = Vec::new();
    for _ in 0..3 {
        let create = signed("/CreateIngestConfiguration", r#"{"ingestProtocol": "RTMPS"}"#);
        let (_, created) = call(&emulator, create).await;
        arns.push(created["ingestConfiguration"]["arn"].as_str().unwrap().to_owned());
    }
    let list = |body: String| signed("/ListIngestConfigurations", body);
    let (_, page) = call(&emulator, list(r#"{"maxResults": 1}"#.into())).await;
    let token = page["nextToken"].as_str().unwrap();
    let delete = format!(r#"{{"arn": "{}"}}"#, arns[0]);
    call(&emulator, signed("/DeleteIngestConfiguration", delete)).await;
    let (_, page) = call(&emulator, list(format!(r#"{{"nextToken": "{token}"}}"#))).await;
    let rest = page["ingestConfigurations"].as_array().unwrap();
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0]["arn"], arns[2].as_str());
}
