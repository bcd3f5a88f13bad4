//! The gateway put together: what `serve` and `dev` run.

use std::{io, net::SocketAddr, num::NonZeroUsize, sync::Arc};

use aws_credential_types::provider::SharedCredentialsProvider;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    auth::Authenticator,
    config::{self, Config, LedgerUrl},
    front::Front,
    ivs::{ConnectError, Sdk},
    ledger::{Ledger, OpenError, SqliteLedger},
    operations::{Operations, Shared},
    proto::v1::ingest_service_server::SERVICE_NAME,
    quota::Tenants,
    server::{
        Acceptor, Limits, Listener,
        admin::{Admin, Readiness},
        tls::{ServerTls, TlsError, TlsFiles},
    },
    stages::Stages,
};

/// A gateway that has its ports and its ledger, and does not answer before
/// [`Gateway::serve`].
pub struct Gateway {
    listener: Listener,
    admin: Option<Acceptor>,
    tls: Option<Arc<ServerTls>>,
    tenants: Arc<Tenants>,
    ledger: Arc<dyn Ledger>,
    sdk: Sdk,
    config: Config,
}

/// Why a gateway cannot start. Each names the key to look at.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("{key} = {address}: {source}; free the address or choose another")]
    Listen {
        /// The key of the configuration.
        key: &'static str,
        /// Its value.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The certificates cannot be used.
    #[error("server.tls: {0}")]
    Tls(#[from] TlsError),
    /// The ledger cannot be opened.
    #[error("ledger.url: {0}")]
    Ledger(#[from] OpenError),
    /// AWS cannot be talked to.
    #[error(transparent)]
    Upstream(#[from] ConnectError),
}

impl Gateway {
    /// Opens the ledger, settles what the last stop left, and takes the ports.
    /// `credentials` takes the place of the AWS conventions, for an upstream that is
    /// not AWS.
    ///
    /// # Errors
    /// [`StartError`], with the key and the way out.
    pub async fn start(
        config: Config,
        credentials: Option<SharedCredentialsProvider>,
    ) -> Result<Self, StartError> {
        let LedgerUrl::Sqlite(path) = &config.ledger.url;
        let (ledger, recovered) = SqliteLedger::open(path)?;
        tracing::info!(
            rejected = recovered.rejected,
            in_doubt = recovered.in_doubt,
            in_doubt_in_all = recovered.in_doubt_in_all,
            "the ledger is open; what the last stop left is settled or in doubt"
        );
        let sdk = Sdk::load(&config.upstream, credentials).await?;
        let server = &config.server;
        let tls = server.tls.as_ref().map(|tls| ServerTls::load(&files(tls))).transpose()?;
        let listener =
            Listener::bind(server.listen, tls.clone(), limits(server)).map_err(|source| {
                StartError::Listen { key: "server.listen", address: server.listen, source }
            })?;
        let admin = server.admin_listen.map(|address| {
            Acceptor::bind(address).map_err(|source| StartError::Listen {
                key: "server.admin_listen",
                address,
                source,
            })
        });
        let gateway = Self {
            listener,
            admin: admin.transpose()?,
            tls,
            tenants: Arc::new(Tenants::new(config.tenants.clone())),
            ledger: Arc::new(ledger),
            sdk,
            config,
        };
        Ok(gateway)
    }

    /// Where it listens, with the port that was picked.
    ///
    /// # Errors
    /// The operating system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What changes the configuration of a running gateway.
    #[must_use]
    pub fn reload(&self) -> Reload {
        Reload { tenants: Arc::clone(&self.tenants), tls: self.tls.clone() }
    }

    /// Serves until `shutdown` fires, and then drains: calls under way are finished,
    /// new ones are refused, and what AWS was asked for is recorded.
    ///
    /// # Errors
    /// The operating system's, when a worker cannot be started.
    pub async fn serve(self, shutdown: CancellationToken) -> io::Result<()> {
        self.log_start()?;
        let (readiness, is_ready) = watch::channel(Readiness::Ready);
        let (health, health_service) = tonic_health::server::health_reporter();
        health.set_service_status(SERVICE_NAME, tonic_health::ServingStatus::Serving).await;

        let admin_stopped = CancellationToken::new();
        let admin = self.admin.map(|acceptor| {
            let admin = Admin { readiness: is_ready, metrics: None };
            tokio::spawn(admin.serve(acceptor, admin_stopped.clone()))
        });

        let Config { server, identity, upstream, .. } = self.config;
        let draining = shutdown.clone();
        let announced = tokio::spawn(async move {
            draining.cancelled().await;
            tracing::info!("draining: calls under way are finished, new ones refused");
            readiness.send_replace(Readiness::NotReady("draining".into()));
            // Ends the watches too, which would hold their connections open.
            for service in ["", SERVICE_NAME] {
                health.set_service_status(service, tonic_health::ServingStatus::NotServing).await;
                health.clone().clear_service_status(service).await;
            }
        });

        let shared = Arc::new(Shared::new(
            Arc::clone(&self.ledger),
            Arc::clone(&self.tenants),
            Stages::new(&upstream, self.sdk.region()),
        ));
        let authenticator = Authenticator::new(identity, self.tenants);
        let front = Arc::new(Front::new(&server, authenticator, shutdown.clone()));
        let sdk = self.sdk;
        let service = move |worker: crate::server::WorkerContext| {
            let operations = Operations::new(Arc::clone(&shared), sdk.client(), worker.tasks);
            let service = front.service(operations, health_service.clone());
            std::future::ready(service)
        };
        let drained = self.listener.serve(service, shutdown).await?;
        tracing::info!(
            connections_cut = drained.connections_cut,
            tasks_cut = drained.tasks_cut,
            "drained"
        );
        announced.abort();
        admin_stopped.cancel();
        if let Some(admin) = admin {
            // It only answers probes: how it ended changes nothing.
            let _ = admin.await;
        }
        Ok(())
    }

    fn log_start(&self) -> io::Result<()> {
        let LedgerUrl::Sqlite(ledger) = &self.config.ledger.url;
        let admin_listen = self.admin.as_ref().map(Acceptor::local_addr).transpose()?;
        tracing::info!(
            listen = %self.listener.local_addr()?,
            tls = self.tls.is_some(),
            admin_listen = admin_listen.map(|address| address.to_string()),
            upstream = self.sdk.endpoint(),
            region = self.sdk.region(),
            ledger = %ledger.display(),
            workers = self.config.server.workers,
            version = env!("CARGO_PKG_VERSION"),
            "serving"
        );
        Ok(())
    }
}

/// Changes what can change while the gateway runs.
pub struct Reload {
    tenants: Arc<Tenants>,
    tls: Option<Arc<ServerTls>>,
}

impl Reload {
    /// Takes the tenants, their limits and the certificates of `config`. The rest
    /// needs a restart. Certificates that cannot be used change nothing.
    pub fn apply(&self, config: Config) {
        if let (Some(tls), Some(paths)) = (&self.tls, &config.server.tls)
            && let Err(error) = tls.reload(&files(paths))
        {
            tracing::error!(%error, "the certificates are bad; the old configuration stays");
            return;
        }
        self.tenants.reload(config.tenants);
        tracing::info!("tenants, limits and certificates are as the file says now");
    }
}

fn files(tls: &config::Tls) -> TlsFiles {
    TlsFiles { cert: tls.cert.clone(), key: tls.key.clone(), client_ca: tls.client_ca.clone() }
}

fn limits(server: &config::Server) -> Limits {
    Limits {
        workers: NonZeroUsize::new(server.workers).unwrap_or(NonZeroUsize::MIN),
        max_connections: server.max_connections,
        handshake_timeout: server.handshake_timeout,
        max_concurrent_streams: server.max_concurrent_streams,
        max_metadata_bytes: server.max_metadata_bytes,
        max_connection_age: server.max_connection_age,
        drain_timeout: server.drain_timeout,
        ..Limits::default()
    }
}
