//! The campaign: concurrent callers, faults of AWS, of the disk and of the clock, cancellations,
//! kills and restores of the ledger, and then the comparison of all sides.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use ivs_realtime_emulator::Operation;
use tokio::{sync::watch, task::JoinSet};

use crate::{
    aws::Aws,
    bare_sdk,
    callers::{Job, Outcome, Tally},
    disturbances::Disturbances,
    draws::Draws,
    gateway::{Gateway, GatewaySettings, until},
    machine::{Counter, Machine},
    number_from_environment, print,
    report::table,
    restores::{KILLS_PER_RESTORE, Restores},
    truth::Findings,
};

const TENANTS: usize = 6;
const STAGES_A_TENANT: usize = 2;
const CALLERS: usize = 128;

/// The prefix of the emulator's stream keys.
const STREAM_KEY_PREFIX: &str = "rt_123456789012_us-east-1_";

/// The longest time that is drawn between a start of the gateway and most of its kills.
const MAX_UPTIME_MS: usize = 2600;

/// The longest one of the others. In this time the gateway compares a restored ledger with AWS,
/// and finds out that a create is absent.
const MAX_LONG_UPTIME_MS: usize = 7000;

/// The line of the log about a create whose record took too long.
const NOT_SENT: &str = "the disk is slow: a create was not sent";

/// The number of creates and kills, and the seed.
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) creates: usize,
    pub(crate) kills: usize,
}

impl Plan {
    fn of_environment() -> Self {
        let now = std::time::UNIX_EPOCH.elapsed().unwrap();
        let seed = u64::from(now.subsec_nanos());
        Self {
            seed: number_from_environment("CAMPAIGN_SEED", seed),
            creates: number_from_environment("CAMPAIGN_CREATES", 1200),
            kills: number_from_environment("CAMPAIGN_KILLS", 30),
        }
    }

    /// The tenants and their quotas. Each quota is sufficient for the creates of its tenant,
    /// except that of the last tenant.
    fn tenants(&self) -> Vec<(String, usize)> {
        let name = |tenant| format!("tenant-{tenant}");
        let mut tenants: Vec<_> = (0..TENANTS).map(|tenant| (name(tenant), self.creates)).collect();
        tenants[TENANTS - 1].1 = self.creates / 50;
        tenants
    }

    fn stages(&self) -> Vec<(String, String)> {
        let of = |(tenant, _): (String, usize)| {
            (0..STAGES_A_TENANT).map(move |stage| (format!("{tenant}-{stage}"), tenant.clone()))
        };
        self.tenants().into_iter().flat_map(of).collect()
    }

    fn jobs(&self, stages: &[String]) -> Vec<Job> {
        let mut draws = Draws::of(self.seed, 0);
        let job = |index| {
            // On average the last tenant requests twice its quota.
            let last = draws.percent(4);
            let tenant = if last { TENANTS - 1 } else { draws.below(TENANTS - 1) };
            let stages = &stages[tenant * STAGES_A_TENANT..][..STAGES_A_TENANT];
            let id = format!("{}-{index}", self.seed);
            Job::draw(&mut draws, &format!("tenant-{tenant}"), stages, id)
        };
        (0..self.creates).map(job).collect()
    }
}

