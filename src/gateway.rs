//! The gateway put together: what `serve` and `dev` run.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use aws_credential_types::provider::SharedCredentialsProvider;
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;

use crate::{
    clock::Clock,
    config::{self, Config, LedgerUrl},
    edge::{Authenticator, Edge},
    handlers::{Handlers, Shared},
    ids::Ids,
    ivs::{AwsMetrics, ConnectError, Pacers, Sdk},
    ledger::{Leases, Ledger, LedgerError, OpenError, SqliteLedger},
    proto::v1::ingest_service_server::SERVICE_NAME,
    reconcile::{ReconcileMetrics, Resolutions, Resolver, Scan, ScanConfig},
    server::{
        Acceptor, Listener,
        admin::{Admin, Readiness},
        tls::{ServerTls, TlsError, TlsFiles},
    },
    telemetry::Metrics,
    tenancy::{LimitCounts, StageOwnership, Tenants},
};

/// What a row's lease is longer than the longest that its work can take: a stopped
/// clock or a busy disk must not make work look abandoned.
const LEASE_MARGIN: Duration = Duration::from_secs(30);

/// How many first probes a call of unknown outcome waits for.
const PATIENCE_PROBES: u32 = 3;

/// How long a start waits for a new ledger to be rebuilt before it serves without
/// creates. With nothing at AWS, one list of a few milliseconds is all.
const REBUILD_PATIENCE: Duration = Duration::from_secs(3);

/// A gateway that has its ports and its ledger, and does not answer before
/// [`Gateway::serve`].
pub struct Gateway {
    listener: Listener,
    admin: Option<Acceptor>,
    tls: Option<Arc<ServerTls>>,
    tenants: Arc<Tenants>,
    ledger: Arc<dyn Ledger>,
    metrics: Arc<Metrics>,
    clock: Clock,
    pacers: Pacers,
    aws_metrics: AwsMetrics,
    is_complete: bool,
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
        let LedgerUrl::Sqlite(path) = &config.ledger.url;
        let leases = Leases {
            reserved: config.server.max_deadline + LEASE_MARGIN,
            sending: config.upstream.attempt_timeout + LEASE_MARGIN,
        };
        let (ledger, expired) = SqliteLedger::open(path, leases, Clock::system())?;
        let is_complete = ledger.is_rebuilt().await?;
        tracing::info!(
            rejected = expired.rejected,
            in_doubt = expired.in_doubt,
            is_complete,
            "the ledger is open; what the last stop cut off is rejected if it was never sent, else in doubt"
        );
        let sdk = Sdk::load(&config.upstream, credentials).await?;
        let server = &config.server;
        let tls = server.tls.as_ref().map(|tls| ServerTls::load(&files(tls))).transpose()?;
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
        let (metrics, clock) = (Arc::new(Metrics::default()), Clock::system());
        let counts = metrics.register(LimitCounts::register);
        let pacers = Pacers::new(config.upstream.calls_per_second);
        let aws_metrics =
            metrics.register(|registry| AwsMetrics::register(registry, pacers.clone()));
        let gateway = Self {
            listener,
            admin: admin.transpose()?,
            tls,
            tenants: Arc::new(Tenants::new(config.tenants.clone(), counts, clock.clone())),
            pacers,
            aws_metrics,
            clock,
            metrics,
            ledger: Arc::new(ledger),
            is_complete,
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
        let settling = Resolutions::default();
        let stopped = CancellationToken::new();
        let (mut complete, background) = self.start_background(&settling, &stopped);
        // A failure is in the log, and creates stay refused until the sweep succeeds.
        let _ = timeout(REBUILD_PATIENCE, complete.wait_for(|complete| *complete)).await;

        self.log_start()?;
        let (readiness, is_ready) = watch::channel(Readiness::NotReady("rebuilding".into()));
        let (health, health_service) = tonic_health::server::health_reporter();
        let announcing =
            tokio::spawn(announce(complete.clone(), shutdown.clone(), readiness, health));
        let admin = self.admin.map(|acceptor| {
            let metrics = Arc::clone(&self.metrics);
            let source = Arc::new(move || metrics.render());
            let admin = Admin { readiness: is_ready, metrics: Some(source) };
            tokio::spawn(admin.serve(acceptor, stopped.clone()))
        });

        let Config { server, identity, upstream, settle, .. } = self.config;
        let stages = StageOwnership::new(
            Arc::clone(&self.tenants),
            self.sdk.region().to_owned(),
            upstream.account_id,
            upstream.stage_cache,
        );
        let (clock, ids) = (self.clock, Ids::random());
        let shared = Arc::new(Shared::new(
            Arc::clone(&self.ledger),
            stages,
            settling,
            settle.first_probe * PATIENCE_PROBES,
            complete,
            self.pacers,
            clock.clone(),
            ids.clone(),
        ));
        let authenticator = Authenticator::new(identity, self.tenants);
        let edge = Arc::new(Edge::new(&server, authenticator, shutdown.clone(), clock, ids));
        let (sdk, aws_metrics) = (self.sdk, self.aws_metrics);
        let service = move |worker: crate::server::WorkerContext| {
            let handlers =
                Handlers::new(Arc::clone(&shared), sdk.client(aws_metrics.clone()), worker.tasks);
            let service = edge.service(handlers, health_service.clone());
            std::future::ready(service)
        };
        let drained = self.listener.serve(service, shutdown).await?;
        tracing::info!(
            connections_cut = drained.connections_cut,
            tasks_cut = drained.tasks_cut,
            "drained"
        );
        // Resolutions served the last calls too. What is in doubt still is settled after
        // the next start.
        stopped.cancel();
        announcing.abort();
        for task in background.into_iter().chain(admin) {
            // They end when told to, and how changes nothing.
            let _ = task.await;
        }
        Ok(())
    }

