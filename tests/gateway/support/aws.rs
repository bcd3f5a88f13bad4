//! A server in place of AWS, written from AWS's documentation and not from the emulator, and a
//! proxy in front of it.

mod answer;
mod authority;
mod proxy;

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use http::HeaderMap;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

pub(crate) use answer::Answer;
pub(crate) use authority::Authority;
pub(crate) use proxy::RecordingProxy;

use answer::Resources;

/// The first byte of a TLS connection (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;

/// A request that the server has received.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) host: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    pub(crate) is_tls: bool,
}

impl Seen {
    /// Returns the access key id of the signature.
    pub(crate) fn key_id(&self) -> &str {
        let authorization = self.headers["authorization"].to_str().unwrap();
        let (_, credential) = authorization.split_once("Credential=").unwrap();
        credential.split_once('/').unwrap().0
    }
}

/// A server that answers as AWS does, except where a test answers.
pub(crate) struct Aws {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Aws {
    pub(crate) async fn start() -> Self {
        Self::answering(None, Duration::ZERO, |_| None).await
    }

    /// Answers with what `answers` returns; `None` is the usual answer.
    pub(crate) async fn with(
        answers: impl Fn(&Seen) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        Self::answering(None, Duration::ZERO, answers).await
    }

    /// The same with a clock that is ahead of that of this machine.
    pub(crate) async fn with_clock(
        ahead: Duration,
        answers: impl Fn(&Seen) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        Self::answering(None, ahead, answers).await
    }

    /// Serves TLS as well, with a certificate of the authority.
    pub(crate) async fn with_tls(authority: &Authority) -> Self {
        Self::answering(Some(authority.acceptor()), Duration::ZERO, |_| None).await
    }

    async fn answering(
        tls: Option<TlsAcceptor>,
        ahead: Duration,
        answers: impl Fn(&Seen) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let server = Arc::new(Server {
            seen: Arc::clone(&seen),
            resources: Mutex::default(),
            answers: Box::new(answers),
            ahead,
        });
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(Arc::clone(&server).serve(stream, tls.clone()));
            }
        });
        Self { address, seen }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The line of a configuration that makes this server the upstream.
    pub(crate) fn upstream(&self) -> String {
        format!("upstream.endpoint_url = '{}'", self.url())
    }

    /// Returns the requests with that path.
    pub(crate) fn seen(&self, path: &str) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|request| request.path == path).cloned().collect()
    }

    /// Returns the creates.
    pub(crate) fn creates(&self) -> Vec<Seen> {
        self.seen("/CreateIngestConfiguration")
    }
}

type Answers = Box<dyn Fn(&Seen) -> Option<Answer> + Send + Sync>;

struct Server {
    seen: Arc<Mutex<Vec<Seen>>>,
    resources: Mutex<Resources>,
    answers: Answers,
    ahead: Duration,
}

impl Server {
    /// Serves a connection. An error ends it, as at a server.
    async fn serve(self: Arc<Self>, stream: TcpStream, tls: Option<TlsAcceptor>) {
        let mut first = [0];
        let is_tls = stream.peek(&mut first).await.is_ok_and(|_| first[0] == HANDSHAKE);
        let service = service_fn(move |request| Arc::clone(&self).respond(request, is_tls));
        if !is_tls {
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        } else if let Some(tls) = tls
            && let Ok(stream) = tls.accept(stream).await
        {
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        }
    }

    async fn respond(
        self: Arc<Self>,
        request: Request<Incoming>,
        is_tls: bool,
    ) -> Result<Response<Full<bytes::Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes);
        let seen = Seen {
            path: head.uri.path().to_owned(),
            host: head.headers["host"].to_str().unwrap().to_owned(),
            headers: head.headers,
            body: String::from_utf8_lossy(&body.unwrap_or_default()).into_owned(),
            is_tls,
        };
        self.seen.lock().unwrap().push(seen.clone());
        let answer =
            (self.answers)(&seen).unwrap_or_else(|| self.resources.lock().unwrap().answer(&seen));
        let date = httpdate::fmt_http_date(SystemTime::now() + self.ahead);
        Ok(answer.with("date", &date).into_response())
    }
}
