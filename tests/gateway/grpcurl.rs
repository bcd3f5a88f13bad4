//! The first steps of a new user: `dev`, and the grpcurl command that it prints.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Dev, Finished, World, grpcurl};

/// Returns the first grpcurl command that `dev` prints, which spans several lines.
fn printed_line(dev: &Dev) -> String {
    let begin = dev.welcome.find("grpcurl ").unwrap();
    let (line, _) = dev.welcome[begin..].split_once("\n\n").unwrap();
    line.to_owned()
}

/// Runs a command in a shell, as if a user had pasted it.
async fn paste(world: &World, line: &str) -> Finished {
    let mut shell = Command::new("sh");
    let defined = "grpcurl() { \"$GRPCURL\" \"$@\"; }";
    shell.args(["-c", &format!("{defined}\n{line}")]).env("GRPCURL", grpcurl());
    world.run_client(&mut shell).await
}

async fn succeed(world: &World, line: &str) -> Value {
    let finished = paste(world, line).await;
    assert_eq!(finished.code, Some(0), "{line}\n{}", finished.stderr);
    let response: Value = serde_json::from_str(&finished.stdout).unwrap();
    world.secrets().add_key(response["ingestConfiguration"]["streamKey"].as_str().unwrap());
    response
}

/// Runs a command that must fail. Returns the printed code and the decoded details.
async fn fail(world: &World, line: &str) -> (String, Vec<Value>) {
    let finished = paste(world, line).await;
    assert_ne!(finished.code, Some(0), "{}", finished.stdout);
    world.secrets().record("grpcurl", finished.stdout);
    world.secrets().record("grpcurl", finished.stderr.as_str());
    let code = finished.stderr.lines().find_map(|line| line.trim().strip_prefix("Code: "));
    let details = finished.stderr.lines().filter_map(|line| {
        let (_, detail) = line.split_once(")\t")?;
        Some(serde_json::from_str(detail).unwrap())
    });
    (code.unwrap().to_owned(), details.collect())
}

/// Returns the detail of that type.
fn detail<'a>(details: &'a [Value], kind: &str) -> Option<&'a Value> {
    let type_url = format!("type.googleapis.com/google.rpc.{kind}");
    details.iter().find(|detail| detail["@type"] == type_url.as_str())
}

#[tokio::test]
async fn the_printed_line_creates_a_configuration_once() {
    let world = World::new();
    let line = printed_line(&world.dev().await);
    let first = succeed(&world, &line).await;
    let created = &first["ingestConfiguration"];
    let arn = created["arn"].as_str().unwrap();
    assert!(arn.starts_with("arn:aws:ivs:us-east-1:123456789012:ingest-configuration/"), "{arn}");
    assert!(created["streamKey"].as_str().unwrap().starts_with("rt_"));
    assert!(created["ingestEndpoint"].as_str().unwrap().starts_with("rtmps://"));
    assert_eq!(created["tags"], json!({"show": "morning"}));
    assert_eq!(first["replayed"], Value::Null);

    let second = succeed(&world, &line).await;
    assert_eq!(second["ingestConfiguration"]["arn"], arn);
    assert_eq!(second["ingestConfiguration"]["streamKey"], created["streamKey"]);
    assert_eq!(second["replayed"], true);
}

#[tokio::test]
async fn grpcurl_prints_five_decoded_violations_for_five_mistakes() {
    let world = World::new();
    let line = printed_line(&world.dev().await);
    let (begin, rest) = line.split_once("-d '").unwrap();
    let (_, end) = rest.split_once('\'').unwrap();
    let mistakes = json!({
        "name": "studio a",
        "stage_arn": "arn:aws:ivs:us-east-1:123456789012:channel/AcmeStudio0001",
        "ingest_protocol": "INGEST_PROTOCOL_RTMP",
        "tags": {"aws:show": "morning"},
        "request_id": "first try",
    });
    let (code, details) = fail(&world, &format!("{begin}-d '{mistakes}'{end}")).await;
    assert_eq!(code, "InvalidArgument");
    assert_eq!(detail(&details, "ErrorInfo").unwrap()["reason"], "INVALID_FIELDS");
    let violations = detail(&details, "BadRequest").unwrap()["fieldViolations"].clone();
    let reported: Vec<_> = violations
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            assert!(one["description"].as_str().unwrap().contains(' '), "{one}");
            (one["field"].as_str().unwrap(), one["reason"].as_str().unwrap())
        })
        .collect();
    let expected = [
        ("name", "INVALID_CHARACTERS"),
        ("stage_arn", "INVALID_FORMAT"),
        ("insecure_ingest", "CONFLICT"),
        ("tags[\"aws:show\"]", "RESERVED_PREFIX"),
        ("request_id", "INVALID_CHARACTERS"),
    ];
    assert_eq!(reported, expected);
}

#[tokio::test]
async fn grpcurl_prints_the_decoded_quota_failure() {
    let world = World::new();
    let line = printed_line(&world.dev().await);
    let line = line.replace("acme", "globex").replace("AcmeStudio", "GlobexStudio");
    for request_id in ["first", "second"] {
        succeed(&world, &line.replace("first-try", request_id)).await;
    }
    let (code, details) = fail(&world, &line).await;
    assert_eq!(code, "ResourceExhausted");
    assert_eq!(detail(&details, "ErrorInfo").unwrap()["reason"], "TENANT_COUNT_QUOTA");
    assert_eq!(detail(&details, "RetryInfo"), None);
    let violations = &detail(&details, "QuotaFailure").unwrap()["violations"];
    assert_eq!(violations[0]["subject"], "tenant:globex");
    assert!(violations[0]["description"].as_str().unwrap().contains("2 of 2"), "{violations}");
}

#[tokio::test]
async fn reflection_shows_the_api() {
    let world = World::new();
    let dev = world.dev().await;
    let describe = dev.welcome.lines().map(str::trim).find(|line| line.contains(" describe "));
    let described = paste(&world, describe.unwrap()).await;
    assert_eq!(described.code, Some(0), "{}", described.stderr);
    assert!(described.stdout.contains("rpc CreateIngestConfiguration"), "{}", described.stdout);
    assert!(described.stdout.contains("// Creates an ingest configuration"), "no comments");
}
