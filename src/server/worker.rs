//! A worker: a thread, a current-thread runtime, a service, and its connections.
//!
//! A request that stays on one thread costs about a quarter less than on the multi-thread
//! runtime, and shares no AWS connections or timers with other threads.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::{
    runtime,
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::connection::{self, ConnectionError, HttpService, Terms};

/// The parts from which a worker builds its service.
#[derive(Debug, Clone)]
pub struct WorkerContext {
    /// Tasks that outlive their requests: mutations whose callers disconnected. The worker
    /// waits for them in a drain, up to the time limit.
    pub tasks: TaskTracker,
}

/// The work that a drain cut at its time limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Drained {
    /// Connections with a running request, or with an unresponsive peer.
    pub connections_cut: usize,
    /// Tasks of [`WorkerContext::tasks`].
    pub tasks_cut: usize,
}

impl std::ops::Add for Drained {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            connections_cut: self.connections_cut + other.connections_cut,
            tasks_cut: self.tasks_cut + other.tasks_cut,
        }
    }
}

/// The handle of a worker in the accept loop.
pub(super) struct Worker {
    index: usize,
    connections: mpsc::UnboundedSender<Handover>,
    open: Arc<AtomicUsize>,
    ready: oneshot::Receiver<io::Result<()>>,
    drained: oneshot::Receiver<Drained>,
}

struct Handover {
    stream: TcpStream,
    addr: SocketAddr,
    open: OpenConnection,
}

/// Counts a connection of a worker until it is dropped.
struct OpenConnection(Arc<AtomicUsize>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Worker {
    /// Starts the thread, which builds its service with `factory`.
    pub(super) fn start<F, Fut, S>(
        index: usize,
        terms: Arc<Terms>,
        factory: Arc<F>,
    ) -> io::Result<Self>
    where
        F: Fn(WorkerContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = S>,
        S: HttpService,
    {
        // Unbounded, but each entry is an open connection, and `max_connections` bounds those.
        let (connections, handovers) = mpsc::unbounded_channel();
        let (ready_tx, ready) = oneshot::channel();
        let (drained_tx, drained) = oneshot::channel();
        thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
            let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => {
                    let _ = ready_tx.send(Err(error));
                    return;
                }
            };
            let drained = runtime.block_on(async {
                let tasks = TaskTracker::new();
                let service = factory(WorkerContext { tasks: tasks.clone() }).await;
                let _ = ready_tx.send(Ok(()));
                run(handovers, terms, service, tasks).await
            });
            // Drops the cut work without waiting for blocking calls, such as a DNS lookup.
            runtime.shutdown_background();
            let _ = drained_tx.send(drained);
        })?;
        Ok(Self { index, connections, open: Arc::default(), ready, drained })
    }

    /// Waits until the service is built.
    pub(super) async fn ready(&mut self) -> io::Result<()> {
        (&mut self.ready).await.unwrap_or_else(|_| Err(self.died()))
    }

    /// The number of open connections of this worker.
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    pub(super) fn hand_over(&self, stream: TcpStream, addr: SocketAddr) -> io::Result<()> {
        self.open.fetch_add(1, Ordering::Relaxed);
        let open = OpenConnection(Arc::clone(&self.open));
        self.connections.send(Handover { stream, addr, open }).map_err(|_| self.died())
    }

    /// Starts the drain of the worker. The future waits for its end.
    pub(super) fn drain(self) -> impl Future<Output = io::Result<Drained>> {
        let died = self.died();
        let Self { connections, drained, .. } = self;
        drop(connections);
        async move { drained.await.map_err(|_| died) }
    }

    fn died(&self) -> io::Error {
        io::Error::other(format!("worker-{} ended by a panic", self.index))
    }
}

/// Logs a failed connection. Any peer can cause one, so most are logged at `debug`. A failed
/// TLS handshake is logged at `info`, because it shows a wrong certificate. A peer that
/// opens and closes a connection without a byte is a health check.
fn log_failure(error: &ConnectionError, peer: SocketAddr, terms: &Terms) {
    match error {
        ConnectionError::Tls(cause) if cause.kind() != io::ErrorKind::UnexpectedEof => {
            if let Some(failed) = terms.failed_handshakes.record() {
                tracing::info!(%peer, %error, failed, "TLS handshakes failed");
            }
        }
        _ => tracing::debug!(%peer, %error, "connection failed"),
    }
}

/// Serves connections until the channel of the accept loop closes, then drains.
async fn run<S: HttpService>(
    mut handovers: mpsc::UnboundedReceiver<Handover>,
    terms: Arc<Terms>,
    service: S,
    tasks: TaskTracker,
) -> Drained {
    let draining = CancellationToken::new();
    let drain_timeout: Duration = terms.limits.drain_timeout;
    let connections = TaskTracker::new();
    while let Some(Handover { stream, addr, open }) = handovers.recv().await {
        let (terms, service, draining) = (Arc::clone(&terms), service.clone(), draining.clone());
        connections.spawn(async move {
            let _open = open;
            let served = match tokio::net::TcpStream::from_std(stream) {
                Ok(stream) => connection::serve(stream, addr, &terms, service, &draining).await,
                Err(error) => Err(error.into()),
            };
            if let Err(error) = served {
                log_failure(&error, addr, &terms);
            }
        });
    }

    let deadline = Instant::now() + drain_timeout;
    draining.cancel();
    connections.close();
    // After the connections, because running requests may start tasks.
    let _ = timeout_at(deadline, connections.wait()).await;
    tasks.close();
    let _ = timeout_at(deadline, tasks.wait()).await;
    Drained { connections_cut: connections.len(), tasks_cut: tasks.len() }
}
