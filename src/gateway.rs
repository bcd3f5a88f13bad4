//! The composition root: builds, serves and drains a gateway, for `serve` and `dev`.

mod error;
mod readiness;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use aws_credential_types::provider::SharedCredentialsProvider;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

pub use self::error::{ServeError, StartError};
use self::readiness::announce;
use crate::{
    config::{Config, LedgerUrl},
    core::{Core, Determinism},
    edge::{self, Authenticator, Edge},
    ivs::{Sdk, Seams},
    ledger::{Expired, Leases, Ledger, SqliteLedger, Upstream},
    reconcile::Completeness,
    server::{
        Acceptor, Listener,
        admin::{Admin, MetricsFormat, MetricsSource, Readiness},
        tls::ServerTls,
    },
    telemetry::Metrics,
    tenancy::Tenants,
};

/// Time that a start waits for the comparison of the ledger with AWS before it serves without
/// creates. It suffices for one scan after a crash; a new or restored ledger takes at least
/// `settle.retry_after_ms`.
const COMPARISON_WAIT: Duration = Duration::from_secs(3);

/// Time that an end waits for the workers to release the ledger, after they have stopped.
const RELEASE_WAIT: Duration = Duration::from_secs(5);

/// A gateway with bound addresses and an open ledger. [`Gateway::serve`] starts to serve.
pub struct Gateway {
    listener: Listener,
    admin: Option<Acceptor>,
    tls: Option<Arc<ServerTls>>,
    core: Core,
    ledger: Arc<SqliteLedger>,
    metrics: Arc<Metrics>,
    determinism: Determinism,
    upstream: Upstream,
    config: Config,
}

