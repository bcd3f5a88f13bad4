//! The emulator on a TCP port.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{emulator::Emulator, settings::Settings};

/// The largest number of concurrent connections. Further ones wait in the backlog.
const MAX_CONNECTIONS: usize = 4096;
/// The longest time that a connection stays open after the shutdown has begun.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);
/// The pause after a failed accept, so that the loop does not spin when the process has no
/// free file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// An emulator that is bound to a port. It responds only while [`Server::serve`] runs.
pub struct Server {
    listener: TcpListener,
    local_addr: SocketAddr,
    emulator: Emulator,
}

impl Server {
    /// Binds `settings.listen`.
    ///
    /// # Errors
    /// The operating system's error if the address cannot be bound.
    pub async fn bind(settings: Settings) -> io::Result<Self> {
        let listener = TcpListener::bind(settings.listen).await?;
        let local_addr = listener.local_addr()?;
        Ok(Self { listener, local_addr, emulator: Emulator::new(settings) })
    }

    /// Returns the address that the server listens on, with the actual port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Returns the emulator that the server serves.
    #[must_use]
    pub fn emulator(&self) -> &Emulator {
        &self.emulator
    }

    /// Serves until `shutdown` is cancelled, and then waits at most 1 s for responses in
    /// progress.
    pub async fn serve(self, shutdown: CancellationToken) {
        let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let connections = TaskTracker::new();
        loop {
            let accepted = async {
                let permit = Arc::clone(&permits).acquire_owned().await;
                (self.listener.accept().await, permit)
            };
            let (accepted, permit) = tokio::select! {
                accepted = accepted => accepted,
                () = shutdown.cancelled() => break,
            };
            let Ok((stream, _)) = accepted else {
                time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let connection = serve_connection(stream, self.emulator.clone(), shutdown.clone());
            connections.spawn(async move {
                connection.await;
                drop(permit);
            });
        }
        connections.close();
        connections.wait().await;
    }
}

async fn serve_connection(stream: TcpStream, emulator: Emulator, shutdown: CancellationToken) {
    // Without TCP_NODELAY, a small response waits for the acknowledgement of the previous
    // one. A failure means that the connection is closed; the next read returns that error.
    let _ = stream.set_nodelay(true);
    let respond = service_fn(|request| emulator.respond(request));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), respond);
    tokio::pin!(connection);
    // An error means that a fault or the client closed the connection, which needs no action.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = time::timeout(DRAIN_LIMIT, connection).await;
        }
    }
}
