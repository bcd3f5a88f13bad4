//! One run: starts the gateway, the callers and the faults of a plan, ends the faults, and
//! compares AWS, the ledger and the callers.

mod comparison;
mod processes;

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use invariants::Invariant;
use ivs_ingest_gateway::{clock::Clock, config::Config, ivs::Sdk};
use ivs_realtime_emulator::{Clock as AwsClock, Emulator, Ids as AwsIds, Settings};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, sleep_until, timeout},
};

use crate::{
    caller::Caller,
    clock::WallClock,
    disk::Disk,
    gateway::{self, Gateway, Running},
    history::{Finding, History},
    network::Network,
    plan::{Fault, Plan, TENANTS},
    random::Draws,
    trace::Trace,
};

/// The rate that AWS allows.
const AWS_RATE: f64 = 5.0;

/// The time between two reads of the ledger while rows are in doubt.
const POLL_INTERVAL: Duration = Duration::from_secs(20);

/// The time in which every row must be resolved after the last call has ended, in addition to
/// `settle.give_up_after_ms` and to the steps of the clock: a lease, and a round of probes.
const LONGEST_RESOLUTION: Duration = Duration::from_mins(3);

/// The time of two scans of AWS, which adopt or delete configurations without a row.
const TWO_SCANS: Duration = Duration::from_secs(150);

/// The virtual time after which a run is stuck.
const LONGEST_RUN: Duration = Duration::from_hours(6);

/// The result of a run.
#[derive(Debug, Clone)]
pub struct Report {
    /// The broken promises.
    pub findings: Vec<Finding>,
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
    /// The faults that had an effect, by their kind.
    pub faults: BTreeMap<String, u64>,
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
        let _log = trace.collect_log();
        let mut simulation = Simulation::new(plan, trace).await?;
        match timeout(LONGEST_RUN, simulation.run()).await {
            Ok(result) => result?,
            Err(_) => simulation.history.violated(Invariant::Liveness, "the run does not end"),
        }
        Ok(simulation.report())
    })
}

/// The gateway and everything around it.
struct Simulation {
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
    is_restored: bool,
}

impl Simulation {
    async fn new(plan: &Plan, trace: Trace) -> io::Result<Self> {
        let clock = WallClock::start();
        let history = History::new(plan, trace.clone());
        // AWS's clock has no steps.
        let aws_clock = WallClock::start();
        let account = |purpose: u64| {
            let clock = aws_clock.clone();
            Emulator::new(Settings {
                calls_per_second: AWS_RATE,
                max_page_size: plan.page_size,
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
        let stages: Vec<_> = stages.collect();
        history.set_stages(stages.clone());
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
            is_restored: false,
        })
    }

    async fn run(&mut self) -> io::Result<()> {
        self.start().await;
        let mut callers = JoinSet::new();
        for plan in &self.plan.callers {
            let caller = Caller {
                plan: plan.clone(),
                stages: self.stages.clone(),
                disk: self.disk.clone(),
                clock: self.clock.clone(),
                gateway: self.gateway.subscribe(),
                history: self.history.clone(),
                trace: self.trace.clone(),
                draws: Draws::new(self.plan.seed, 100 + plan.number),
            };
            callers.spawn(caller.run());
        }
        self.spawn_clock_steps();
        self.end_processes().await?;
        sleep_until(self.trace.began() + self.plan.faults_end).await;
        self.end_faults();
        while let Some(ended) = callers.join_next().await {
            if let Err(error) = ended {
                self.history.violated(Invariant::Liveness, format!("a caller panicked: {error}"));
            }
        }
        self.trace.add(format_args!("the callers have ended"));
        self.resolved().await?;
        sleep_until(self.network.last_execution()).await;
        sleep(TWO_SCANS).await;
        self.compare()
    }

    fn spawn_clock_steps(&self) {
        for fault in &self.plan.faults {
            if let Fault::ClockStep { at, by_ms } = *fault {
                let (clock, trace) = (self.clock.clone(), self.trace.clone());
                tokio::spawn(async move {
                    sleep_until(trace.began() + at).await;
                    trace.count_fault("ClockStep");
                    trace.add(format_args!("the clock steps by {by_ms} ms"));
                    clock.step(by_ms);
                });
            }
        }
    }

    fn end_faults(&self) {
        self.trace.add(format_args!("the faults end"));
        self.network.end_faults();
        self.disk.end_faults();
        self.history.faults_ended();
        let by_ms = self.clock.correct();
        if by_ms != 0 {
            self.trace.add(format_args!("the clock is corrected by {by_ms} ms"));
        }
    }

    /// Waits until no row is in doubt, or until the longest time for that has passed.
    async fn resolved(&self) -> io::Result<()> {
        let longest = self.plan.give_up_after + LONGEST_RESOLUTION + self.plan.clock_steps();
        let latest = self.clock.elapsed() + longest;
        loop {
            let rows = self.disk.rows().map_err(io::Error::other)?;
            if rows.iter().all(invariants::Row::is_resolved) {
                return Ok(());
            }
            if self.clock.elapsed() > latest {
                let detail = format!("in doubt for {longest:?}: {rows:?}");
                self.history.violated(Invariant::Liveness, detail);
                return Ok(());
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    fn report(self) -> Report {
        if self.trace.secrets() > 0 {
            let detail = format!("{} lines have a stream key", self.trace.secrets());
            self.history.violated(Invariant::Secrets, detail);
        }
        Report {
            findings: self.history.findings(),
            hash: self.trace.hash(),
            events: self.trace.count(),
            lines: self.trace.take_lines(),
            creates: self.history.create_calls(),
            executed: self.history.creations(),
            faults: self.trace.faults(),
            longest_call: self.history.longest_call(),
            largest_difference: self.history.largest_difference(),
            took: self.clock.elapsed(),
        }
    }
}
