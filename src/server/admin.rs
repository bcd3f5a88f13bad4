//! `/livez`, `/readyz` and `/metrics`, in plain HTTP/1 on a listener of their own:
//! probes must be answered when the gRPC listener is full, and the gRPC port must
//! not show metrics. The gRPC API is never served here.

use std::{borrow::Cow, convert::Infallible, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE},
};
use http_body_util::Full;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, sync::watch, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use super::accept::Acceptor;

/// Probes and scrapes in progress at once; more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 64;
/// One connection carries one request, and takes no longer than this.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// The Prometheus text exposition format.
const PROMETHEUS: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Whether requests should be sent here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// Yes.
    Ready,
    /// No, and why: a word or a sentence for the person who looks.
    NotReady(Cow<'static, str>),
}

/// Renders the metrics, in the Prometheus text format.
pub type MetricsSource = Arc<dyn Fn() -> String + Send + Sync>;

/// What the admin endpoints show.
#[derive(Clone)]
pub struct Admin {
    /// For `/readyz`.
    pub readiness: watch::Receiver<Readiness>,
    /// For `/metrics`, which is 404 without it.
    pub metrics: Option<MetricsSource>,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("readiness", &self.readiness).finish_non_exhaustive()
    }
}

impl Admin {
    /// Answers until `shutdown` fires. It is the last thing to stop: a draining
    /// server is alive, and not ready.
    pub async fn serve(self, mut acceptor: Acceptor, shutdown: CancellationToken) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                Some(_) = connections.join_next() => {}
                (stream, _) = acceptor.accept(), if connections.len() < MAX_CONNECTIONS => {
                    connections.spawn(answer_one(self.clone(), stream));
                }
            }
        }
    }

    fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        let known =
            matches!(path, "/livez" | "/readyz") || (path == "/metrics" && self.metrics.is_some());
        if !known {
            return text(StatusCode::NOT_FOUND, "not found\n");
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match (path, &self.metrics) {
            ("/metrics", Some(metrics)) => {
                let mut response = text(StatusCode::OK, metrics());
                response.headers_mut().insert(CONTENT_TYPE, PROMETHEUS);
                response
            }
            ("/readyz", _) => match &*self.readiness.borrow() {
                Readiness::Ready => text(StatusCode::OK, "ready\n"),
                Readiness::NotReady(why) => {
                    text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n"))
                }
            },
            _ => text(StatusCode::OK, "alive\n"),
        }
    }
}

async fn answer_one(admin: Admin, stream: TcpStream) {
    let service = service_fn(|request| {
        let response = admin.answer(&request);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection =
        http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service);
    let _ = timeout(CONNECTION_TIMEOUT, connection).await;
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, TEXT);
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn ask(address: std::net::SocketAddr, request_line: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(format!("{request_line} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn probes_metrics_and_nothing_else() {
        let acceptor = Acceptor::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = acceptor.local_addr().unwrap();
        let (ready, readiness) = watch::channel(Readiness::NotReady("starting".into()));
        let metrics: MetricsSource = Arc::new(|| "up 1\n".to_owned());
        let shutdown = CancellationToken::new();
        let admin = Admin { readiness, metrics: Some(metrics) };
        let serving = tokio::spawn(admin.serve(acceptor, shutdown.clone()));

        for (request, status, ending) in [
            ("GET /livez", 200, "alive\n"),
            ("GET /readyz", 503, "not ready: starting\n"),
            ("GET /metrics", 200, "up 1\n"),
            ("HEAD /livez", 200, "\r\n\r\n"),
            ("POST /livez", 405, "only GET and HEAD\n"),
            ("GET /", 404, "not found\n"),
            ("POST /ivs.ingest.v1.IngestService/GetQuota", 404, "not found\n"),
        ] {
            let answer = ask(address, request).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
            assert!(answer.ends_with(ending), "{request}: {answer}");
        }

        ready.send(Readiness::Ready).unwrap();
        assert!(ask(address, "GET /readyz").await.starts_with("HTTP/1.1 200 "));

        shutdown.cancel();
        serving.await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[test]
    fn metrics_are_absent_without_a_source() {
        let (_ready, readiness) = watch::channel(Readiness::Ready);
        let admin = Admin { readiness, metrics: None };
        let request = Request::get("/metrics").body(()).unwrap();
        assert_eq!(admin.answer(&request).status(), StatusCode::NOT_FOUND);
    }
}
