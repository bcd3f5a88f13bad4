//! Every source of credentials, sources that are slow or fail, and credentials that AWS rejects.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use serde_json::json;
use tonic::Code;

use super::NO_KEYS;
use crate::support::{Answer, Aws, Caller, Seen, World, create};

/// An expiry that no test reaches.
const FAR: &str = "2100-01-01T00:00:00Z";

/// A proxy that no local service may be called through.
const DEAD_PROXY: (&str, &str) = ("HTTP_PROXY", "http://127.0.0.1:1");

/// Makes a create, and asserts which access key has signed it.
async fn signs_with(world: &World, aws: &Aws, variables: &[(&str, &str)], key_id: &str) {
    let variables = [&NO_KEYS[..], variables].concat();
    let gateway = world.before(aws, &variables).await;
    gateway.caller("acme").create_one().await.unwrap();
    assert_eq!(aws.creates()[0].key_id(), key_id);
    assert_eq!(gateway.log("loaded the AWS credentials").await["access_key_id"], key_id);
}

/// Returns the profile of a script that prints credentials after `seconds`.
fn process(world: &World, seconds: f32, expiry: &str) -> String {
    let credentials = json!({
        "Version": 1, "AccessKeyId": "PROCESS", "SecretAccessKey": "secret",
        "SessionToken": "token", "Expiration": expiry,
    });
    let script = world.path("credentials.sh");
    fs::write(&script, format!("sleep {seconds}\necho '{credentials}'\n")).unwrap();
    format!("[default]\ncredential_process = /bin/sh {}\n", script.display())
}

#[tokio::test]
async fn the_keys_of_a_profile() {
    let (world, aws) = (World::new(), Aws::start().await);
    let file = world
        .profile("[profile ingest]\naws_access_key_id = PROFILE\naws_secret_access_key = secret\n");
    let variables = [("AWS_CONFIG_FILE", &*file), ("AWS_PROFILE", "ingest")];
    signs_with(&world, &aws, &variables, "PROFILE").await;
}

#[tokio::test]
async fn an_assumed_role() {
    let (world, aws) = (World::new(), Aws::start().await);
    let file = world.profile(
        "[default]\nrole_arn = arn:aws:iam::123456789012:role/gateway\nsource_profile = base\n\
         [profile base]\naws_access_key_id = BASE\naws_secret_access_key = secret\n",
    );
    let variables = [("AWS_CONFIG_FILE", &*file), ("AWS_ENDPOINT_URL_STS", &aws.url())];
    signs_with(&world, &aws, &variables, "ASSUMEDROLE").await;
    assert_eq!(aws.seen("/")[0].key_id(), "BASE");
}

#[tokio::test]
async fn web_identity() {
    let (world, aws) = (World::new(), Aws::start().await);
    let token = world.path("token");
    fs::write(&token, "web-identity-token").unwrap();
    let variables = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/gateway"),
        ("AWS_ENDPOINT_URL_STS", &aws.url()),
    ];
    signs_with(&world, &aws, &variables, "WEBIDENTITY").await;
    assert!(aws.seen("/")[0].body.contains("WebIdentityToken=web-identity-token"));
}

/// The agent of pod identities is one of these too.
#[tokio::test]
async fn the_agent_of_a_container() {
    let (world, aws) = (World::new(), Aws::start().await);
    let token = world.path("token");
    fs::write(&token, "agent-token").unwrap();
    let url = format!("{}/credentials", aws.url());
    let of_file = ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.to_str().unwrap());
    for token in [of_file, ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "agent-token")] {
        let world = World::new();
        let variables = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*url), token, DEAD_PROXY];
        signs_with(&world, &aws, &variables, "CONTAINER").await;
        let seen = aws.seen("/credentials");
        assert_eq!(seen.last().unwrap().headers["authorization"], "agent-token");
    }
}

#[tokio::test]
async fn the_role_of_an_instance() {
    let (world, aws) = (World::new(), Aws::start().await);
    let variables = [
        ("AWS_EC2_METADATA_DISABLED", "false"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &*aws.url()),
        DEAD_PROXY,
    ];
    signs_with(&world, &aws, &variables, "INSTANCE").await;
}

/// The time limit of a call does not end a load of credentials.
#[tokio::test]
async fn a_process_that_is_slower_than_a_call_may_be() {
    let (world, aws) = (World::new(), Aws::start().await);
    let file = world.profile(&process(&world, 1.5, FAR));
    let limit = "upstream.attempt_timeout_ms = 500";
    let lines = [limit, "upstream.connect_timeout_ms = 200", &aws.upstream()];
    let variables = [&NO_KEYS[..], &[("AWS_CONFIG_FILE", &*file)]].concat();
    let gateway = world.gateway_in(&lines, &variables).await;
    gateway.caller("acme").create_one().await.unwrap();
    assert_eq!(aws.creates()[0].key_id(), "PROCESS");
}

