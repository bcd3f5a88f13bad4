//! The accept loop, and the workers it feeds.

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

/// A bound socket that can be served.
#[derive(Debug)]
pub struct Listener {
    acceptor: Acceptor,
    tls: Option<Arc<ServerTls>>,
    limits: Limits,
}

impl Listener {
    /// Binds and listens; port 0 takes a free port. Without `tls`, plain text.
    ///
    /// # Errors
    /// The operating system's, with the address in the message.
    ///
    /// # Panics
    /// When called outside a tokio runtime; it accepts on the one it was bound on.
    pub fn bind(
        listen: SocketAddr,
        tls: Option<Arc<ServerTls>>,
        limits: Limits,
    ) -> io::Result<Self> {
        Ok(Self { acceptor: Acceptor::bind(listen)?, tls, limits })
    }

    /// The address bound, with the port taken where 0 was asked for.
    ///
    /// # Errors
    /// The operating system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.acceptor.local_addr()
    }

    /// Builds a service on each worker's own runtime, serves until `shutdown` fires,
    /// then closes the socket and drains. Dropping the future drains too, unobserved.
    ///
    /// # Errors
    /// A worker's thread or runtime cannot be started, or a worker panicked outside
    /// its connections, whose panics stay their own.
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
        // New connections go to another replica at once, not into a queue nobody reads.
        drop(self.acceptor);
        // All are told before the first is waited for.
        let draining: Vec<_> = workers.into_iter().map(Worker::drain).collect();
        let mut outcome = served.map(|()| Drained::default());
        for worker in draining {
            let drained = worker.await;
            outcome = outcome.and_then(|sum| Ok(sum + drained?));
        }
        outcome
    }
}

/// Hands each connection to the worker with the fewest. Ends only when a worker died.
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

/// Takes the connection off this runtime, so that its worker's can have it.
fn leave_runtime(stream: TcpStream) -> io::Result<std::net::TcpStream> {
    // Answers are small and whole: waiting to fill a segment only adds delay.
    stream.set_nodelay(true)?;
    stream.into_std()
}

#[cfg(test)]
mod tests;
