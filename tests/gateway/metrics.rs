//! The formats and values of `/metrics`.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Command, Stdio},
};

use crate::support::{World, promtool};

/// Scrapes with that `Accept` header. Returns the headers and the body of the response.
fn scrape(admin: SocketAddr, accept: &str) -> (String, String) {
    let mut stream = TcpStream::connect(admin).unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nhost: admin\r\naccept: {accept}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let (headers, body) = response.split_once("\r\n\r\n").unwrap();
    (headers.to_owned(), body.to_owned())
}

#[tokio::test]
async fn promtool_accepts_the_text_format() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    gateway.caller("acme").create_one().await.unwrap();
    let (headers, body) = scrape(gateway.admin, "*/*");
    assert!(headers.contains("content-type: text/plain; version=0.0.4"), "{headers}");
    assert!(body.contains("# TYPE ivs_ingest_gateway_aws_calls_total counter\n"), "{body}");

    let mut check = Command::new(promtool())
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    check.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
    let checked = check.wait_with_output().unwrap();
    let problems = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(checked.status.success() && problems.is_empty(), "{problems}{body}");
}

#[tokio::test]
async fn a_scrape_that_accepts_openmetrics_gets_it() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    let accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3,*/*;q=0.2";
    let (headers, body) = scrape(gateway.admin, accept);
    assert!(headers.contains("content-type: application/openmetrics-text; version=1.0.0"));
    assert!(body.contains("# TYPE ivs_ingest_gateway_aws_calls counter\n"), "{body}");
    assert!(body.ends_with("# EOF\n"), "{body}");
}

#[tokio::test]
async fn in_doubt_creates_are_counted_at_the_scrape() {
    let world = World::new();
    let gateway = world
        .gateway(&["upstream.attempt_timeout_ms = 200", "upstream.connect_timeout_ms = 100"])
        .await;
    world.emulator.hold_next_create();
    let acme = gateway.caller("acme");
    let call = tokio::spawn(async move { acme.create_one().await });
    world.emulator.wait_for_creates(1).await;
    let is_in_doubt = || {
        let (_, body) = scrape(gateway.admin, "*/*");
        body.contains("\nivs_ingest_gateway_in_doubt_creates 1\n")
    };
    let started = std::time::Instant::now();
    while !is_in_doubt() {
        assert!(started.elapsed() < crate::support::TIMEOUT, "the gauge is still 0");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    world.emulator.release();
    call.abort();
}
