//! Every row of the error table: its code, its reason, and whether it has a `RetryInfo`.

mod cases;

use std::collections::{BTreeMap, BTreeSet};

use ivs_ingest_gateway::proto::v1::{
    CreateIngestConfigurationRequest, ErrorReason, IngestConfigurationView,
};
use ivs_realtime_emulator::{Fault, FaultKind, Operation};
use tonic::Code;

use crate::{
    retries,
    support::{Nginx, Rejection, World, create},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Retry {
    /// The error has a `RetryInfo` with a delay.
    Later,
    /// The error has no `RetryInfo`, because a retry cannot help or is not safe.
    No,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Aws {
    /// AWS responded, and the error's metadata has AWS's request id.
    Responded,
    /// AWS was not called, or did not respond.
    Silent,
}

/// Declares one test per row. Each calls the function of [`cases`] that causes the error.
macro_rules! table {
    ($($case:ident: $code:ident, $reason:literal, $retry:ident, $aws:ident;)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                let world = World::new();
                let rejection = cases::$case(&world).await;
                assert_row(&rejection, Code::$code, $reason, Retry::$retry, Aws::$aws);
                // A draining gateway accepts no connections; `retries` covers that row.
                if $reason != "DRAINING" {
                    retries::assert_attempts(&world, &rejection).await;
                }
            }
        )*

        const ROWS: &[(Code, &str, Retry)] = &[$((Code::$code, $reason, Retry::$retry)),*];
    };
}

table! {
    invalid_fields:            InvalidArgument,    "INVALID_FIELDS",           No,    Silent;
    invalid_message:           InvalidArgument,    "INVALID_MESSAGE",          No,    Silent;
    request_id_reused:         InvalidArgument,    "REQUEST_ID_REUSED",        No,    Silent;
    aws_validation:            InvalidArgument,    "AWS_VALIDATION",           No,    Responded;
    credential_missing:        Unauthenticated,    "CREDENTIAL_MISSING",       No,    Silent;
    credential_malformed:      Unauthenticated,    "CREDENTIAL_INVALID",       No,    Silent;
    credential_twice:          Unauthenticated,    "CREDENTIAL_INVALID",       No,    Silent;
    tenant_forbidden:          PermissionDenied,   "TENANT_FORBIDDEN",         No,    Silent;
    stage_of_another:          PermissionDenied,   "STAGE_FORBIDDEN",          No,    Silent;
    stage_absent:              PermissionDenied,   "STAGE_FORBIDDEN",          No,    Silent;
    stage_in_another_account:  PermissionDenied,   "STAGE_FORBIDDEN",          No,    Silent;
    protocol_forbidden:        PermissionDenied,   "PROTOCOL_FORBIDDEN",       No,    Silent;
    not_found:                 NotFound,           "NOT_FOUND",                No,    Silent;
    tenant_count_quota:        ResourceExhausted,  "TENANT_COUNT_QUOTA",       No,    Silent;
    tenant_request_rate:       ResourceExhausted,  "TENANT_REQUEST_RATE",      Later, Silent;
    tenant_create_rate:        ResourceExhausted,  "TENANT_CREATE_RATE",       Later, Silent;
    tenant_concurrency:        ResourceExhausted,  "TENANT_CONCURRENCY",       Later, Silent;
    tenant_queue_full:         ResourceExhausted,  "TENANT_QUEUE_FULL",        Later, Silent;
    deadline_too_short:        ResourceExhausted,  "DEADLINE_TOO_SHORT",       Later, Silent;
    aws_throttled:             ResourceExhausted,  "AWS_THROTTLED",            Later, Responded;
    aws_service_quota:         ResourceExhausted,  "AWS_SERVICE_QUOTA",        No,    Responded;
    aws_pending_verification:  FailedPrecondition, "AWS_PENDING_VERIFICATION", No,    Responded;
    aws_conflict:              FailedPrecondition, "AWS_CONFLICT",             No,    Responded;
    aws_access_denied:         Internal,           "AWS_ACCESS_DENIED",        No,    Responded;
    aws_bad_signature:         Unavailable,        "CREDENTIALS_UNAVAILABLE",  Later, Responded;
    aws_rejected:              Internal,           "AWS_REJECTED",             No,    Responded;
    aws_unreachable:           Unavailable,        "AWS_UNREACHABLE",          Later, Silent;
    credentials_unavailable:   Unavailable,        "CREDENTIALS_UNAVAILABLE",  Later, Silent;
    aws_unavailable:           Unavailable,        "AWS_UNAVAILABLE",          Later, Responded;
    in_progress:               Aborted,            "IN_PROGRESS",              Later, Silent;
    outcome_unknown:           Unavailable,        "OUTCOME_UNKNOWN",          Later, Silent;
    outcome_unknown_final:     Unknown,            "OUTCOME_UNKNOWN",          No,    Silent;
    outcome_unknown_after_500: Unavailable,        "OUTCOME_UNKNOWN",          Later, Responded;
    outcome_unknown_garbage:   Unavailable,        "OUTCOME_UNKNOWN",          Later, Responded;
    outcome_unknown_truncated: Unavailable,        "OUTCOME_UNKNOWN",          Later, Responded;
    outcome_unknown_timeout:   Unavailable,        "OUTCOME_UNKNOWN",          Later, Silent;
    deadline_exceeded:         DeadlineExceeded,   "DEADLINE_EXCEEDED",        Later, Silent;
    deadline_exceeded_final:   DeadlineExceeded,   "DEADLINE_EXCEEDED",        No,    Silent;
    ledger_unavailable:        Unavailable,        "LEDGER_UNAVAILABLE",       Later, Silent;
    draining:                  Unavailable,        "DRAINING",                 Later, Silent;
    overloaded:                Unavailable,        "OVERLOADED",               Later, Silent;
    internal:                  Internal,           "INTERNAL",                 No,    Silent;
    unimplemented:             Unimplemented,      "UNIMPLEMENTED",            No,    Silent;
}

