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
    support::{Nginx, Refusal, World, create},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Retry {
    /// A `RetryInfo` says when.
    Later,
    /// Trying again cannot help, or not safely.
    No,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Aws {
    /// The request id of its response stands beside the reason.
    Answered,
    /// AWS was not called, or did not respond.
    Silent,
}

/// One test a row; each is a function of [`cases`] that brings the error about.
macro_rules! table {
    ($($case:ident: $code:ident, $reason:literal, $retry:ident, $aws:ident;)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                let world = World::new();
                let refusal = cases::$case(&world).await;
                assert_row(&refusal, Code::$code, $reason, Retry::$retry, Aws::$aws);
                // A gateway that drains accepts no connection: see `retries`.
                if $reason != "DRAINING" {
                    retries::assert_attempts(&world, &refusal).await;
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
    aws_validation:            InvalidArgument,    "AWS_VALIDATION",           No,    Answered;
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
    aws_throttled:             ResourceExhausted,  "AWS_THROTTLED",            Later, Answered;
    aws_service_quota:         ResourceExhausted,  "AWS_SERVICE_QUOTA",        No,    Answered;
    aws_pending_verification:  FailedPrecondition, "AWS_PENDING_VERIFICATION", No,    Answered;
    aws_conflict:              FailedPrecondition, "AWS_CONFLICT",             No,    Answered;
    aws_access_denied:         Internal,           "AWS_ACCESS_DENIED",        No,    Answered;
    aws_bad_signature:         Internal,           "AWS_ACCESS_DENIED",        No,    Answered;
    aws_rejected:              Internal,           "AWS_REJECTED",             No,    Answered;
    aws_unreachable:           Unavailable,        "AWS_UNREACHABLE",          Later, Silent;
    credentials_unavailable:   Unavailable,        "CREDENTIALS_UNAVAILABLE",  Later, Silent;
    aws_unavailable:           Unavailable,        "AWS_UNAVAILABLE",          Later, Answered;
    in_progress:               Aborted,            "IN_PROGRESS",              Later, Silent;
    outcome_unknown:           Unavailable,        "OUTCOME_UNKNOWN",          Later, Silent;
    outcome_unknown_for_good:  Unknown,            "OUTCOME_UNKNOWN",          No,    Silent;
    outcome_unknown_after_500: Unavailable,        "OUTCOME_UNKNOWN",          Later, Answered;
    outcome_unknown_garbage:   Unavailable,        "OUTCOME_UNKNOWN",          Later, Answered;
    outcome_unknown_truncated: Unavailable,        "OUTCOME_UNKNOWN",          Later, Answered;
    outcome_unknown_too_late:  Unavailable,        "OUTCOME_UNKNOWN",          Later, Silent;
    deadline_exceeded:         DeadlineExceeded,   "DEADLINE_EXCEEDED",        Later, Silent;
    deadline_exceeded_for_good: DeadlineExceeded,  "DEADLINE_EXCEEDED",        No,    Silent;
    ledger_unavailable:        Unavailable,        "LEDGER_UNAVAILABLE",       Later, Silent;
    draining:                  Unavailable,        "DRAINING",                 Later, Silent;
    overloaded:                Unavailable,        "OVERLOADED",               Later, Silent;
    internal:                  Internal,           "INTERNAL",                 No,    Silent;
    unimplemented:             Unimplemented,      "UNIMPLEMENTED",            No,    Silent;
}

fn assert_row(refusal: &Refusal, code: Code, reason: &str, retry: Retry, aws: Aws) {
    assert_eq!((refusal.code, refusal.reason()), (code, reason), "{refusal:?}");
    let told = refusal.retry_after();
    assert_eq!(told.is_some(), retry == Retry::Later, "{refusal:?}");
    assert!(told.is_none_or(|delay| !delay.is_zero()), "{refusal:?}");
    // For clients that retry by themselves, the same in the words of gRFC A6.
    let pushback = refusal.metadata.get("grpc-retry-pushback-ms");
    let pushback = pushback.unwrap().to_str().unwrap().parse::<i128>().unwrap();
    let expected = told.map_or(-1, |delay| i128::try_from(delay.as_millis()).unwrap());
    assert_eq!(pushback, expected, "{refusal:?}");
    let id = refusal.info("aws_request_id");
    assert_eq!(id.is_some(), aws == Aws::Answered, "{refusal:?}");
    assert!(id.is_none_or(|id| id.len() == 36), "{refusal:?}");
    assert!(refusal.metadata.contains_key("x-request-id"), "{refusal:?}");
    // AWS's own words may name roles and hosts; only about the input are they passed on.
    let passed_on = refusal.message.contains("arn:aws:iam");
    assert_eq!(passed_on, reason == "AWS_VALIDATION", "{refusal:?}");
    assert!(passed_on || numbers_are_in_the_metadata(refusal), "{refusal:?}");
}

/// Each number of the message is for programs too. `v1` is no number.
fn numbers_are_in_the_metadata(refusal: &Refusal) -> bool {
    let info = refusal.details.error_info().unwrap();
    let words = refusal.message.split(|c: char| !c.is_ascii_alphanumeric());
    let mut numbers = words.filter(|word| word.parse::<u64>().is_ok());
    numbers.all(|number| info.metadata.values().any(|value| value == number))
}

/// The reasons that the API publishes.
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

/// `InvalidArgument` as documents write it.
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

/// The comment of each reason names its codes, and says whether a `RetryInfo` stands beside it.
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
async fn what_may_exist_counts_against_the_quota_and_what_cannot_does_not() {
    let world = World::new();
    let limits = ["acme", "globex"].map(|t| format!("tenants.{t}.max_ingest_configurations = 1"));
    let gateway = world.gateway(&[&limits[0], &limits[1]]).await;
    let acme = gateway.caller("acme");
    // AWS did not execute it, and the gateway cannot know that.
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

/// It has a row too, and no create to join.
#[tokio::test]
async fn the_deadline_of_a_read_is_retried() {
    let world = World::new();
    let acme = world.gateway(&["server.default_deadline_ms = 300"]).await.caller("acme");
    let created = acme.create_one().await.unwrap().ingest_configuration.unwrap();
    world.emulator.next(Operation::GetIngestConfiguration, FaultKind::Hold, 0);
    let refused = acme.get(&created.arn, IngestConfigurationView::Full).await.unwrap_err();
    assert_eq!((refused.code, refused.reason()), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
    assert!(refused.retry_after().is_some(), "{refused:?}");
    assert_eq!(refused.info("operation_id"), None);
    assert!(!refused.message.contains("create"), "{refused:?}");
}

#[tokio::test]
async fn an_overload_ends_with_its_load() {
    let world = World::new();
    let acme = world.gateway(&["server.max_concurrent_requests = 1"]).await.caller("acme");
    world.emulator.hold_next_create();
    let under_way = tokio::spawn({
        let acme = acme.clone();
        async move { acme.create_one().await }
    });
    world.emulator.reached_by_creates(1).await;
    assert_eq!(acme.create_one().await.unwrap_err().reason(), "OVERLOADED");
    world.emulator.release();
    under_way.await.unwrap().unwrap();
    acme.create_one().await.unwrap();
}

#[tokio::test]
async fn an_operation_id_joins_what_had_no_request_id() {
    let world = World::new();
    let acme = world.gateway(&[]).await.caller("acme");
    world.emulator.next_create(FaultKind::DropAfter, 0);
    let refused = acme.create_one().await.unwrap_err();
    assert_eq!((refused.code, refused.reason()), (Code::Unknown, "OUTCOME_UNKNOWN"));
    let operation_id = refused.info("operation_id").unwrap().to_owned();
    assert_eq!(operation_id.len(), 26);
    let rows = world.emulator.configurations();
    assert_eq!(rows[0].tags["ivs-ingest-gateway:operation-id"], operation_id);

    let request_id = operation_id.clone();
    let again = CreateIngestConfigurationRequest { request_id, ..create("acme") };
    let refused = acme.create(again).await.unwrap_err();
    assert_eq!(refused.reason(), "OUTCOME_UNKNOWN");
    assert_eq!(refused.info("operation_id").unwrap(), operation_id);
    assert_eq!(world.emulator.creates(), 1);
}

/// That the trailers are bounded holds for every rejection; on the wire a character of these
/// has nine bytes. nginx returns 502 for trailers that exceed its buffer.
#[tokio::test]
async fn the_words_of_aws_are_cut() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    let nginx = Nginx::start(gateway.address).await;
    let acme = gateway.caller_at(nginx.address, "acme");
    for words in ["\u{5c4b}".repeat(4000), "% ".repeat(4000), "x".repeat(8000)] {
        let invalid = Fault::error(400, "ValidationException").with_message(&words);
        world.emulator.fault(&invalid.on(Operation::CreateIngestConfiguration).times(1));
        let refused = acme.create_one().await.unwrap_err();
        assert_eq!(refused.reason(), "AWS_VALIDATION");
        assert!(refused.message.starts_with("AWS rejected the request: "), "{refused:?}");
        assert!(refused.message.len() > 200, "{refused:?}");
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
    // Its trailers are bounded, as those of every rejection.
    let refused = acme.create(request).await.unwrap_err();
    let violations = &refused.details.bad_request().unwrap().field_violations;
    assert_eq!(violations.last().unwrap().reason, "MORE_VIOLATIONS");
    assert!(violations.len() > 2);
}
