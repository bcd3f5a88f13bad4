//! The accept loop and its workers.

use std::{io, net::SocketAddr, sync::Arc};

use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::{
    accept::Acceptor,
    connection::{HttpService, Terms},
    limits::Limits,
    repeats::Repeats,
    tls::ServerTls,
    worker::{Drained, Worker, WorkerContext},
};

/// A bound socket, ready to serve.
#[derive(Debug)]
pub struct Listener {
    acceptor: Acceptor,
    tls: Option<Arc<ServerTls>>,
    limits: Limits,
}

impl Listener {
    /// Binds and listens. With port 0 the system chooses a port. Without `tls`: plaintext.
    ///
    /// # Errors
    /// An error of the operating system, with the address in the message.
    ///
    /// # Panics
    /// Outside a tokio runtime. The listener belongs to the runtime that it was bound on.
    pub fn bind(
        listen: SocketAddr,
        tls: Option<Arc<ServerTls>>,
        limits: Limits,
    ) -> io::Result<Self> {
        Ok(Self { acceptor: Acceptor::bind(listen)?, tls, limits })
    }

    /// The bound address, with the port that the system chose.
    ///
    /// # Errors
    /// An error of the operating system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.acceptor.local_addr()
    }

    /// Builds a service on the runtime of each worker, and serves until `shutdown` fires. Then
    /// closes the socket and drains. Dropping the future also drains, in the background.
    ///
    /// # Errors
    /// A thread or a runtime cannot be started, or a worker panicked outside its connections.
    pub async fn serve<F, Fut, S>(
        mut self,
        factory: F,
        shutdown: CancellationToken,
    ) -> io::Result<Drained>
    where
        F: Fn(WorkerContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = S>,
        S: HttpService,
    {
        let max_connections = self.limits.max_connections;
        let count = self.limits.workers.get();
        let terms = Arc::new(Terms::new(self.limits, self.tls));
        let factory = Arc::new(factory);
        let mut workers = (0..count)
            .map(|index| Worker::start(index, Arc::clone(&terms), Arc::clone(&factory)))
            .collect::<io::Result<Vec<_>>>()?;
        for worker in &mut workers {
            worker.ready().await?;
        }

        let served = tokio::select! {
            biased;
            () = shutdown.cancelled() => Ok(()),
            Err(error) = accept_all(&mut self.acceptor, &workers, max_connections) => Err(error),
        };
        // The socket closes first, so that new connections go to another replica immediately.
        drop(self.acceptor);
        // All workers are notified before the first is awaited.
        let draining: Vec<_> = workers.into_iter().map(Worker::drain).collect();
        let mut outcome = served.map(|()| Drained::default());
        for worker in draining {
            let drained = worker.await;
            outcome = outcome.and_then(|sum| Ok(sum + drained?));
        }
        outcome
    }
}

/// Assigns each connection to the worker with the fewest. Returns only if a worker ended.
async fn accept_all(
    acceptor: &mut Acceptor,
    workers: &[Worker],
    max_connections: usize,
) -> io::Result<std::convert::Infallible> {
    let refusals = Repeats::default();
    loop {
        let (stream, addr) = acceptor.accept().await;
        if workers.iter().map(Worker::open).sum::<usize>() >= max_connections {
            if let Some(rejected) = refusals.record() {
                tracing::warn!(
                    peer = %addr,
                    rejected,
                    max_connections,
                    "rejected connections: too many are open"
                );
            }
            continue;
        }
        let Some(worker) = workers.iter().min_by_key(|worker| worker.open()) else {
            return Err(io::Error::other("there are no workers"));
        };
        match leave_runtime(stream) {
            Ok(stream) => worker.hand_over(stream, addr)?,
            Err(error) => tracing::debug!(peer = %addr, %error, "connection lost at accept"),
        }
    }
}

/// Removes the connection from this runtime, so that the runtime of its worker can own it.
fn leave_runtime(stream: TcpStream) -> io::Result<std::net::TcpStream> {
    // A response is one small write, so Nagle's algorithm would only delay it.
    stream.set_nodelay(true)?;
    stream.into_std()
}

#[cfg(test)]
mod tests;