fn assert_row(rejection: &Rejection, code: Code, reason: &str, retry: Retry, aws: Aws) {
    assert_eq!((rejection.code, rejection.reason()), (code, reason), "{rejection:?}");
    let retry_after = rejection.retry_after();
    assert_eq!(retry_after.is_some(), retry == Retry::Later, "{rejection:?}");
    assert!(retry_after.is_none_or(|delay| !delay.is_zero()), "{rejection:?}");
    // The same delay in the metadata of gRFC A6, for clients that retry automatically.
    let pushback = rejection.metadata.get("grpc-retry-pushback-ms");
    let pushback = pushback.unwrap().to_str().unwrap().parse::<i128>().unwrap();
    let expected = retry_after.map_or(-1, |delay| i128::try_from(delay.as_millis()).unwrap());
    assert_eq!(pushback, expected, "{rejection:?}");
    let id = rejection.info("aws_request_id");
    assert_eq!(id.is_some(), aws == Aws::Responded, "{rejection:?}");
    assert!(id.is_none_or(|id| id.len() == 36), "{rejection:?}");
    assert!(rejection.metadata.contains_key("x-request-id"), "{rejection:?}");
    // AWS's messages may name roles and hosts. The gateway passes on only those about the input.
    let passed_on = rejection.message.contains("arn:aws:iam");
    assert_eq!(passed_on, reason == "AWS_VALIDATION", "{rejection:?}");
    assert!(passed_on || numbers_are_in_the_metadata(rejection), "{rejection:?}");
}

/// Returns whether every number in the message is also in the metadata. `v1` is not a number.
fn numbers_are_in_the_metadata(rejection: &Rejection) -> bool {
    let metadata = &rejection.details.error_info().unwrap().metadata;
    let words = rejection.message.split(|c: char| !c.is_ascii_alphanumeric());
    let mut numbers = words.filter(|word| word.parse::<u64>().is_ok());
    numbers.all(|number| metadata.values().any(|value| value == number))
}

