use std::{collections::BTreeMap, convert::Infallible, num::NonZeroUsize, sync::Mutex};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use hyper::{
    body::Incoming,
    client::conn::http2::{SendRequest, handshake},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    sync::{Notify, mpsc},
    task::JoinHandle,
};

use std::time::Duration;

use super::*;
use crate::server::Peer;

mod tls;

type Client = SendRequest<Empty<Bytes>>;
type TestResult<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

struct Running {
    address: SocketAddr,
    shutdown: CancellationToken,
    served: JoinHandle<io::Result<Drained>>,
}

impl Running {
    fn start<F, Fut, S>(limits: Limits, tls: Option<Arc<ServerTls>>, factory: F) -> Self
    where
        F: Fn(WorkerContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = S> + 'static,
        S: HttpService,
    {
        let listener = Listener::bind(([127, 0, 0, 1], 0).into(), tls, limits).unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let served = tokio::spawn(listener.serve(factory, shutdown.clone()));
        Self { address, shutdown, served }
    }

    async fn client(&self) -> Client {
        client(TcpStream::connect(self.address).await.unwrap()).await.unwrap().0
    }

    async fn stop(self) -> Drained {
        self.shutdown.cancel();
        self.served.await.unwrap().unwrap()
    }
}

fn limits(workers: usize) -> Limits {
    Limits { workers: NonZeroUsize::new(workers).unwrap(), ..Limits::default() }
}

/// Returns a client, and the task that ends with its connection.
async fn client<T>(io: T) -> TestResult<(Client, JoinHandle<hyper::Result<()>>)>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (client, connection) = handshake(TokioExecutor::new(), TokioIo::new(io)).await?;
    Ok((client, tokio::spawn(connection)))
}

async fn get(client: &mut Client, path: &str) -> TestResult<String> {
    client.ready().await?;
    let request = Request::get(format!("http://localhost{path}")).body(Empty::new())?;
    let response = client.send_request(request).await?;
    Ok(String::from_utf8(response.into_body().collect().await?.to_bytes().to_vec())?)
}

/// Responds with the name of the thread and the certificates of the peer.
async fn describe(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    assert_ne!(request.uri().path(), "/panic", "requested by the test");
    let peer = request.extensions().get::<Peer>().unwrap();
    let certificates = peer.certificates.as_ref().map_or(0, |chain| chain.len());
    let thread = std::thread::current().name().unwrap().to_owned();
    let text = format!("{thread} {} {certificates}", peer.addr);
    Ok(Response::new(Full::new(text.into())))
}

fn describing(limits: Limits, tls: Option<Arc<ServerTls>>) -> Running {
    Running::start(limits, tls, |_| async { tower::service_fn(describe) })
}

/// Discards the bytes that the server sends, until it closes the connection.
async fn ends(stream: &mut TcpStream) {
    let mut buffer = [0; 256];
    while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
}

#[tokio::test]
async fn connections_spread_evenly_over_the_workers() {
    let server = describing(limits(3), None);
    let mut clients = Vec::new();
    let mut counts = BTreeMap::new();
    for _ in 0..6 {
        let stream = TcpStream::connect(server.address).await.unwrap();
        let from = stream.local_addr().unwrap();
        let (mut client, _) = client(stream).await.unwrap();
        let answer = get(&mut client, "/").await.unwrap();
        let (worker, peer) = answer.split_once(' ').unwrap();
        assert_eq!(peer, format!("{from} 0"));
        *counts.entry(worker.to_owned()).or_insert(0) += 1;
        clients.push(client);
    }
    let expected = ["worker-0", "worker-1", "worker-2"].map(|name| (name.to_owned(), 2));
    assert_eq!(counts, BTreeMap::from(expected));
    assert_eq!(server.stop().await, Drained::default());
}

#[tokio::test]
async fn a_connection_above_the_limit_is_closed_until_another_one_ends() {
    let server = describing(Limits { max_connections: 1, ..limits(2) }, None);
    let mut first = server.client().await;
    get(&mut first, "/").await.unwrap();
    ends(&mut TcpStream::connect(server.address).await.unwrap()).await;
    get(&mut first, "/").await.unwrap();

    drop(first);
    loop {
        let stream = TcpStream::connect(server.address).await.unwrap();
        if let Ok((mut next, _)) = client(stream).await
            && get(&mut next, "/").await.is_ok()
        {
            break;
        }
    }
}

