//! `/livez`, `/readyz` and `/metrics`, over HTTP/1 on a separate listener. Probes must
//! succeed when the gRPC listener is full, and the gRPC listener must not expose metrics.

use std::{borrow::Cow, convert::Infallible, fmt, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{ACCEPT, ALLOW, CONTENT_TYPE},
};
use http_body_util::Full;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, sync::watch, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use super::accept::Acceptor;

/// Maximum number of concurrent probes and scrapes. Others wait in the backlog.
const MAX_CONNECTIONS: usize = 64;
/// Time limit of a connection, which carries one request.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const PROMETHEUS: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// Whether load balancers should send requests to this gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// Load balancers should send requests.
    Ready,
    /// Load balancers should not send requests, for this reason.
    NotReady(Cow<'static, str>),
}

/// A text format of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricsFormat {
    /// The Prometheus text format, version 0.0.4.
    Text,
    /// OpenMetrics, version 1.0.0.
    OpenMetrics,
}

/// Renders the metrics.
pub type MetricsSource =
    Arc<dyn Fn(MetricsFormat) -> Pin<Box<dyn Future<Output = String> + Send>> + Send + Sync>;

/// The content of the admin endpoints.
#[derive(Clone)]
pub struct Admin {
    /// For `/readyz`.
    pub readiness: watch::Receiver<Readiness>,
    /// For `/metrics`, which is 404 if absent.
    pub metrics: Option<MetricsSource>,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("readiness", &self.readiness).finish_non_exhaustive()
    }
}

impl Admin {
    /// Serves until `shutdown` fires. The admin listener stops last, because a draining
    /// server is alive and not ready.
    pub async fn serve(self, mut acceptor: Acceptor, shutdown: CancellationToken) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                Some(_) = connections.join_next() => {}
                (stream, _) = acceptor.accept(), if connections.len() < MAX_CONNECTIONS => {
                    connections.spawn(serve_one(self.clone(), stream));
                }
            }
        }
    }

    async fn respond<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
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
                let format = metrics_format(request.headers());
                let mut response = text(StatusCode::OK, metrics(format).await);
                let content_type = match format {
                    MetricsFormat::Text => PROMETHEUS,
                    MetricsFormat::OpenMetrics => OPEN_METRICS,
                };
                response.headers_mut().insert(CONTENT_TYPE, content_type);
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

async fn serve_one(admin: Admin, stream: TcpStream) {
    let service = service_fn(async |request| Ok::<_, Infallible>(admin.respond(&request).await));
    let connection =
        http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service);
    let _ = timeout(CONNECTION_TIMEOUT, connection).await;
}

/// Returns the format that the `Accept` headers prefer: OpenMetrics only if they name it with
/// at least the weight of plain text. Prometheus names both.
fn metrics_format(headers: &HeaderMap) -> MetricsFormat {
    let weight = |wanted: &str| {
        let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let ranges = values.flat_map(|value| value.split(','));
        let weights = ranges.filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let is_wanted = parts.next()?.eq_ignore_ascii_case(wanted);
            let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok());
            is_wanted.then_some(weight.unwrap_or(1.0))
        });
        weights.fold(0.0, f32::max)
    };
    let open_metrics = weight("application/openmetrics-text");
    if open_metrics > 0.0 && open_metrics >= weight("text/plain") {
        MetricsFormat::OpenMetrics
    } else {
        MetricsFormat::Text
    }
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
        let metrics: MetricsSource =
            Arc::new(|_| Box::pin(std::future::ready("up 1\n".to_owned())));
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

    #[tokio::test]
    async fn metrics_are_absent_without_a_source() {
        let (_ready, readiness) = watch::channel(Readiness::Ready);
        let admin = Admin { readiness, metrics: None };
        let request = Request::get("/metrics").body(()).unwrap();
        assert_eq!(admin.respond(&request).await.status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn the_format_is_negotiated() {
        let format = |accept: Option<&'static str>| {
            let value = accept.map(HeaderValue::from_static);
            metrics_format(&value.map(|value| (ACCEPT, value)).into_iter().collect())
        };
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.6,\
                          text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
        for accept in [prometheus, "Application/OpenMetrics-Text"] {
            assert_eq!(format(Some(accept)), MetricsFormat::OpenMetrics, "{accept}");
        }
        let refused = "application/openmetrics-text;q=0, */*";
        let less = "application/openmetrics-text;q=0.2, text/plain;q=0.5";
        for accept in [None, Some("*/*"), Some("text/html"), Some(refused), Some(less)] {
            assert_eq!(format(accept), MetricsFormat::Text, "{accept:?}");
        }
    }
}
