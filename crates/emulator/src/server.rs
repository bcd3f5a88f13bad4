//! The emulator on a port.

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

/// Further connections wait in the listener's backlog.
const MAX_CONNECTIONS: usize = 4096;
/// The time that a response in progress can take after the shutdown began.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);
/// The pause after a failed accept (out of file descriptors), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// An emulator that holds its port. It responds only while [`Server::serve`] runs.
pub struct Server {
    listener: TcpListener,
    local_addr: SocketAddr,
    emulator: Emulator,
}

impl Server {
    /// Binds the address of the settings.
    ///
    /// # Errors
    /// The operating system's error if the address cannot be bound.
    pub async fn bind(settings: Settings) -> io::Result<Self> {
        let listener = TcpListener::bind(settings.listen).await?;
        let local_addr = listener.local_addr()?;
        Ok(Self { listener, local_addr, emulator: Emulator::new(settings) })
    }

    /// The address it listens on, with the port that was taken.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The emulator behind the port.
    #[must_use]
    pub fn emulator(&self) -> &Emulator {
        &self.emulator
    }

    /// Serves until `shutdown` is cancelled, then finishes responses in progress for at
    /// most 1 s.
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
    // A small response must not wait for the acknowledgement of the one before it. Where
    // this fails, the connection is gone and the next read returns the error.
    let _ = stream.set_nodelay(true);
    let respond = service_fn(|request| emulator.respond(request));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), respond);
    tokio::pin!(connection);
    // A fault or the client can end the connection; the result is irrelevant.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = time::timeout(DRAIN_LIMIT, connection).await;
        }
    }
}
