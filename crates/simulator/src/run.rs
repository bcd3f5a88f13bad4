//! One run: starts the gateway, the callers and the faults of a plan, heals everything, and
//! compares AWS, the ledger and the callers.

mod comparison;

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use invariants::{Invariant, Violation};
use ivs_ingest_gateway::{clock::Clock, config::Config, ids::Ids, ivs::Sdk};
use ivs_realtime_emulator::{Clock as AwsClock, Emulator, Ids as AwsIds, Settings};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, sleep_until},
};

use crate::{
    caller::Caller,
    clock::WallClock,
    disk::Disk,
    gateway::{self, Gateway, Running},
    history::History,
    network::Network,
    plan::{Fault, Plan, TENANTS},
    random::Draws,
    trace::Trace,
};

/// The rate that AWS allows.
const AWS_RATE: f64 = 5.0;

/// The time between two attempts to start, as a supervisor of processes waits.
const RESTART: Duration = Duration::from_secs(2);

/// The time between two looks at the ledger while it heals.
const LOOK: Duration = Duration::from_secs(20);

/// The time in which everything must be resolved after the last fault and the last call, in
/// addition to `settle.give_up_after_ms`: a lease, and the probes of a round.
const HEALING: Duration = Duration::from_mins(3);

/// The time of two scans of AWS, which find what no row knows.
const TWO_SCANS: Duration = Duration::from_secs(150);

/// The result of a run.
#[derive(Debug, Clone)]
pub struct Report {
    /// The broken promises.
    pub violations: Vec<Violation>,
    /// The hash of the trace.
    pub hash: u64,
    /// The number of events of the trace.
    pub events: u64,
    /// The lines of the trace, if they were wanted.
    pub lines: Vec<String>,
    /// The create requests that callers sent, with their repetitions.
    pub creates: u64,
    /// The creates that AWS executed.
    pub executed: usize,
    /// The crashes.
    pub crashes: u32,
    /// The faults injected into calls.
    pub faults: u32,
    /// The longest time from the end of the faults until a call had an outcome.
    pub longest_call: Duration,
    /// The largest difference of the shares of two tenants that waited at the same time.
    pub largest_difference: f64,
    /// The virtual time of the run.
    pub took: Duration,
}

/// Runs the plan in virtual time, on this thread. Keeps the lines of the trace if `keeps_lines`.
///
/// # Errors
/// The disk or the runtime cannot be made.
pub fn run(plan: &Plan, keeps_lines: bool) -> io::Result<Report> {
    run_slowly(plan, keeps_lines, Duration::ZERO)
}

/// Runs the plan as [`run`] does, but each event of the trace takes `slowness` of real time,
/// which must not change the result.
///
/// # Errors
/// The disk or the runtime cannot be made.
pub fn run_slowly(plan: &Plan, keeps_lines: bool, slowness: Duration) -> io::Result<Report> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(async {
        let trace = Trace::begin(keeps_lines, slowness);
        let _log = log_to(&trace);
        let world = World::new(plan, trace).await?;
        world.run().await
    })
}

/// Makes the log of the gateway part of the trace.
fn log_to(trace: &Trace) -> tracing::subscriber::DefaultGuard {
    let trace = trace.clone();
    let writer = move || LogWriter(trace.clone());
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .without_time()
        .with_ansi(false)
        .with_target(false)
        .with_writer(writer)
        .finish();
    tracing::subscriber::set_default(subscriber)
}

struct LogWriter(Trace);

impl io::Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.add(format_args!("log {}", String::from_utf8_lossy(line).trim_end()));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Everything around the gateway.
struct World {
    plan: Plan,
    trace: Trace,
    clock: WallClock,
    history: History,
    network: Network,
    account: Emulator,
    stages: Vec<String>,
    disk: Disk,
    config: Config,
    sdk: Sdk,
    running: Arc<Mutex<Option<Running>>>,
    gateway: watch::Sender<Option<Gateway>>,
    starts: u64,
    crashes: u32,
}

impl World {
    async fn new(plan: &Plan, trace: Trace) -> io::Result<Self> {
        let clock = WallClock::start();
        let history = History::new(plan, trace.clone());
        // AWS's clock has no steps.
        let aws_clock = WallClock::start();
        let account = |purpose: u64| {
            let clock = aws_clock.clone();
            Emulator::new(Settings {
                calls_per_second: AWS_RATE,
                clock: AwsClock::new(move || clock.now()),
                ids: AwsIds::seeded(Draws::new(plan.seed, purpose).next()),
                ..Settings::for_tests()
            })
        };
        let accounts = [account(4), account(5)];
        let stages = TENANTS.iter().map(|tenant| {
            let tags = BTreeMap::from([("tenant".to_owned(), tenant.id.to_owned())]);
            accounts[0].create_stage(tenant.id, tags)
        });
        let stages = stages.collect();
        let account = accounts[0].clone();
        let network = Network::new(plan, accounts, history.clone(), trace.clone(), clock.clone());
        let disk = Disk::new(plan, trace.clone())?;
        let config = gateway::config(plan).map_err(io::Error::other)?;
        let wall = clock.clone();
        let signing = Clock::with_wall(move || wall.now());
        let sdk = gateway::sdk(&config, &network, signing).await.map_err(io::Error::other)?;
        Ok(Self {
            plan: plan.clone(),
            trace,
            clock,
            history,
            network,
            account,
            stages,
            disk,
            config,
            sdk,
            running: Arc::default(),
            gateway: watch::channel(None).0,
            starts: 0,
            crashes: 0,
        })
    }

