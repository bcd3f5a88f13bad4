//! The emulator as the SDK's HTTP client, without a socket, with a trace of its calls.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
    },
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::{HeaderValue, Request, header::HOST};
use http_body_util::{BodyExt, Full};
use ivs_realtime_emulator::{
    Clock, ConfigurationSnapshot, Emulator, Fault, Ids, Settings, Snapshot,
};
use serde_json::Value;
use tokio::time::Instant;

/// The events of a run, each with its virtual time. Clones write to one trace.
#[derive(Clone)]
pub(crate) struct Trace {
    began: Instant,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Trace {
    pub(crate) fn begin() -> Self {
        Self { began: Instant::now(), lines: Arc::default() }
    }

    pub(crate) fn add(&self, event: fmt::Arguments<'_>) {
        let line = format!("{:?}: {event}", self.began.elapsed());
        self.lines.lock().unwrap().push(line);
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.lines.lock().unwrap())
    }
}

/// An emulated AWS account.
#[derive(Clone)]
pub(crate) struct Aws {
    emulator: Emulator,
    trace: Trace,
}

impl Aws {
    pub(crate) fn new(clock: Clock, seed: u64, trace: Trace) -> Self {
        let settings = Settings { clock, seed, ids: Ids::seeded(seed), ..Settings::for_tests() };
        Self { emulator: Emulator::new(settings), trace }
    }

    pub(crate) async fn add_fault(&self, fault: &Fault) {
        let fault = serde_json::to_vec(fault).unwrap();
        let request = Request::post("/_emulator/faults").body(Full::from(fault)).unwrap();
        assert!(self.emulator.respond(request).await.unwrap().status().is_success());
    }

    pub(crate) async fn configurations(&self) -> Vec<ConfigurationSnapshot> {
        let request = Request::get("/_emulator/state").body(Full::<Bytes>::default()).unwrap();
        let response = self.emulator.respond(request).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice::<Snapshot>(&body).unwrap().ingest_configurations
    }

    /// Responds to a call of the SDK, and traces both.
    async fn respond(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let mut request = request.try_into_http1x().unwrap();
        // A client that writes to a socket adds this header, which is signed.
        let authority = request.uri().authority().unwrap().as_str();
        let host = HeaderValue::from_str(authority).unwrap();
        request.headers_mut().insert(HOST, host);
        let sent = sorted(request.body().bytes().unwrap_or_default());
        self.trace.add(format_args!("{} {} {sent}", request.method(), request.uri().path()));
        let response = self.emulator.respond(request).await.map_err(|error| {
            self.trace.add(format_args!("{error}"));
            ConnectorError::io(error.into())
        })?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let request_id = &head.headers["x-amzn-requestid"];
        self.trace.add(format_args!("{} {request_id:?} {}", head.status, sorted(&body)));
        Ok(http::Response::from_parts(head, SdkBody::from(body)).try_into().unwrap())
    }
}

/// The JSON text with sorted keys. The SDK writes maps in the random order of a
/// hash map, which would make traces differ.
fn sorted(body: &[u8]) -> String {
    serde_json::from_slice::<Value>(body).map_or_else(|_| String::new(), |json| json.to_string())
}

impl fmt::Debug for Aws {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Aws")
    }
}

impl HttpConnector for Aws {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().respond(request))
    }
}

impl HttpClient for Aws {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