/// The result of the campaign through the gateway.
pub(crate) struct GatewayResult {
    pub(crate) findings: Findings,
    pub(crate) tally: Arc<Tally>,
    pub(crate) kills: usize,
    /// Creates that the gateway did not send because the disk was slow.
    pub(crate) not_sent: usize,
    /// Starts of the gateway that the disk failed.
    pub(crate) failed_starts: usize,
    /// The faults of the disk and of the clock, with their names in the report.
    pub(crate) machine: Vec<(&'static str, i64)>,
    pub(crate) injected: Vec<(&'static str, u64, u64)>,
    /// Creates that reached AWS.
    pub(crate) sent: u64,
    /// Configurations that AWS created, that no longer exist, and that no caller has deleted.
    pub(crate) created_and_deleted: i64,
    pub(crate) keys_in_log: usize,
    pub(crate) took: Duration,
    /// Keeps its ledger and its log if the test fails.
    _gateway: Gateway,
}

/// Nothing is created twice, lost or leaked, under all faults and kills.
pub(crate) async fn campaign() {
    let plan = Plan::of_environment();
    print(&format!(
        "\nfault campaign: CAMPAIGN_SEED={} CAMPAIGN_CREATES={} CAMPAIGN_KILLS={}",
        plan.seed, plan.creates, plan.kills
    ));
    let outcome = through_the_gateway(&plan).await;
    let (aws, stages) = Aws::start(0.0, plan.seed, plan.stages());
    aws.inject_faults();
    let attempt = Duration::from_millis(GatewaySettings::default().attempt_timeout_ms);
    let bare = bare_sdk::run(&aws, plan.jobs(&stages), attempt).await;
    print(&table(&plan, &outcome, &bare));

    let GatewayResult { findings, .. } = &outcome;
    assert!(findings.wrong.is_empty(), "wrong responses: {:#?}", findings.wrong);
    assert_eq!(findings.violations, [], "broken promises");
    assert_eq!(findings.tenants_that_differ(), 0, "(ledger, AWS): {:#?}", findings.tenants);
    assert_eq!(outcome.created_and_deleted, 0, "configurations that were created and then deleted");
    assert_eq!(outcome.keys_in_log, 0, "stream keys in the log");
    let never = outcome.machine.iter().filter(|(_, count)| *count == 0);
    assert_eq!(never.collect::<Vec<_>>(), [&("", 0); 0], "faults that never hit the gateway");
    let restores = plan.kills / KILLS_PER_RESTORE;
    assert!(outcome.tally.restores.load(Ordering::Relaxed) >= restores, "too few restores");
    assert!(
        bare.live > bare.acknowledged,
        "the bare SDK made no duplicates, so this run's faults prove nothing"
    );
}

async fn through_the_gateway(plan: &Plan) -> GatewayResult {
    let began = Instant::now();
    let (aws, stages) = Aws::start(0.0, plan.seed, plan.stages());
    let mut draws = Draws::of(plan.seed, 1);
    let mut gateway = Gateway::new(&aws, &GatewaySettings::default(), &plan.tenants(), &mut draws);
    let machine = gateway.control_machine();
    let disturbances = Disturbances::of(Arc::clone(&machine));
    gateway.start();
    gateway.ready().await;
    gateway.assert_controlled();
    aws.inject_faults();

    let jobs: Arc<[Job]> = plan.jobs(&stages).into();
    let tally = Arc::new(Tally::default());
    let taken = Arc::new(AtomicUsize::new(0));
    // Before each kill the next part of the creates may begin, and all earlier parts must
    // have begun. So the kills are spread over all creates, and few hit an idle gateway.
    let (allow, allowed) = watch::channel(0);
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let client = gateway.client();
        let mut draws = Draws::of(plan.seed, 2 + caller as u64);
        let (jobs, tally) = (Arc::clone(&jobs), Arc::clone(&tally));
        let (taken, mut allowed) = (Arc::clone(&taken), allowed.clone());
        callers.spawn(async move {
            let mut outcomes = Vec::new();
            loop {
                let index = taken.fetch_add(1, Ordering::Relaxed);
                let Some(job) = jobs.get(index) else { return outcomes };
                allowed.wait_for(|allowed| index < *allowed).await.unwrap();
                outcomes.push((job.clone(), job.run(&client, &mut draws, &tally).await));
            }
        });
    }

    let disturbed = disturbances.run(Draws::of(plan.seed, u64::MAX));
    tokio::select! {
        () = disturbed => unreachable!("it is endless"),
        () = kills(plan, &mut gateway, &mut draws, &tally, &taken, &allow) => {}
    }
    disturbances.end();
    gateway.supervise();
    aws.control().clear_faults().unwrap();
    tally.faults_ended.set(Instant::now()).unwrap();
    let outcomes: Vec<(Job, Outcome)> = callers.join_all().await.into_iter().flatten().collect();
    gateway.resolved().await;
    gateway.stop().await;

    let configurations = aws.configurations();
    let creates = aws.calls(Operation::CreateIngestConfiguration);
    let deleted = tally.deleted.load(Ordering::Relaxed);
    assert!(configurations.iter().all(|at_aws| at_aws.stream_key.starts_with(STREAM_KEY_PREFIX)));
    GatewayResult {
        findings: Findings::of(&outcomes, &configurations, &gateway.ledger.rows()),
        kills: plan.kills,
        not_sent: gateway.log().matches(NOT_SENT).count(),
        failed_starts: gateway.failed_starts,
        machine: counts(&machine, &disturbances),
        injected: aws.injected(),
        sent: creates.calls,
        created_and_deleted: creates.executed.cast_signed()
            - number(configurations.len() + deleted),
        keys_in_log: gateway.log().matches(STREAM_KEY_PREFIX).count(),
        took: began.elapsed(),
        tally,
        _gateway: gateway,
    }
}

/// Kills and restarts the gateway while the callers create. Some restarts have an earlier copy of
/// the ledger.
async fn kills(
    plan: &Plan,
    gateway: &mut Gateway,
    draws: &mut Draws,
    tally: &Tally,
    taken: &AtomicUsize,
    allow: &watch::Sender<usize>,
) {
    let mut restores = Restores::new(Draws::of(plan.seed, u64::MAX - 1));
    for kill in 0..plan.kills {
        allow.send_replace(plan.creates * (kill + 1) / plan.kills);
        // The time of the kill is random, so there is no event to wait for.
        let uptime = if draws.percent(85) {
            draws.ms(20, MAX_UPTIME_MS)
        } else {
            draws.ms(MAX_UPTIME_MS, MAX_LONG_UPTIME_MS)
        };
        let (started, due) = (Instant::now(), plan.creates * kill / plan.kills);
        until("the uptime is over, and all earlier parts have begun", async || {
            gateway.supervise();
            started.elapsed() >= uptime && taken.load(Ordering::Relaxed) >= due
        })
        .await;
        restores.before_kill(kill, gateway);
        gateway.kill().await;
        restores.after_kill(kill, gateway, tally);
        gateway.start();
    }
    allow.send_replace(plan.creates);
    until("every create has begun", async || {
        gateway.supervise();
        taken.load(Ordering::Relaxed) >= plan.creates
    })
    .await;
}

/// The faults of the machine, with their names in the report.
fn counts(machine: &Machine, disturbances: &Disturbances) -> Vec<(&'static str, i64)> {
    vec![
        ("failed syncs (EIO)", machine.count(Counter::FailedSyncs)),
        ("failed writes (ENOSPC)", machine.count(Counter::FailedWrites)),
        ("stalled syncs", machine.count(Counter::StalledSyncs)),
        ("  for more than a second", machine.count(Counter::LongStalls)),
        ("steps of the clock", number(disturbances.clock_steps.load(Ordering::Relaxed))),
    ]
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap()
}