/// No create is sent, and none counts against the quota.
#[tokio::test]
async fn a_process_that_does_not_end() {
    let (world, aws) = (World::new(), Aws::start().await);
    let file = world.profile(&process(&world, 60.0, FAR));
    let lines = ["upstream.credentials_timeout_ms = 300", &aws.upstream()];
    let variables = [&NO_KEYS[..], &[("AWS_CONFIG_FILE", &*file)]].concat();
    let gateway = world.gateway_in(&lines, &variables).await;
    is_unavailable(&gateway.caller("acme")).await;
    assert_eq!(aws.creates().len(), 0);
    let failed =
        gateway.log("could not load the AWS credentials; calls to AWS fail until it succeeds");
    assert!(failed.await["failure"].as_str().unwrap().contains("within 300 ms"));
    gateway.wait_for_readiness("no AWS credentials").await;

    world.profile(&process(&world, 0.0, FAR));
    gateway.wait_for_readiness("ready\n").await;
    gateway.caller("acme").create_one().await.unwrap();
}

/// The clock may be wrong: only a response of AWS shows whether they have expired.
#[tokio::test]
async fn credentials_that_have_expired_by_the_clock_are_used() {
    let (world, aws) = (World::new(), Aws::start().await);
    let file = world.profile(&process(&world, 0.0, "2020-01-01T00:00:00Z"));
    signs_with(&world, &aws, &[("AWS_CONFIG_FILE", &*file)], "PROCESS").await;
}

async fn is_unavailable(acme: &Caller) {
    let request = create("acme");
    let rejected = acme.create(request).await.unwrap_err();
    assert_eq!(
        (rejected.code, rejected.reason()),
        (Code::Unavailable, "CREDENTIALS_UNAVAILABLE"),
        "{rejected:?}"
    );
    assert!(rejected.retry_after().is_some());
    assert_eq!(acme.used().await, 0);
}

fn rejects(key_id: &'static str, code: &'static str) -> impl Fn(&Seen) -> Option<Answer> {
    move |seen| {
        (seen.key_id() == key_id).then(|| {
            let words = json!({ "message": "The security token included in the request is wrong" });
            Answer::error(403, code, &words)
        })
    }
}

/// A replaced file needs no restart.
#[tokio::test]
async fn credentials_that_aws_rejects_are_loaded_again() {
    let world = World::new();
    let aws = Aws::with(rejects("OLD", "ExpiredTokenException")).await;
    let keys = |key_id: &str| {
        format!("[default]\naws_access_key_id = {key_id}\naws_secret_access_key = secret\n")
    };
    let file = world.profile(&keys("OLD"));
    let variables = [&NO_KEYS[..], &[("AWS_SHARED_CREDENTIALS_FILE", &*file)]].concat();
    let gateway = world.before(&aws, &variables).await;
    is_unavailable(&gateway.caller("acme")).await;
    gateway.wait_for_readiness("AWS rejects the gateway's calls").await;
    let metrics = gateway.admin_page("/metrics");
    let rejected = "aws_calls_total{operation=\"GetStage\",outcome=\"rejected\"} 1\n";
    assert!(metrics.contains(rejected), "{metrics}");

    world.profile(&keys("NEW"));
    gateway.wait_for_readiness("ready\n").await;
    gateway.caller("acme").create_one().await.unwrap();
    assert_eq!(aws.creates()[0].key_id(), "NEW");
}

/// AWS rejects a signature that is five minutes older or newer than its clock.
#[tokio::test]
async fn a_wrong_clock_is_corrected() {
    const AHEAD: Duration = Duration::from_mins(10);
    let world = World::new();
    let aws = Aws::with_clock(AHEAD, |seen| {
        let now = SystemTime::now() + AHEAD;
        let signed = seen.headers["x-amz-date"].to_str().unwrap()[9..13].to_owned();
        let accepted = (0..3).any(|ago| minute_of(now - Duration::from_mins(ago)) == signed);
        if accepted {
            return None;
        }
        let words = json!({ "message": "Signature expired" });
        Some(Answer::error(403, "InvalidSignatureException", &words))
    });
    let aws = aws.await;
    let gateway = world.before(&aws, &[]).await;
    let acme = gateway.caller("acme");
    // The first call that AWS rejects corrects the clock.
    let _ = acme.create_one().await;
    acme.create_one().await.unwrap();
    let message = "AWS's clock is ahead of that of this machine by these seconds: signatures use AWS's time; correct the clock";
    let seconds = gateway.log(message).await["seconds"].as_i64().unwrap();
    assert!((590..=610).contains(&seconds), "{seconds}");
}

/// Returns the hour and the minute, as `hhmm`.
fn minute_of(at: SystemTime) -> String {
    let date = httpdate::fmt_http_date(at);
    date.split(' ').nth(4).unwrap()[..5].replace(':', "")
}
