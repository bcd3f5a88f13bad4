//! An emulator that runs in a background thread of a test.

use std::{collections::BTreeMap, io, net::SocketAddr, sync::mpsc, thread};

use tokio::runtime;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{client::ControlClient, emulator::Emulator, server::Server, settings::Settings};

/// A running emulator with its own thread and tokio runtime, so that tests with and without
/// a runtime can use it. Dropping it stops the thread within about 1 s; the drop does not
/// wait for that.
pub struct Background {
    address: SocketAddr,
    emulator: Emulator,
    _stop: DropGuard,
}

impl Background {
    /// Starts an emulator and returns when it responds to requests. With
    /// [`Settings::for_tests`] it listens on a free port.
    ///
    /// # Errors
    /// The operating system's error if the thread or its runtime cannot start, or if
    /// `settings.listen` cannot be bound.
    pub fn start(settings: Settings) -> io::Result<Self> {
        let stop = CancellationToken::new();
        let shutdown = stop.clone();
        let (sender, started) = mpsc::channel();
        thread::Builder::new().name("ivs-emulator".into()).spawn(move || {
            if let Err(error) = serve(settings, &sender, shutdown) {
                // This cannot fail: `start` keeps the receiver until it gets this message.
                let _ = sender.send(Err(error));
            }
        })?;
        let stopped = |_| io::Error::other("the emulator's thread has stopped");
        let (address, emulator) = started.recv().map_err(stopped)??;
        Ok(Self { address, emulator, _stop: stop.drop_guard() })
    }

    /// Returns the address that the emulator listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the endpoint URL for an SDK.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns a client of the control API.
    #[must_use]
    pub fn control(&self) -> ControlClient {
        ControlClient::new(self.address)
    }

    /// Creates a stage; see [`Emulator::create_stage`].
    #[must_use]
    pub fn create_stage(&self, name: &str, tags: BTreeMap<String, String>) -> String {
        self.emulator.create_stage(name, tags)
    }
}

type Started = io::Result<(SocketAddr, Emulator)>;

fn serve(
    settings: Settings,
    started: &mpsc::Sender<Started>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = Server::bind(settings).await?;
        // This cannot fail: `start` keeps the receiver until it gets this message.
        let _ = started.send(Ok((server.local_addr(), server.emulator().clone())));
        server.serve(shutdown).await;
        Ok(())
    })
}
