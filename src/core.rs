//! The core of the gateway: pacers, reconciliation and handlers, without listeners.
//! `crates/simulator` starts the same core.

use std::{pin::Pin, sync::Arc, task::Poll, time::Duration};

use tokio::{sync::watch, task::JoinHandle};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{
    clock::Clock,
    config::Config,
    handlers::{Handlers, Shared},
    ids::Ids,
    ivs::{AwsMetrics, Pacers, Sdk},
    ledger::Ledger,
    reconcile::{
        self, AccessCheck, Completeness, DeleteResolver, Problems, ReconcileMetrics, Resolutions,
        Resolver, Scan, ScanConfig,
    },
    tasks::{Process, Tasks},
    telemetry::Metrics,
    tenancy::{LimitCounts, StageOwnership, Tenants},
};

/// The time that a caller waits for the resolution of its create, as a multiple of
/// `ResolutionTimes::first_probe`.
const RESOLUTION_WAIT_PROBES: u32 = 3;

/// The clocks, the randomness and the tasks of a core.
#[derive(Debug, Clone)]
pub struct Determinism {
    /// The clocks.
    pub clock: Clock,
    /// The source of ids.
    pub ids: Ids,
    /// Spawns the tasks.
    pub process: Process,
}

impl Determinism {
    /// The clocks of the operating system, random ids, and tasks that no simulator ends.
    #[must_use]
    pub fn system() -> Self {
        Self { clock: Clock::system(), ids: Ids::random(), process: Process::default() }
    }
}

/// The work of [`Core::refresh_metrics`].
pub type RefreshFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A running core.
pub struct Core {
    shared: Arc<Shared>,
    tenants: Arc<Tenants>,
    sdk: Sdk,
    aws_metrics: AwsMetrics,
    reconcile_metrics: ReconcileMetrics,
    completeness: watch::Receiver<Completeness>,
    problems: Problems,
    process: Process,
    /// Stops the background tasks when the core is dropped.
    stopped: DropGuard,
    background: Background,
}