    async fn run(mut self) -> io::Result<Report> {
        self.start().await;
        let mut callers = JoinSet::new();
        for (number, plan) in self.plan.callers.iter().enumerate() {
            let caller = Caller {
                number,
                plan: plan.clone(),
                stage_arn: self.stages[plan.tenant].clone(),
                gateway: self.gateway.subscribe(),
                history: self.history.clone(),
                trace: self.trace.clone(),
                draws: Draws::new(self.plan.seed, 100 + number as u64),
            };
            callers.spawn(caller.run());
        }
        self.spawn_clock_steps();
        self.end_processes().await;
        sleep_until(self.trace.began() + self.plan.faults_end).await;
        self.trace.add(format_args!("the faults end"));
        self.network.heal();
        self.disk.heal();
        let by_ms = self.clock.correct();
        if by_ms != 0 {
            self.trace.add(format_args!("the clock is corrected by {by_ms} ms"));
        }
        while let Some(ended) = callers.join_next().await {
            if let Err(error) = ended {
                self.history.violated(Invariant::Liveness, format!("a caller panicked: {error}"));
            }
        }
        self.trace.add(format_args!("the callers have ended"));
        self.heal().await?;
        self.compare()?;
        Ok(self.report())
    }

    /// Starts the gateway, as often as that takes.
    async fn start(&mut self) {
        loop {
            self.starts += 1;
            let ids = Ids::seeded(Draws::new(self.plan.seed, 1000 + self.starts).next());
            let started =
                Running::start(&self.config, self.sdk.clone(), &self.disk, &self.clock, ids);
            match started.await {
                Ok(running) => {
                    self.trace.add(format_args!("the gateway starts"));
                    self.check_recorded();
                    self.gateway.send_replace(Some(running.gateway.clone()));
                    *self.running() = Some(running);
                    return;
                }
                Err(error) => self.trace.add(format_args!("the gateway cannot start: {error}")),
            }
            sleep(RESTART).await;
        }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Carries out the faults that end the process, in their order.
    async fn end_processes(&mut self) {
        let mut ends = self.plan.faults.clone();
        ends.retain(|fault| time_of(fault).is_some());
        ends.sort_by_key(time_of);
        for fault in ends {
            let Some(at) = time_of(&fault) else { continue };
            sleep_until(self.trace.began() + at).await;
            match fault {
                Fault::Crash { polls, down, .. } => {
                    self.crash(polls).await;
                    sleep(down).await;
                    self.start().await;
                }
                Fault::Restore { copied, at, down } => {
                    self.trace.add(format_args!("the ledger is copied"));
                    self.disk.back_up().unwrap_or_default();
                    sleep(at.saturating_sub(copied)).await;
                    self.crash(0).await;
                    self.trace.add(format_args!("the copy of the ledger is restored"));
                    self.disk.restore().unwrap_or_default();
                    sleep(down).await;
                    self.start().await;
                }
                Fault::SecondProcess { .. } => {
                    let ids = Ids::seeded(self.plan.seed);
                    let sdk = self.sdk.clone();
                    let second =
                        Running::start(&self.config, sdk, &self.disk, &self.clock, ids).await;
                    match second {
                        Ok(_) => self.history.violated(Invariant::OneProcess, "a second one runs"),
                        Err(error) => {
                            // The folder has a random name.
                            let error = error.rsplit_once('/').map_or(&*error, |(_, end)| end);
                            self.trace.add(format_args!("a second process: {error}"));
                        }
                    }
                }
                _ => {}
            }
        }
    }

    async fn crash(&mut self, polls: u32) {
        let running = self.running().take();
        if let Some(running) = running {
            running.crash(polls).await;
            self.crashes += 1;
            self.gateway.send_replace(None);
            self.trace.add(format_args!("the gateway crashes"));
        }
    }

    fn spawn_clock_steps(&self) {
        for fault in &self.plan.faults {
            if let Fault::ClockStep { at, by_ms } = *fault {
                let (clock, trace) = (self.clock.clone(), self.trace.clone());
                tokio::spawn(async move {
                    sleep_until(trace.began() + at).await;
                    trace.add(format_args!("the clock steps by {by_ms} ms"));
                    clock.step(by_ms);
                });
            }
        }
    }

    /// Waits until nothing is in doubt.
    async fn heal(&self) -> io::Result<()> {
        let latest = self.clock.elapsed() + self.plan.give_up_after + HEALING;
        loop {
            let rows = self.disk.rows().map_err(io::Error::other)?;
            let mut unresolved = rows.iter().filter(|row| !row.is_resolved).peekable();
            if unresolved.peek().is_none() {
                break;
            }
            if self.clock.elapsed() > latest {
                for row in unresolved {
                    self.history.violated(Invariant::Liveness, format!("in doubt: {row:?}"));
                }
                break;
            }
            sleep(LOOK).await;
        }
        sleep(TWO_SCANS).await;
        Ok(())
    }

    fn report(self) -> Report {
        let lines = self.trace.take_lines();
        let keys = self.account.snapshot().ingest_configurations;
        let mut keys = keys.iter().flat_map(|it| &it.stream_keys);
        if let Some(key) = keys.find(|key| lines.iter().any(|line| line.contains(key.as_str()))) {
            self.history.violated(Invariant::Secrets, format!("a key of {} bytes", key.len()));
        }
        Report {
            violations: self.history.violations(),
            hash: self.trace.hash(),
            events: self.trace.count(),
            lines,
            creates: self.history.create_calls(),
            executed: self.history.creations(),
            crashes: self.crashes,
            faults: self.network.injected(),
            longest_call: self.history.longest_call(),
            largest_difference: self.history.largest_difference(),
            took: self.clock.elapsed(),
        }
    }
}

fn time_of(fault: &Fault) -> Option<Duration> {
    match fault {
        Fault::Crash { at, .. }
        | Fault::SecondProcess { at }
        | Fault::Restore { copied: at, .. } => Some(*at),
        _ => None,
    }
}
