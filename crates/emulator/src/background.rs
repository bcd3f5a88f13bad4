//! An emulator that runs beside a test.

use std::{collections::BTreeMap, io, net::SocketAddr, sync::mpsc, thread};

use tokio::runtime;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{client::ControlClient, emulator::Emulator, server::Server, settings::Settings};

/// A running emulator with a thread and a runtime of its own, so that tests with and
/// without a runtime can use it. Its thread stops within about 1 s after the drop, which
/// does not wait.
pub struct Background {
    address: SocketAddr,
    emulator: Emulator,
    _stop: DropGuard,
}

impl Background {
    /// Starts an emulator; it responds to requests when this returns.
    /// [`Settings::for_tests`] takes a free port.
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
                // The receiver waits for this message and exists.
                let _ = sender.send(Err(error));
            }
        })?;
        let stopped = |_| io::Error::other("the emulator's thread has stopped");
        let (address, emulator) = started.recv().map_err(stopped)??;
        Ok(Self { address, emulator, _stop: stop.drop_guard() })
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The endpoint URL for an SDK.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A client of its control API.
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
        // The receiver waits for this message and exists.
        let _ = started.send(Ok((server.local_addr(), server.emulator().clone())));
        server.serve(shutdown).await;
        Ok(())
    })
}