impl Gateway {
    /// Opens the ledger, expires the leases of the previous process, and binds the addresses.
    /// `credentials` replace those of the environment, for an upstream that is not AWS.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(
        config: Config,
        credentials: Option<SharedCredentialsProvider>,
    ) -> Result<Self, StartError> {
        let determinism = Determinism::system();
        let LedgerUrl::Sqlite(path) = &config.ledger.url;
        let leases = Leases::new(config.server.max_deadline, config.upstream.attempt_timeout);
        let (ledger, expired) = SqliteLedger::open(path, leases, determinism.clock.clone())?;
        let comparison = ledger.comparison().await?;
        let Expired { rejected, in_doubt } = expired;
        tracing::info!(rejected, in_doubt, %comparison, "opened the ledger");
        if rejected + in_doubt > 0 {
            tracing::info!(
                rejected,
                in_doubt,
                "the previous process left creates: those that AWS may have received are in doubt, and the others are rejected"
            );
        }
        let clock = determinism.clock.clone();
        let seams = Seams { credentials, http_client: None, clock };
        let sdk = Sdk::load(&config.upstream, seams).await?;
        let upstream = Upstream {
            region: sdk.region().to_owned(),
            account_id: config.upstream.account_id.clone(),
            endpoint: sdk.endpoint().to_owned(),
        };
        if let Some(bound) = ledger.bind(upstream.clone()).await? {
            let (bound, configured) = (Box::new(bound), Box::new(upstream));
            return Err(StartError::OtherUpstream { bound, configured });
        }
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
        let ledger = Arc::new(ledger);
        let core = Core::start(&determinism, sdk, ledger.clone(), &config, &metrics);
        Ok(Self { listener, admin, tls, core, ledger, metrics, determinism, upstream, config })
    }

    /// Returns the address of the gRPC API, with the port that the system chose.
    ///
    /// # Errors
    /// An error of the operating system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Returns a handle that changes the configuration of the running gateway.
    #[must_use]
    pub fn reload(&self) -> Reload {
        Reload {
            tenants: Arc::clone(self.core.tenants()),
            tls: self.tls.clone(),
            running: self.config.clone(),
        }
    }

    /// Serves until `shutdown` fires, and then drains: running calls finish, new calls are
    /// rejected, and the outcomes of calls to AWS are recorded.
    ///
    /// # Errors
    /// [`ServeError`].
    pub async fn serve(mut self, shutdown: CancellationToken) -> Result<(), ServeError> {
        let stopped = CancellationToken::new();
        let mut completeness = self.core.completeness();
        // A failed comparison is in the log, and creates are rejected until it succeeds.
        let is_complete = completeness.wait_for(Completeness::is_complete);
        let _ = shutdown.run_until_cancelled(timeout(COMPARISON_WAIT, is_complete)).await;

        self.log_start()?;
        let (readiness, is_ready) = watch::channel(Readiness::NotReady("starting".into()));
        let health = readiness::starting().await;
        let health_service = edge::health::service(health.clone(), shutdown.clone());
        let problems = self.core.problems().subscribe();
        let announcing = announce(completeness, problems, shutdown.clone(), readiness, health);
        let announcing = tokio::spawn(announcing);
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
        let Determinism { clock, ids, .. } = self.determinism;
        let authenticator = Authenticator::new(identity, Arc::clone(self.core.tenants()));
        let edge = Arc::new(Edge::new(&server, authenticator, shutdown.clone(), clock, ids));
        let handlers = self.core.handlers();
        let service = move |worker: crate::server::WorkerContext| {
            let service = edge.service(handlers(worker.tasks), health_service.clone());
            std::future::ready(service)
        };
        let serving = self.listener.serve(service, shutdown.clone());
        tokio::pin!(serving);
        let ledger_panicked = self.ledger.panicked();
        let failed = tokio::select! {
            biased;
            drained = &mut serving => Ok(drained?),
            task = self.core.ended_task() => Err(task),
            () = ledger_panicked.cancelled() => Err("ledger"),
        };
        let (drained, result) = match failed {
            Ok(drained) => (drained, Ok(())),
            Err(task) => {
                tracing::error!(
                    task,
                    "a background task ended unexpectedly: the gateway drains and ends"
                );
                shutdown.cancel();
                (serving.await?, Err(ServeError::TaskEnded(task)))
            }
        };
        tracing::info!(
            connections_cut = drained.connections_cut,
            tasks_cut = drained.tasks_cut,
            "drained"
        );
        // The core serves calls until the end of the drain.
        stopped.cancel();
        announcing.abort();
        if let Some(admin) = admin {
            // It stops on cancellation; its result is irrelevant.
            let _ = admin.await;
        }
        self.core.stop().await;
        close(self.ledger).await;
        result
    }

    fn log_start(&self) -> io::Result<()> {
        let LedgerUrl::Sqlite(ledger) = &self.config.ledger.url;
        let admin_listen = self.admin.as_ref().map(Acceptor::local_addr).transpose()?;
        tracing::info!(
            listen = %self.listener.local_addr()?,
            tls = self.tls.is_some(),
            admin_listen = admin_listen.map(|address| address.to_string()),
            upstream = self.upstream.endpoint,
            region = self.upstream.region,
            ledger = %ledger.display(),
            workers = self.config.server.limits.workers,
            version = env!("VERSION"),
            "serving"
        );
        Ok(())
    }
}

/// Closes the ledger when all workers have released it. Otherwise the process could end before,
/// and the next start would compare the ledger with AWS.
async fn close(mut ledger: Arc<SqliteLedger>) {
    let latest = Instant::now() + RELEASE_WAIT;
    loop {
        match Arc::try_unwrap(ledger) {
            // Its drop waits for its threads.
            Ok(_) => return,
            Err(shared) if Instant::now() < latest => {
                ledger = shared;
                sleep(Duration::from_millis(1)).await;
            }
            Err(_) => {
                tracing::warn!("the ledger is still in use; the next start compares it with AWS");
                return;
            }
        }
    }
}

/// A handle that changes the configuration of a running gateway.
pub struct Reload {
    tenants: Arc<Tenants>,
    tls: Option<Arc<ServerTls>>,
    /// The configuration of the start.
    running: Config,
}

impl Reload {
    /// Applies the tenants, their limits and the certificates of `config`. Other keys need a
    /// restart, and the log names those that differ. Invalid certificates change nothing.
    pub fn apply(&self, config: Config) {
        if let (Some(tls), Some(paths)) = (&self.tls, &config.server.tls)
            && let Err(error) = tls.reload(&paths.files())
        {
            tracing::error!(%error, "the new certificates are invalid; the old configuration stays in force");
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

#[cfg(test)]
mod tests;
