//! Real clients with a standard retry policy, for the rows of the error table. A client must
//! not repeat a call whose error is final, and must repeat other calls after the delay.

use std::{sync::Arc, time::Duration};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{
    Process, Rejection, Replay, World, create, node, proxy_without_goaway, python,
};

/// The time after which a client stops retrying.
const TIMEOUT: Duration = Duration::from_secs(4);

/// The longest delay that leaves the client time for another attempt.
const SHORT: Duration = Duration::from_secs(2);

const MAX_ATTEMPTS: usize = 3;

/// The codes after which the clients retry, unless the gateway marks the error as final.
const CODES: [&str; 14] = [
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "UNAUTHENTICATED",
];

const CLIENTS: [&str; 2] = ["grpcio", "grpc-js"];

/// Repeats the failed call with each client, and counts the client's attempts.
pub(crate) async fn assert_attempts(world: &World, rejection: &Rejection) {
    let replay = rejection.replay.as_ref().unwrap();
    for client in CLIENTS {
        let process = start(world, client, replay, None);
        let finished = process.finished().await;
        assert_eq!(finished.code, Some(0), "{client}: {}", finished.stderr);
        let attempts = attempts(world, client, replay).await;
        // A longer delay exceeds the time-out of the client.
        let is_retried = rejection.retry_after().is_some_and(|delay| delay < SHORT);
        let expected = if is_retried { 2..=MAX_ATTEMPTS } else { 1..=1 };
        let outcome = finished.stdout;
        assert!(expected.contains(&attempts), "{client}: {attempts}, {outcome}: {rejection:?}");
    }
}

/// A client that does not receive the GOAWAY keeps its connection to the draining gateway, and
/// retries after the delay.
#[tokio::test]
async fn draining_is_retried() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    let acme = gateway.caller("acme");
    world.emulator.hold_next_create();
    let _running = tokio::spawn({
        let acme = acme.clone();
        async move { acme.create_one().await }
    });
    world.emulator.wait_for_creates(1).await;
    let mut clients = Vec::new();
    for client in CLIENTS {
        let address = proxy_without_goaway(gateway.address).await;
        let replay = Replay::create(address, "acme", &create("acme"));
        let quota = "/ivs.ingest.v1.IngestService/GetQuota";
        let process = start(&world, client, &replay, Some(quota));
        let ready = |line: &str| (line == "ready").then_some(());
        process.stdout().line("with `ready`", ready).await;
        clients.push((client, process));
    }
    gateway.signal(Signal::TERM);
    gateway.log("draining: running calls finish, new calls are rejected").await;
    for (_, process) in &clients {
        process.signal(Signal::USR2);
    }
    for (client, process) in clients {
        let finished = process.finished().await;
        assert!(finished.stdout.ends_with("UNAVAILABLE\n"), "{client}: {}", finished.stdout);
        // One logged call is the warm-up.
        let attempts = world.calls_logged(&call_id(client)) - 1;
        assert!((2..=MAX_ATTEMPTS).contains(&attempts), "{client}: {attempts} attempts");
    }
}

fn start(world: &World, client: &str, replay: &Replay, warm_up: Option<&str>) -> Arc<Process> {
    let mut metadata = replay.metadata.clone();
    metadata.push(("x-request-id".to_owned(), call_id(client)));
    let spec = json!({
        "address": replay.address.to_string(),
        "path": replay.path,
        "message": replay.message,
        "metadata": metadata,
        "warm_up": warm_up,
        "timeout_ms": TIMEOUT.as_millis(),
        "service_config": service_config(),
    });
    let (mut command, script) = match client {
        "grpcio" => (python(), "client.py"),
        _ => (node(), "client.cjs"),
    };
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gateway/retries/");
    command.arg(format!("{folder}{script}")).arg(spec.to_string());
    world.start_client(&mut command)
}

fn service_config() -> Value {
    json!({
        "methodConfig": [{
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": MAX_ATTEMPTS,
                "initialBackoff": "0.05s",
                "maxBackoff": "0.2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": CODES,
            },
        }],
    })
}

/// Returns the number of calls that the client made, which each have a line in the log. A
/// last call of the test itself shows that all lines have been written.
async fn attempts(world: &World, client: &str, replay: &Replay) -> usize {
    let end = format!("after-{client}");
    replay.call_unknown_method(&end).await;
    world.wait_for_call_log(&end).await;
    world.calls_logged(&call_id(client))
}

fn call_id(client: &str) -> String {
    format!("retries-of-{client}")
}
