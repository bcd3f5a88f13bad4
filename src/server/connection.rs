//! One connection, from its handshake to its last response.

use std::{
    convert::Infallible,
    error::Error,
    hash::{BuildHasher, RandomState},
    io,
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::{body::Incoming, server::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::CertificateDer;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::Semaphore,
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::{ServiceExt, util::Oneshot};

use super::{limits::Limits, preface, repeats::Repeats, tls::ServerTls};

/// Flow-control window of a request: the default of HTTP/2. Messages have a few kilobytes.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024 - 1;
/// Flow-control window of a connection. It bounds the memory that a peer can use.
const CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;
/// Maximum number of response bytes of a request that wait for a slow peer.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// The peer of a connection, as an extension of every request.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The address of the peer.
    pub addr: SocketAddr,
    /// The verified certificates, the peer's own first; absent without client certificates.
    pub certificates: Option<Arc<[CertificateDer<'static>]>>,
}

/// An infallible tower service of HTTP requests. Implemented for all such services, so
/// that the bounds are written once.
pub trait HttpService:
    tower::Service<
        Request<Incoming>,
        Response = Response<Self::ResponseBody>,
        Error = Infallible,
        Future: Send + 'static,
    > + Clone
    + Send
    + 'static
{
    /// The body of a response.
    type ResponseBody: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>
        + Send
        + 'static;
}

impl<S, B> HttpService for S
where
    S: tower::Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    type ResponseBody = B;
}

/// The state that all connections of a listener share.
pub(super) struct Terms {
    pub(super) limits: Limits,
    tls: Option<Arc<ServerTls>>,
    handshakes: Semaphore,
    pub(super) failed_handshakes: Repeats,
    http2: http2::Builder<TokioExecutor>,
}

impl Terms {
    pub(super) fn new(limits: Limits, tls: Option<Arc<ServerTls>>) -> Self {
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        // The limits on resets (CVE-2023-44487, RUSTSEC-2024-0003) stay at hyper's defaults.
        http2
            .timer(TokioTimer::new())
            .keep_alive_interval(limits.keepalive_interval)
            .keep_alive_timeout(limits.keepalive_timeout)
            .max_concurrent_streams(limits.max_concurrent_streams)
            .max_header_list_size(limits.max_metadata_bytes)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_send_buf_size(SEND_BUFFER_BYTES)
            // gRPC does not use it.
            .auto_date_header(false);
        let handshakes = limits.max_handshakes.get().min(Semaphore::MAX_PERMITS);
        Self {
            handshakes: Semaphore::new(handshakes),
            failed_handshakes: Repeats::default(),
            limits,
            tls,
            http2,
        }
    }
}

/// A connection that did not end with a GOAWAY or a close by the peer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectionError {
    #[error("the TLS handshake failed: {0}")]
    Tls(io::Error),
    #[error("the handshake failed: {0}")]
    Handshake(#[from] io::Error),
    #[error("the handshake took too long")]
    HandshakeTimeout,
    #[error("HTTP/2 failed: {0}")]
    Http2(#[from] hyper::Error),
    #[error("requests were still running at the end of the drain of an old connection")]
    OutstayedAge,
}

/// Serves a connection until the peer closes it, or until its age is reached or `draining`
/// fires and its last request is finished.
pub(super) async fn serve<S: HttpService>(
    stream: TcpStream,
    addr: SocketAddr,
    terms: &Terms,
    service: S,
    draining: &CancellationToken,
) -> Result<(), ConnectionError> {
    let deadline = Instant::now() + terms.limits.handshake_timeout;
    let Some(tls) = &terms.tls else {
        let preface = async { Ok(preface::read(stream).await?) };
        let Some(io) = shake_hands(preface, deadline, terms, draining).await? else {
            return Ok(());
        };
        let service = PeerService { service, peer: Peer { addr, certificates: None } };
        return serve_http2(io, terms, service, draining).await;
    };
    let handshake = async {
        let accept = TlsAcceptor::from(tls.current()).accept(stream);
        let stream = accept.await.map_err(ConnectionError::Tls)?;
        let certificates = stream.get_ref().1.peer_certificates().map(Arc::from);
        Ok((preface::read(stream).await?, certificates))
    };
    let Some((io, certificates)) = shake_hands(handshake, deadline, terms, draining).await? else {
        return Ok(());
    };
    let service = PeerService { service, peer: Peer { addr, certificates } };
    serve_http2(io, terms, service, draining).await
}

/// Runs a handshake within the limit of concurrent handshakes. The deadline includes the
/// wait for a permit. Returns `None` if the server drains.
async fn shake_hands<T>(
    handshake: impl Future<Output = Result<T, ConnectionError>>,
    deadline: Instant,
    terms: &Terms,
    draining: &CancellationToken,
) -> Result<Option<T>, ConnectionError> {
    let permitted = async {
        let _permit = terms.handshakes.acquire().await;
        handshake.await
    };
    tokio::select! {
        biased;
        () = draining.cancelled() => Ok(None),
        shaken = timeout_at(deadline, permitted) => match shaken {
            Ok(outcome) => outcome.map(Some),
            Err(_) => Err(ConnectionError::HandshakeTimeout),
        },
    }
}

async fn serve_http2<T, S>(
    io: T,
    terms: &Terms,
    service: PeerService<S>,
    draining: &CancellationToken,
) -> Result<(), ConnectionError>
where
    T: AsyncRead + AsyncWrite + Unpin,
    S: HttpService,
{
    let mut connection = pin!(terms.http2.serve_connection(TokioIo::new(io), service));
    tokio::select! {
        biased;
        outcome = connection.as_mut() => return Ok(outcome?),
        () = draining.cancelled() => {
            connection.as_mut().graceful_shutdown();
            // The worker bounds this wait, and counts the connections that it cuts.
            return Ok(connection.await?);
        }
        () = reach_age(terms.limits.max_connection_age) => {}
    }
    connection.as_mut().graceful_shutdown();
    match tokio::time::timeout(terms.limits.drain_timeout, connection).await {
        Ok(outcome) => Ok(outcome?),
        Err(_) => Err(ConnectionError::OutstayedAge),
    }
}

async fn reach_age(max_age: Option<Duration>) {
    match max_age {
        Some(age) => tokio::time::sleep(jittered(age)).await,
        None => std::future::pending().await,
    }
}

/// Returns the age, up to a tenth shorter or longer, so that connections that were opened
/// together do not end together. The random keys of std's hasher are sufficient for it.
#[expect(clippy::disallowed_methods, reason = "a connection has a real socket: no run repeats it")]
fn jittered(age: Duration) -> Duration {
    let [.., high, low] = RandomState::new().hash_one(()).to_le_bytes();
    let share = f64::from(u16::from_le_bytes([high, low])) / f64::from(u16::MAX);
    age.mul_f64(0.9 + 0.2 * share)
}

/// Adds the peer to each request.
struct PeerService<S> {
    service: S,
    peer: Peer,
}

impl<S: HttpService> hyper::service::Service<Request<Incoming>> for PeerService<S> {
    type Response = Response<S::ResponseBody>;
    type Error = Infallible;
    type Future = Oneshot<S, Request<Incoming>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.peer.clone());
        self.service.clone().oneshot(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_differ_by_up_to_a_tenth() {
        let age = Duration::from_secs(1000);
        let mut ages: Vec<_> = (0..32).map(|_| jittered(age)).collect();
        assert!(ages.iter().all(|age| (900..=1100).contains(&age.as_secs())), "{ages:?}");
        ages.dedup();
        assert!(ages.len() > 1, "every age is equal");
    }
}