    /// Starts the pacers, settling and the sweep. Answers whether the ledger is complete, in time.
    fn start_background(
        &self,
        settling: &Resolutions,
        stopped: &CancellationToken,
    ) -> (watch::Receiver<bool>, [JoinHandle<()>; 3]) {
        let metrics = self.metrics.register(ReconcileMetrics::register);
        let Config { upstream, settle, sweep, ledger, .. } = &self.config;
        let (complete, is_complete) = watch::channel(self.is_complete);
        let settler = Resolver::new(
            Arc::clone(&self.ledger),
            self.sdk.client(self.aws_metrics.clone()),
            self.pacers.clone(),
            settle.clone(),
            upstream.calls_per_second,
            settling.clone(),
            metrics.clone(),
        );
        let rhythm = ScanConfig {
            interval: sweep.interval,
            calls_per_second: upstream.calls_per_second,
            retention: ledger.request_id_retention,
        };
        let sweep = Scan::new(
            Arc::clone(&self.ledger),
            self.sdk.client(self.aws_metrics.clone()),
            self.pacers.clone(),
            rhythm,
            settling.clone(),
            metrics,
        );
        let background = [
            tokio::spawn(self.pacers.clone().run(stopped.clone())),
            tokio::spawn(settler.run(stopped.clone())),
            tokio::spawn(sweep.run(complete, stopped.clone())),
        ];
        (is_complete, background)
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
            workers = self.config.server.limits.workers,
            version = env!("CARGO_PKG_VERSION"),
            "serving"
        );
        Ok(())
    }
}

/// Tells probes and health checks when the gateway is ready, and when no more.
async fn announce(
    mut complete: watch::Receiver<bool>,
    shutdown: CancellationToken,
    readiness: watch::Sender<Readiness>,
    health: tonic_health::server::HealthReporter,
) {
    let serve = async |status| {
        for service in ["", SERVICE_NAME] {
            health.set_service_status(service, status).await;
        }
    };
    serve(ServingStatus::NotServing).await;
    let is_complete = tokio::select! {
        is_complete = async { complete.wait_for(|complete| *complete).await.is_ok() } => is_complete,
        () = shutdown.cancelled() => false,
    };
    if is_complete {
        readiness.send_replace(Readiness::Ready);
        serve(ServingStatus::Serving).await;
        shutdown.cancelled().await;
    }
    tracing::info!("draining: calls under way are finished, new ones refused");
    readiness.send_replace(Readiness::NotReady("draining".into()));
    serve(ServingStatus::NotServing).await;
    // Ends the watches too, which would hold their connections open.
    for service in ["", SERVICE_NAME] {
        health.clone().clear_service_status(service).await;
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
