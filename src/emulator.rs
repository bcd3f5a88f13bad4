//! Amazon IVS Real-Time on a loopback port: the wire protocol (REST-JSON, API
//! version 2020-07-14, SigV4), the model's constraints and errors, the call rates,
//! and faults to order.
//!
//! `dev`, the `emulator` command and tests start it; the AWS SDKs and the AWS CLI
//! talk to it through `endpoint_url`. It is a tool of its own: nothing in the
//! gateway's path may depend on it, and it knows nothing of the gateway.
//!
//! Everything is in memory and gone when it ends. Below `/_emulator/` stands an
//! unsigned control API that shows stream keys: listen on loopback only.
//!
//! A request goes `service` → `signature` → `operations` (parse) → `world` (rate,
//! fault) → `operations` (execute) → `wire` (answer).

mod bucket;
mod control;
mod faults;
mod operation;
mod operations;
mod random;
mod resources;
mod service;
mod signature;
mod tags;
mod validation;
mod wire;
mod world;

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use secrecy::SecretString;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::service::Service;

/// More connections wait in the listener's backlog.
const MAX_CONNECTIONS: usize = 4096;
/// How long an answer under way may take once the emulator is told to stop.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);
/// The pause after a failed accept (out of file descriptors), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How an emulator starts. Rate, delay and seed can be changed while it runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The region of every ARN, and the only one a signature may name.
    pub region: String,
    /// The twelve digits of the account in every ARN.
    pub account_id: String,
    /// Calls a second, and the burst, of each operation; the tagging operations
    /// have twice as many. AWS: 5 and 10. 0 is unlimited.
    pub calls_per_second: f64,
    /// How long a List does not show a created configuration yet.
    pub visibility_delay: Duration,
    /// The only access key that is known.
    pub access_key_id: String,
    /// The secret that signatures are checked with.
    pub secret_access_key: SecretString,
    /// Where the draws for faults with a probability begin. Ids and stream keys
    /// do not follow it: they must never repeat.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 4566)),
            region: "us-east-1".into(),
            account_id: "123456789012".into(),
            calls_per_second: 5.0,
            visibility_delay: Duration::ZERO,
            access_key_id: "emulator".into(),
            secret_access_key: SecretString::from("emulator"),
            seed: 1,
        }
    }
}

/// An emulator that has its port, but does not answer before [`Emulator::serve`].
pub struct Emulator {
    listener: TcpListener,
    local_addr: SocketAddr,
    service: Arc<Service>,
}

impl Emulator {
    /// Takes the port of the settings.
    ///
    /// # Errors
    /// What the operating system says when the address cannot be listened on.
    pub async fn bind(settings: Settings) -> io::Result<Self> {
        let listener = TcpListener::bind(settings.listen).await?;
        let local_addr = listener.local_addr()?;
        Ok(Self { listener, local_addr, service: Arc::new(Service::new(settings)) })
    }

    /// The address it listens on, with the port that was picked.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Creates a stage and returns its ARN. The id follows from the name (the first
    /// stage `acme-studio` is `stage/AcmeStudio0001`), so that documentation can name
    /// it, and the control API's reset leaves it alone. Characters that AWS does not
    /// allow in a name are dropped.
    pub fn create_stage(&self, name: &str, tags: BTreeMap<String, String>) -> String {
        self.service.world().resources.create_named_stage(name, tags)
    }

    /// Answers until `shutdown` is cancelled, then for one second more what is under way.
    ///
    /// # Errors
    /// None so far: what cannot be accepted now is accepted later.
    pub async fn serve(self, shutdown: CancellationToken) -> io::Result<()> {
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
            let connection = serve_connection(stream, Arc::clone(&self.service), shutdown.clone());
            connections.spawn(async move {
                connection.await;
                drop(permit);
            });
        }
        connections.close();
        connections.wait().await;
        Ok(())
    }
}

async fn serve_connection(stream: TcpStream, service: Arc<Service>, shutdown: CancellationToken) {
    // A small answer must not wait for the acknowledgement of the one before it. Where
    // this fails, the connection is gone and the next read says so.
    let _ = stream.set_nodelay(true);
    let answer = service_fn(|request| Arc::clone(&service).answer(request));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
    tokio::pin!(connection);
    // How a connection ends, by a fault or by the client, is of no interest here.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = time::timeout(DRAIN_LIMIT, connection).await;
        }
    }
}