#[tokio::test]
async fn a_panic_ends_its_own_request_only() {
    let server = describing(limits(1), None);
    let mut client = server.client().await;
    assert!(get(&mut client, "/panic").await.is_err());
    assert!(get(&mut client, "/").await.is_ok());
    assert!(get(&mut server.client().await, "/").await.is_ok());
}

#[tokio::test]
async fn too_much_metadata_is_rejected() {
    let server = describing(Limits { max_metadata_bytes: 1024, ..limits(1) }, None);
    let mut client = server.client().await;
    let request = Request::get("http://localhost/").header("x-long", "x".repeat(2000));
    let response = client.send_request(request.body(Empty::new()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    assert!(get(&mut client, "/").await.is_ok());
}

#[tokio::test]
async fn a_connection_at_its_maximum_age_is_closed_without_an_error() {
    let age = Some(Duration::from_millis(20));
    let server = describing(Limits { max_connection_age: age, ..limits(1) }, None);
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (_client, ended) = client(stream).await.unwrap();
    ended.await.unwrap().unwrap();
}

/// A service whose requests report their start, and wait for a notification to finish.
fn waiting(limits: Limits) -> (Running, mpsc::UnboundedReceiver<WorkerContext>, Arc<Notify>) {
    let (began, requests) = mpsc::unbounded_channel();
    let go = Arc::new(Notify::new());
    let held = Arc::clone(&go);
    let server = Running::start(limits, None, move |context: WorkerContext| {
        let (began, go) = (began.clone(), Arc::clone(&held));
        async move {
            tower::service_fn(move |_: Request<Incoming>| {
                let (began, go, context) = (began.clone(), Arc::clone(&go), context.clone());
                async move {
                    began.send(context).unwrap();
                    go.notified().await;
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("done"))))
                }
            })
        }
    });
    (server, requests, go)
}

#[tokio::test]
async fn a_drain_rejects_new_connections_and_finishes_running_requests() {
    let (server, mut requests, go) = waiting(limits(2));
    let mut client = server.client().await;
    let answer = tokio::spawn(async move { get(&mut client, "/").await });
    let context = requests.recv().await.unwrap();
    // The drain also waits for a task that outlives its request.
    let finish = Arc::new(Notify::new());
    let (finishing, finished) = (Arc::clone(&finish), Arc::new(Mutex::new(false)));
    let flag = Arc::clone(&finished);
    let task = async move {
        finishing.notified().await;
        *flag.lock().unwrap() = true;
    };
    context.tasks.spawn_on(task, &tokio::runtime::Handle::current());

    server.shutdown.cancel();
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!server.served.is_finished());
    go.notify_one();
    assert_eq!(answer.await.unwrap().unwrap(), "done");
    assert!(!server.served.is_finished());
    finish.notify_one();
    assert_eq!(server.stop().await, Drained::default());
    assert!(*finished.lock().unwrap());
}

#[tokio::test]
async fn a_drain_cuts_and_counts_the_work_that_outlasts_it() {
    let drain_timeout = Duration::from_millis(50);
    let (server, mut requests, _go) = waiting(Limits { drain_timeout, ..limits(2) });
    let mut client = server.client().await;
    let answer = tokio::spawn(async move { get(&mut client, "/").await });
    let context = requests.recv().await.unwrap();
    context.tasks.spawn_on(std::future::pending::<()>(), &tokio::runtime::Handle::current());
    assert_eq!(server.stop().await, Drained { connections_cut: 1, tasks_cut: 1 });
    assert!(answer.await.unwrap().is_err());
}

#[tokio::test]
async fn a_worker_that_cannot_build_its_service_ends_the_server() {
    let server = Running::start(limits(2), None, |_| async move {
        assert_ne!(std::thread::current().name(), Some("worker-1"), "requested by the test");
        tower::service_fn(describe)
    });
    let error = server.served.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "worker-1 ended by a panic");
}

#[tokio::test]
async fn tonic_routes_can_be_served() {
    let server =
        Running::start(limits(1), None, |_| async { tonic::service::Routes::default().prepare() });
    let mut client = server.client().await;
    let request = Request::post("http://localhost/ivs.ingest.v1.None/None");
    let response = client.send_request(request.body(Empty::new()).unwrap()).await.unwrap();
    assert_eq!(response.headers()["grpc-status"], "12", "UNIMPLEMENTED");
}
