//! Requests and responses as the network sees them, and as the trace shows them.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use invariants::RequestKey;
use ivs_ingest_gateway::request::MANAGED_TAG_PREFIX;
use ivs_realtime_emulator::Operation;
use serde_json::Value;

pub(super) fn operation(method: &Method, path: &str) -> Option<Operation> {
    if path.starts_with("/tags/") {
        return (*method == Method::GET).then_some(Operation::ListTagsForResource);
    }
    let name = path.trim_start_matches('/');
    Operation::ALL.into_iter().find(|operation| format!("{operation:?}") == name)
}

pub(super) fn error(status: u16, code: &'static str) -> Response<Bytes> {
    let code = match (status, code) {
        (500, "") => "InternalServerException",
        (503, "") => "ServiceUnavailableException",
        (429, "") => "ThrottlingException",
        _ => code,
    };
    let body = Bytes::from_static(br#"{"message":"injected"}"#);
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert("x-amzn-errortype", HeaderValue::from_static(code));
    headers.insert("x-amzn-requestid", HeaderValue::from_static("injected"));
    response
}

pub(super) fn parsed(body: &Bytes) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

/// Returns the text at the path, whose last part may contain `/`.
pub(super) fn text(json: &Value, path: &str) -> String {
    json.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Returns the tenant and the `request_id` of a create.
pub(super) fn created_request(
    operation: Operation,
    request: &Request<Bytes>,
) -> Option<RequestKey> {
    if operation != Operation::CreateIngestConfiguration {
        return None;
    }
    let body = parsed(request.body());
    let tag = |name: &str| text(&body, &format!("/tags/{MANAGED_TAG_PREFIX}{name}"));
    Some((tag("tenant"), tag("request-id")))
}

/// Returns the text of a request in the trace.
pub(super) fn subject(request: &Request<Bytes>) -> String {
    let body = parsed(request.body());
    let tag = |name: &str| text(&body, &format!("/tags/{MANAGED_TAG_PREFIX}{name}"));
    match request.uri().path() {
        "/CreateIngestConfiguration" => {
            format!("{} {} {}", tag("tenant"), tag("request-id"), tag("operation-id"))
        }
        "/ListIngestConfigurations" => body.to_string(),
        path => format!("{}{}", path.strip_prefix("/tags/").unwrap_or(""), text(&body, "/arn")),
    }
}

/// Returns the text of a response in the trace, without stream keys.
pub(super) fn shown(response: &Response<Bytes>) -> String {
    let body = parsed(response.body());
    if let Some(list) = body.get("ingestConfigurations").and_then(Value::as_array) {
        let arns: Vec<_> = list.iter().map(|it| short(&text(it, "/arn"))).collect();
        return arns.join(" ");
    }
    match body.get("ingestConfiguration") {
        Some(configuration) => short(&text(configuration, "/arn")),
        None => text(&body, &format!("/tags/{MANAGED_TAG_PREFIX}operation-id")),
    }
}

/// Returns the id of an ARN.
fn short(arn: &str) -> String {
    arn.rsplit('/').next().unwrap_or_default().to_owned()
}
