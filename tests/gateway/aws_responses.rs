//! Responses of AWS, and of a proxy in its place, that the emulator does not give.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use ivs_ingest_gateway::proto::v1::IngestConfigurationView;
use serde_json::json;
use tokio::time::sleep;
use tonic::Code;

use crate::support::{Answer, Aws, Seen, World, create};

const PAGE: &str = "<html><body>Please sign in</body></html>";

/// Gives the first request with that path an answer.
fn once(path: &'static str, answer: Answer) -> impl Fn(&Seen) -> Option<Answer> {
    let is_given = AtomicBool::new(false);
    move |seen| {
        let is_first = seen.path == path && !is_given.swap(true, Ordering::Relaxed);
        is_first.then(|| answer.clone())
    }
}

/// A response with status 200 that is not AWS's.
fn foreign_pages() -> [Answer; 3] {
    let id = "3f2504e0-4f89-11d3-9a0c-0305e82c3301";
    [
        Answer::foreign(200, "text/html", PAGE),
        Answer::foreign(200, "application/json", "{}"),
        Answer::foreign(200, "text/html", PAGE).with("x-amzn-requestid", id),
    ]
}

/// The page of a proxy is no proof of a delete: the stream key would live on.
#[tokio::test]
async fn a_delete_is_not_believed_without_aws_s_response() {
    for page in foreign_pages() {
        let world = World::new();
        let aws = Aws::with(once("/DeleteIngestConfiguration", page)).await;
        let gateway = world.before(&aws, &[]).await;
        let acme = gateway.caller("acme");
        let created = acme.create_one().await.unwrap().ingest_configuration.unwrap();
        let rejected = acme.delete(&created.arn, false).await.unwrap_err();
        assert_eq!(rejected.code, Code::Unavailable, "{rejected:?}");
        assert!(!rejected.message.contains("created"), "{rejected:?}");
        assert_eq!(acme.used().await, 1);
        acme.get(&created.arn, IngestConfigurationView::Full).await.unwrap();
    }
}

#[tokio::test]
async fn a_create_is_in_doubt_without_aws_s_response() {
    for page in foreign_pages() {
        let world = World::new();
        let aws = Aws::with(once("/CreateIngestConfiguration", page)).await;
        let gateway = world.before(&aws, &[]).await;
        let acme = gateway.caller("acme");
        let rejected = acme.create_one().await.unwrap_err();
        assert_eq!(rejected.reason(), "OUTCOME_UNKNOWN", "{rejected:?}");
        assert_eq!(acme.used().await, 1);
    }
}

#[tokio::test]
async fn a_read_fails_without_aws_s_response() {
    for page in foreign_pages() {
        let world = World::new();
        let aws = Aws::with(once("/GetStage", page)).await;
        let acme = world.before(&aws, &[]).await.caller("acme");
        let rejected = acme.create_one().await.unwrap_err();
        assert_eq!(rejected.reason(), "AWS_UNAVAILABLE", "{rejected:?}");
        acme.create_one().await.unwrap();
    }
}

/// The gateway sends a throttled create again.
#[tokio::test]
async fn every_code_of_throttling() {
    for code in [
        "ThrottlingException",
        "Throttling",
        "ThrottledException",
        "RequestThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "SlowDown",
    ] {
        let world = World::new();
        let throttled = Answer::error(400, code, &json!({ "message": "Rate exceeded" }));
        let aws = Aws::with(once("/CreateIngestConfiguration", throttled)).await;
        world.before(&aws, &[]).await.caller("acme").create_one().await.unwrap();
        assert_eq!(aws.creates().len(), 2, "{code}");
    }
}

#[tokio::test]
async fn the_words_of_a_validation_error() {
    for words in [
        json!({ "exceptionMessage": "The name is wrong" }),
        json!({ "message": "The name is wrong" }),
        json!({ "Message": "The name is wrong" }),
        json!({ "message": null, "exceptionMessage": "The name is wrong" }),
        json!({ "message": "other", "exceptionMessage": "The name is wrong" }),
    ] {
        let world = World::new();
        let invalid = Answer::error(400, "ValidationException", &words);
        let aws = Aws::with(once("/CreateIngestConfiguration", invalid)).await;
        let acme = world.before(&aws, &[]).await.caller("acme");
        let rejected = acme.create_one().await.unwrap_err();
        assert_eq!(rejected.code, Code::InvalidArgument, "{rejected:?}");
        assert!(rejected.message.ends_with("The name is wrong"), "{words}: {rejected:?}");
    }
}

/// A scan ends at a token that AWS has given before, whether it repeats or cycles.
#[tokio::test]
async fn a_list_whose_tokens_do_not_end() {
    for cycle in [&["a"][..], &["a", "b", "c"]] {
        let world = World::new();
        let pages = AtomicUsize::new(0);
        let aws = Aws::with(move |seen| {
            let is_list = seen.path == "/ListIngestConfigurations";
            is_list.then(|| {
                let page = pages.fetch_add(1, Ordering::Relaxed);
                let token = cycle[page % cycle.len()];
                Answer::json(200, &json!({ "ingestConfigurations": [], "nextToken": token }))
            })
        });
        let aws = aws.await;
        let lines = ["sweep.interval_ms = 60000", &aws.upstream()];
        let gateway = world.gateway_in(&lines, &[]).await;
        let failed = gateway.log("a scan failed").await;
        assert_eq!(failed["error"], "AWS returned the token of an earlier page");
        let lists = aws.seen("/ListIngestConfigurations").len();
        assert_eq!(lists, cycle.len() + 1);
        sleep(Duration::from_millis(200)).await;
        assert_eq!(aws.seen("/ListIngestConfigurations").len(), lists);
    }
}

/// The calls of one tenant do not make the gateway unready.
#[tokio::test]
async fn a_denial_of_some_calls_is_no_denial_of_all() {
    let world = World::new();
    let denied = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&denied);
    let aws = Aws::with(move |seen| {
        let is_create = seen.path == "/CreateIngestConfiguration";
        is_create.then(|| {
            counted.fetch_add(1, Ordering::Relaxed);
            Answer::error(403, "AccessDeniedException", &json!({ "message": "no permission" }))
        })
    });
    let aws = aws.await;
    let gateway = world.before(&aws, &[]).await;
    for _ in 0..10 {
        let rejected = gateway.caller("acme").create(create("acme")).await.unwrap_err();
        assert_eq!(rejected.reason(), "AWS_ACCESS_DENIED", "{rejected:?}");
        assert!(gateway.admin_page("/readyz").contains("ready\n"));
    }
    assert_eq!(denied.load(Ordering::Relaxed), 10);
}

#[tokio::test]
async fn a_denial_of_all_calls_is_a_reason_against_readiness() {
    let world = World::new();
    let is_denied = Arc::new(AtomicBool::new(true));
    let denied = Arc::clone(&is_denied);
    let aws = Aws::with(move |_| {
        denied.load(Ordering::Relaxed).then(|| {
            Answer::error(403, "AccessDeniedException", &json!({ "message": "no permission" }))
        })
    });
    let gateway = world.before(&aws.await, &[]).await;
    gateway.caller("acme").create_one().await.unwrap_err();
    gateway.wait_for_readiness("AWS rejects the gateway's calls").await;
    is_denied.store(false, Ordering::Relaxed);
    gateway.wait_for_readiness("ready\n").await;
    gateway.caller("acme").create_one().await.unwrap();
}