/// Returns the reasons that the API publishes.
fn reasons() -> BTreeSet<&'static str> {
    let numbers = 1..;
    numbers
        .map_while(|number| ErrorReason::try_from(number).ok())
        .map(|r| r.as_str_name())
        .collect()
}

#[test]
fn every_reason_has_a_case() {
    let covered: BTreeSet<&str> = ROWS.iter().map(|(_, reason, _)| *reason).collect();
    let known = reasons();
    assert!(known.len() > 20, "{known:?}");
    assert_eq!(covered, known);
}

/// Returns the name of a code as in the documentation, such as `INVALID_ARGUMENT`.
fn upper_snake_case(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

#[test]
fn the_guide_has_the_same_table() {
    let documented = include_str!("../../docs/calling.md").lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, _, code, reason, retry, ..] = cells[..] else { return None };
        let [code, reason] = [code, reason].map(|cell| cell.strip_prefix('`')?.strip_suffix('`'));
        let retry = if retry.starts_with("yes") { Retry::Later } else { Retry::No };
        Some((code?.to_owned(), reason?.to_owned(), retry))
    });
    let documented: BTreeSet<_> = documented.filter(|(_, reason, _)| is_reason(reason)).collect();
    let rows = ROWS.iter();
    let rows =
        rows.map(|(code, reason, retry)| (upper_snake_case(*code), (*reason).to_owned(), *retry));
    assert_eq!(documented, rows.collect());
}

/// The comment of each reason names its codes, and says whether the error has a `RetryInfo`.
#[test]
fn the_api_documents_the_same_table() {
    let api = include_str!("../../proto/ivs/ingest/v1/ingest_service.proto");
    let (_, reasons) = api.split_once("enum ErrorReason {").unwrap();
    let (mut comments, mut comment) = (BTreeMap::new(), String::new());
    for line in reasons.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("// ") {
            comment = format!("{comment} {text}");
        } else if let Some((name, _)) = line.split_once(" = ") {
            comments.insert(name, std::mem::take(&mut comment));
        }
    }
    for (code, reason, retry) in ROWS {
        let comment = &comments[reason];
        assert!(comment.contains(&upper_snake_case(*code)), "{reason}: {comment}");
        let has_both = ROWS.iter().any(|(_, other, its)| other == reason && its != retry);
        let is_retried = comment.to_lowercase().contains("with retryinfo");
        assert_eq!(is_retried, has_both || *retry == Retry::Later, "{reason}: {comment}");
    }
}

fn is_reason(name: &str) -> bool {
    ErrorReason::from_str_name(name).is_some()
}

#[tokio::test]
async fn a_create_of_unknown_outcome_counts_against_the_quota_and_a_rejected_one_does_not() {
    let world = World::new();
    let limits = ["acme", "globex"].map(|t| format!("tenants.{t}.max_ingest_configurations = 1"));
    let gateway = world.gateway(&[&limits[0], &limits[1]]).await;
    let acme = gateway.caller("acme");
    // AWS did not carry out the create, but the gateway cannot know that.
    world.emulator.next_create(FaultKind::DropBefore, 0);
    assert_eq!(acme.create_one().await.unwrap_err().reason(), "OUTCOME_UNKNOWN");
    assert_eq!(acme.create_one().await.unwrap_err().reason(), "TENANT_COUNT_QUOTA");

    let globex = gateway.caller("globex");
    for (status, code) in [(400, "ValidationException"), (402, "ServiceQuotaExceededException")] {
        world.emulator.next_create_error(status, code);
        globex.create_one().await.unwrap_err();
    }
    globex.create_one().await.unwrap();
}

