//! A stub of AWS. It responds to creates and `GetStage`, and neither checks nor stores
//! anything, so its lists are empty.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Collected, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::{Failure, gateway::REGION};

/// Counter that makes ARNs unique, because the ledger accepts each ARN once.
static CREATED: AtomicU64 = AtomicU64::new(0);

pub(crate) fn serve(listen: SocketAddr) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(listen).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let service = service_fn(respond);
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    })
}

async fn respond(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await;
    let body = body.map(Collected::to_bytes).unwrap_or_default();
    let body = std::str::from_utf8(&body).unwrap_or_default();
    let json = match path.as_str() {
        "/CreateIngestConfiguration" => created(body),
        "/GetStage" => stage(body),
        // An empty list agrees with a new ledger.
        _ => r#"{"ingestConfigurations":[]}"#.to_owned(),
    };
    let response = Response::builder()
        .header("content-type", "application/json")
        .header("x-amzn-requestid", "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0")
        .body(Full::from(json));
    Ok(response.unwrap_or_default())
}

/// Copies the fields of the request that the response repeats: its stage and its tags.
fn created(body: &str) -> String {
    let number = CREATED.fetch_add(1, Ordering::Relaxed);
    let stage_arn = between(body, r#""stageArn":""#, '"');
    let tags = between(body, r#""tags":{"#, '}');
    format!(
        r#"{{"ingestConfiguration":{{"name":"studio-a","arn":"arn:aws:ivs:{REGION}:123456789012:ingest-configuration/C{number:011}","ingestProtocol":"RTMPS","streamKey":"rt_123456789012_{REGION}_Abcdefghijkl_0123456789abcdef0123456789abcdef","stageArn":"{stage_arn}","participantId":"Abcdefghijkl","state":"INACTIVE","userId":"camera-1","redundantIngest":false,"attributes":{{"room":"studio-a"}},"tags":{{{tags}}}}}}}"#
    )
}

/// Returns a stage whose owner is its own name.
fn stage(body: &str) -> String {
    let arn = between(body, r#""arn":""#, '"');
    let owner = arn.rsplit('/').next().unwrap_or_default();
    format!(
        r#"{{"stage":{{"arn":"{arn}","name":"studio","tags":{{"tenant":"{owner}"}},"endpoints":{{"rtmp":"rtmp://{owner}.example/app/","rtmps":"rtmps://{owner}.example:443/app/"}}}}}}"#
    )
}

fn between<'a>(text: &'a str, start: &str, end: char) -> &'a str {
    let after = text.split_once(start).map_or("", |(_, after)| after);
    after.split(end).next().unwrap_or_default()
}