/// The background tasks, with their names. They end only when they are stopped.
type Background = Vec<(&'static str, JoinHandle<()>)>;

impl Core {
    /// Starts the pacers, the two resolvers and the scan on this runtime, and builds what the
    /// handlers share.
    pub fn start(
        determinism: &Determinism,
        sdk: Sdk,
        ledger: Arc<dyn Ledger>,
        config: &Config,
        metrics: &Metrics,
    ) -> Self {
        let Determinism { clock, ids, process } = determinism;
        let Config { upstream, resolution, .. } = config;
        let counts = metrics.register(LimitCounts::register);
        let tenants = Arc::new(Tenants::new(config.tenants.clone(), counts, clock.clone()));
        let pacers = Pacers::new(upstream.calls_per_second);
        let aws_metrics =
            metrics.register(|registry| AwsMetrics::register(registry, pacers.clone()));
        let reconcile_metrics = metrics.register(ReconcileMetrics::register);
        let problems = Problems::default();
        let (completeness_sender, completeness) = watch::channel(Completeness::unknown());
        let parts = reconcile::Parts {
            ledger: Arc::clone(&ledger),
            ivs: sdk.client(aws_metrics.clone()),
            pacers: pacers.clone(),
            resolutions: Resolutions::default(),
            completeness: completeness.clone(),
            problems: problems.clone(),
            metrics: reconcile_metrics.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
        };
        let stages = StageOwnership::new(
            Arc::clone(&tenants),
            sdk.region().to_owned(),
            upstream.account_id.clone(),
            upstream.stage_cache,
            clock.clone(),
        );
        let resolutions = parts.resolutions.clone();
        let stopped = CancellationToken::new();
        let mut background = background(process, parts, config, completeness_sender, &stopped);
        let credentials = sdk.keep_credentials(stopped.clone());
        background.push(("credentials", process.spawn(credentials)));
        let wait: Duration = resolution.first_probe * RESOLUTION_WAIT_PROBES;
        let shared = Shared::new(
            ledger,
            stages,
            resolutions,
            wait,
            resolution.retry_after,
            completeness.clone(),
            pacers,
            clock.clone(),
            ids.clone(),
        );
        let (shared, stopped) = (Arc::new(shared), stopped.drop_guard());
        Self {
            shared,
            tenants,
            sdk,
            aws_metrics,
            reconcile_metrics,
            completeness,
            problems,
            process: process.clone(),
            stopped,
            background,
        }
    }

    /// The tenants, whose settings can be reloaded.
    #[must_use]
    pub const fn tenants(&self) -> &Arc<Tenants> {
        &self.tenants
    }

    /// Whether the ledger knows everything that AWS has.
    #[must_use]
    pub fn completeness(&self) -> watch::Receiver<Completeness> {
        self.completeness.clone()
    }

    /// The problems that the background tasks see.
    #[must_use]
    pub const fn problems(&self) -> &Problems {
        &self.problems
    }

    /// Waits until a background task has ended by itself, which only a defect does. Returns its
    /// name.
    pub async fn ended_task(&mut self) -> &'static str {
        std::future::poll_fn(|context| {
            let ended = self
                .background
                .iter_mut()
                .position(|(_, task)| Pin::new(task).poll(context).is_ready());
            ended.map_or(Poll::Pending, |index| Poll::Ready(self.background.swap_remove(index).0))
        })
        .await
    }

    /// Replaces a background task with one that panics.
    #[cfg(test)]
    pub(crate) fn plant_panic(&mut self, name: &str) {
        let task = self.background.iter_mut().find(|(task, _)| *task == name).unwrap();
        task.1.abort();
        task.1 = tokio::spawn(async { panic!("planted") });
    }

    /// Returns a function that updates the gauges of the ledger before a scrape.
    pub fn refresh_metrics(&self) -> impl Fn() -> RefreshFuture + Send + Sync + 'static {
        let (ledger, metrics) = (Arc::clone(&self.shared.ledger), self.reconcile_metrics.clone());
        move || {
            let (ledger, metrics) = (Arc::clone(&ledger), metrics.clone());
            Box::pin(async move { metrics.refresh(&*ledger).await })
        }
    }

    /// Returns a factory of handlers, which each worker calls with its own tracker of tasks.
    pub fn handlers(&self) -> impl Fn(TaskTracker) -> Handlers + Send + Sync + 'static {
        let (shared, sdk) = (Arc::clone(&self.shared), self.sdk.clone());
        let (metrics, process) = (self.aws_metrics.clone(), self.process.clone());
        move |tracker| {
            let tasks = Tasks::new(process.clone(), tracker);
            Handlers::new(Arc::clone(&shared), sdk.client(metrics.clone()), tasks)
        }
    }

    /// Stops the background tasks. Creates that are still in doubt are resolved after the
    /// next start.
    pub async fn stop(self) {
        drop(self.stopped);
        for (_, task) in self.background {
            // They stop on cancellation; their results are irrelevant.
            let _ = task.await;
        }
    }
}

/// Starts the pacers, the two resolvers and the scan.
fn background(
    process: &Process,
    parts: reconcile::Parts,
    config: &Config,
    completeness: watch::Sender<Completeness>,
    stopped: &CancellationToken,
) -> Background {
    let Config { upstream, resolution, scan, ledger, .. } = config;
    let scan_config = ScanConfig {
        interval: scan.interval,
        calls_per_second: upstream.calls_per_second,
        retention: ledger.request_id_retention,
        visible_after: resolution.retry_after,
    };
    let pacers = parts.pacers.clone();
    let resolver = Resolver::new(parts.clone(), resolution.clone(), upstream.calls_per_second);
    let deletes =
        DeleteResolver::new(parts.clone(), resolution.retry_after, upstream.calls_per_second);
    let access = AccessCheck::new(parts.clone());
    let scan = Scan::new(parts, scan_config, completeness);
    vec![
        ("pacers", process.spawn(pacers.run(stopped.clone()))),
        ("resolver", process.spawn(resolver.run(stopped.clone()))),
        ("delete resolver", process.spawn(deletes.run(stopped.clone()))),
        ("scan", process.spawn(scan.run(stopped.clone()))),
        ("access check", process.spawn(access.run(stopped.clone()))),
    ]
}
