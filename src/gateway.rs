//! The gateway put together: what `serve` and `dev` run.

mod readiness;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use aws_credential_types::provider::SharedCredentialsProvider;
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

use self::readiness::announce;
use crate::{
    config::{Config, LedgerUrl},
    core::{Core, Determinism},
    edge::{self, Authenticator, Edge},
    ivs::{ConnectError, Sdk, Seams},
    ledger::{Leases, Ledger, LedgerError, OpenError, SqliteLedger},
    server::{
        Acceptor, Listener,
        admin::{Admin, MetricsFormat, MetricsSource, Readiness},
        tls::{ServerTls, TlsError},
    },
    telemetry::Metrics,
    tenancy::Tenants,
};

/// What a row's lease is longer than the longest that its work can take: a stopped
/// clock or a busy disk must not make work look abandoned.
const LEASE_MARGIN: Duration = Duration::from_secs(30);

/// How long a start waits for a new ledger to be rebuilt before it serves without
/// creates. With nothing at AWS, one list of a few milliseconds is all.
const REBUILD_WAIT: Duration = Duration::from_secs(3);

/// A gateway that has its ports and its ledger, and does not answer before
/// [`Gateway::serve`].
pub struct Gateway {
    listener: Listener,
    admin: Option<Acceptor>,
    tls: Option<Arc<ServerTls>>,
    core: Core,
    metrics: Arc<Metrics>,
    determinism: Determinism,
    upstream: (String, String),
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
    /// The ledger cannot be read.
    #[error("ledger.url: {0}")]
    Read(#[from] LedgerError),
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
        let determinism = Determinism::system();
        let LedgerUrl::Sqlite(path) = &config.ledger.url;
        let leases = Leases {
            reserved: config.server.max_deadline + LEASE_MARGIN,
            sending: config.upstream.attempt_timeout + LEASE_MARGIN,
        };
        let (ledger, expired) = SqliteLedger::open(path, leases, determinism.clock.clone())?;
        let is_complete = ledger.is_rebuilt().await?;
        tracing::info!(
            rejected = expired.rejected,
            in_doubt = expired.in_doubt,
            is_complete,
            "the ledger is open; what the last stop cut off is rejected if it was never sent, else in doubt"
        );
        let clock = determinism.clock.clone();
        let seams = Seams { credentials, http_client: None, clock };
        let sdk = Sdk::load(&config.upstream, seams).await?;
        let server = &config.server;
        let tls = server.tls.as_ref().map(|tls| ServerTls::load(&tls.files())).transpose()?;
        let listener = Listener::bind(server.listen, tls.clone(), server.limits.clone()).map_err(
            |source| StartError::Listen { key: "server.listen", address: server.listen, source },
        )?;
        let admin = server.admin_listen.map(|address| {
            Acceptor::bind(address).map_err(|source| StartError::Listen {
                key: "server.admin_listen",
                address,
                source,
            })
        });
        let admin = admin.transpose()?;
        let metrics = Arc::new(Metrics::default());
        let upstream = (sdk.endpoint(), sdk.region().to_owned());
        let core = Core::start(&determinism, sdk, Arc::new(ledger), &config, &metrics).await?;
        let gateway = Self { listener, admin, tls, core, metrics, determinism, upstream, config };
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
        Reload {
            tenants: Arc::clone(self.core.tenants()),
            tls: self.tls.clone(),
            running: self.config.clone(),
        }
    }

    /// Serves until `shutdown` fires, and then drains: calls under way are finished,
    /// new ones are refused, and what AWS was asked for is recorded.
    ///
    /// # Errors
    /// The operating system's, when a worker cannot be started.
    pub async fn serve(self, shutdown: CancellationToken) -> io::Result<()> {
        let stopped = CancellationToken::new();
        let mut complete = self.core.is_rebuilt();
        // A failure is in the log, and creates stay refused until the sweep succeeds.
        let _ = timeout(REBUILD_WAIT, complete.wait_for(|complete| *complete)).await;

        self.log_start()?;
        let (readiness, is_ready) = watch::channel(Readiness::NotReady("rebuilding".into()));
        let health = readiness::starting().await;
        let health_service = edge::health::service(health.clone(), shutdown.clone());
        let announcing =
            tokio::spawn(announce(complete.clone(), shutdown.clone(), readiness, health));
        let admin = self.admin.map(|acceptor| {
            let metrics = Arc::clone(&self.metrics);
            let refresh = Arc::new(self.core.refresh_metrics());
            let source: MetricsSource = Arc::new(move |format| {
                let (metrics, refresh) = (Arc::clone(&metrics), Arc::clone(&refresh));
                Box::pin(async move {
                    refresh().await;
                    match format {
                        MetricsFormat::Text => metrics.text(),
                        MetricsFormat::OpenMetrics => metrics.open_metrics(),
                    }
                })
            });
            let admin = Admin { readiness: is_ready, metrics: Some(source) };
            tokio::spawn(admin.serve(acceptor, stopped.clone()))
        });

        let Config { server, identity, .. } = self.config;
        let Determinism { clock, ids } = self.determinism;
        let authenticator = Authenticator::new(identity, Arc::clone(self.core.tenants()));
        let edge = Arc::new(Edge::new(&server, authenticator, shutdown.clone(), clock, ids));
        let handlers = self.core.handlers();
        let service = move |worker: crate::server::WorkerContext| {
            let service = edge.service(handlers(worker.tasks), health_service.clone());
            std::future::ready(service)
        };
        let drained = self.listener.serve(service, shutdown).await?;
        tracing::info!(
            connections_cut = drained.connections_cut,
            tasks_cut = drained.tasks_cut,
            "drained"
        );
        // The core served the last calls too.
        stopped.cancel();
        announcing.abort();
        if let Some(admin) = admin {
            // It stops on cancellation; its result is irrelevant.
            let _ = admin.await;
        }
        self.core.stop().await;
        Ok(())
    }

    fn log_start(&self) -> io::Result<()> {
        let LedgerUrl::Sqlite(ledger) = &self.config.ledger.url;
        let admin_listen = self.admin.as_ref().map(Acceptor::local_addr).transpose()?;
        tracing::info!(
            listen = %self.listener.local_addr()?,
            tls = self.tls.is_some(),
            admin_listen = admin_listen.map(|address| address.to_string()),
            upstream = self.upstream.0,
            region = self.upstream.1,
            ledger = %ledger.display(),
            workers = self.config.server.limits.workers,
            version = env!("VERSION"),
            "serving"
        );
        Ok(())
    }
}

/// Changes what can change while the gateway runs.
pub struct Reload {
    tenants: Arc<Tenants>,
    tls: Option<Arc<ServerTls>>,
    /// The configuration of the start.
    running: Config,
}

impl Reload {
    /// Takes the tenants, their limits and the certificates of `config`. The rest
    /// needs a restart. Certificates that cannot be used change nothing.
    pub fn apply(&self, config: Config) {
        if let (Some(tls), Some(paths)) = (&self.tls, &config.server.tls)
            && let Err(error) = tls.reload(&paths.files())
        {
            tracing::error!(%error, "the certificates are bad; the old configuration stays");
            return;
        }
        let restart_keys = config.restart_keys(&self.running).join(", ");
        if !restart_keys.is_empty() {
            tracing::warn!(keys = restart_keys, "these keys changed and need a restart");
        }
        self.tenants.reload(config.tenants);
        tracing::info!("applied the tenants, their limits and the certificates of the file");
    }
}