/// The message of such an error does not mention a create, because no retry could join one.
#[tokio::test]
async fn a_read_that_exceeds_its_deadline_may_be_retried() {
    let world = World::new();
    let acme = world.gateway(&["server.default_deadline_ms = 300"]).await.caller("acme");
    let created = acme.create_one().await.unwrap().ingest_configuration.unwrap();
    world.emulator.next(Operation::GetIngestConfiguration, FaultKind::Hold, 0);
    let rejected = acme.get(&created.arn, IngestConfigurationView::Full).await.unwrap_err();
    assert_eq!((rejected.code, rejected.reason()), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
    assert!(rejected.retry_after().is_some(), "{rejected:?}");
    assert_eq!(rejected.info("operation_id"), None);
    assert!(!rejected.message.contains("create"), "{rejected:?}");
}

#[tokio::test]
async fn an_overloaded_gateway_serves_again_when_a_call_ends() {
    let world = World::new();
    let acme = world.gateway(&["server.max_concurrent_requests = 1"]).await.caller("acme");
    world.emulator.hold_next_create();
    let running = tokio::spawn({
        let acme = acme.clone();
        async move { acme.create_one().await }
    });
    world.emulator.wait_for_creates(1).await;
    assert_eq!(acme.create_one().await.unwrap_err().reason(), "OVERLOADED");
    world.emulator.release();
    running.await.unwrap().unwrap();
    acme.create_one().await.unwrap();
}

#[tokio::test]
async fn an_operation_id_as_request_id_joins_a_create_without_one() {
    let world = World::new();
    let acme = world.gateway(&[]).await.caller("acme");
    world.emulator.next_create(FaultKind::DropAfter, 0);
    let rejected = acme.create_one().await.unwrap_err();
    assert_eq!((rejected.code, rejected.reason()), (Code::Unknown, "OUTCOME_UNKNOWN"));
    let operation_id = rejected.info("operation_id").unwrap().to_owned();
    assert_eq!(operation_id.len(), 26);
    let rows = world.emulator.configurations();
    assert_eq!(rows[0].tags["ivs-ingest-gateway:operation-id"], operation_id);

    let request_id = operation_id.clone();
    let again = CreateIngestConfigurationRequest { request_id, ..create("acme") };
    let rejected = acme.create(again).await.unwrap_err();
    assert_eq!(rejected.reason(), "OUTCOME_UNKNOWN");
    assert_eq!(rejected.info("operation_id").unwrap(), operation_id);
    assert_eq!(world.emulator.creates(), 1);
}

/// nginx returns 502 for trailers that exceed its buffer. On the wire, a character of these
/// texts takes up to nine bytes. The harness asserts the bound for every error.
#[tokio::test]
async fn long_messages_of_aws_are_cut() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    let nginx = Nginx::start(gateway.address).await;
    let acme = gateway.caller_at(nginx.address, "acme");
    for text in ["\u{5c4b}".repeat(4000), "% ".repeat(4000), "x".repeat(8000)] {
        let invalid = Fault::error(400, "ValidationException").with_message(&text);
        world.emulator.fault(&invalid.on(Operation::CreateIngestConfiguration).times(1));
        let rejected = acme.create_one().await.unwrap_err();
        assert_eq!(rejected.reason(), "AWS_VALIDATION");
        assert!(rejected.message.starts_with("AWS rejected the request: "), "{rejected:?}");
        assert!(rejected.message.len() > 200, "{rejected:?}");
    }
}

#[tokio::test]
async fn the_list_of_violations_is_bounded() {
    let world = World::new();
    let gateway = world.gateway(&["server.max_message_bytes = 1000000"]).await;
    let nginx = Nginx::start(gateway.address).await;
    let acme = gateway.caller_at(nginx.address, "acme");
    let tags = (0..2000).map(|n| (format!("{n}\u{10ffff}{}", "é".repeat(150)), "\u{7}".into()));
    let request = CreateIngestConfigurationRequest {
        attributes: [("k".repeat(2000), String::new())].into(),
        tags: tags.collect(),
        ..create("acme")
    };
    // The harness asserts the bound of the trailers.
    let rejected = acme.create(request).await.unwrap_err();
    let violations = &rejected.details.bad_request().unwrap().field_violations;
    assert_eq!(violations.last().unwrap().reason, "MORE_VIOLATIONS");
    assert!(violations.len() > 2);
}
