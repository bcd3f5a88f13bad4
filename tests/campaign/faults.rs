//! The campaign: concurrent callers, faults, cancellations and kills, and then the
//! comparison of all sides.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use invariants::Invariant;
use ivs_realtime_emulator::Operation;
use tokio::{sync::watch, task::JoinSet};

use crate::{
    aws::Aws,
    bare_sdk,
    callers::{Job, Outcome, Tally},
    draws::Draws,
    gateway::{Gateway, GatewaySettings, until},
    number_from_environment, print,
    truth::Findings,
};

const TENANTS: usize = 6;
const STAGES_A_TENANT: usize = 2;
const CALLERS: usize = 128;

/// The prefix of the emulator's stream keys.
const STREAM_KEY_PREFIX: &str = "rt_123456789012_us-east-1_";

/// The longest time that is drawn between a start of the gateway and its kill.
const MAX_UPTIME_MS: usize = 2600;

/// The number of creates and kills, and the seed.
struct Plan {
    seed: u64,
    creates: usize,
    kills: usize,
}

impl Plan {
    fn of_environment() -> Self {
        let now = std::time::UNIX_EPOCH.elapsed().unwrap();
        let seed = u64::from(now.subsec_nanos());
        Self {
            seed: number_from_environment("CAMPAIGN_SEED", seed),
            creates: number_from_environment("CAMPAIGN_CREATES", 2000),
            kills: number_from_environment("CAMPAIGN_KILLS", 50),
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
struct GatewayResult {
    findings: Findings,
    tally: Arc<Tally>,
    kills: usize,
    injected: Vec<(&'static str, u64, u64)>,
    /// Creates that reached AWS.
    sent: u64,
    /// Configurations that AWS created and that no longer exist.
    created_and_deleted: u64,
    keys_in_log: usize,
    took: Duration,
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

    let GatewayResult { findings, .. } = outcome;
    assert!(findings.wrong.is_empty(), "wrong responses: {:#?}", findings.wrong);
    assert_eq!(findings.violations, [], "broken promises");
    assert_eq!(findings.tenants_that_differ(), 0, "(ledger, AWS): {:#?}", findings.tenants);
    assert_eq!(outcome.created_and_deleted, 0, "configurations that were created and then deleted");
    assert_eq!(outcome.keys_in_log, 0, "stream keys in the log");
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
    gateway.start();
    gateway.ready().await;
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

    for kill in 0..plan.kills {
        allow.send_replace(plan.creates * (kill + 1) / plan.kills);
        // The time of the kill is random, so there is no event to wait for.
        tokio::time::sleep(draws.ms(20, MAX_UPTIME_MS)).await;
        let due = plan.creates * kill / plan.kills;
        until("all earlier parts have begun", async || taken.load(Ordering::Relaxed) >= due).await;
        gateway.kill().await;
        gateway.start();
    }
    allow.send_replace(plan.creates);
    until("every create has begun", async || taken.load(Ordering::Relaxed) >= plan.creates).await;
    aws.control().clear_faults().unwrap();
    let outcomes: Vec<(Job, Outcome)> = callers.join_all().await.into_iter().flatten().collect();
    gateway.resolved().await;
    gateway.stop().await;

    let configurations = aws.configurations();
    let creates = aws.calls(Operation::CreateIngestConfiguration);
    assert!(configurations.iter().all(|at_aws| at_aws.stream_key.starts_with(STREAM_KEY_PREFIX)));
    GatewayResult {
        findings: Findings::of(&outcomes, &configurations, &gateway.rows()),
        tally,
        kills: plan.kills,
        injected: aws.injected(),
        sent: creates.calls,
        created_and_deleted: creates.executed - configurations.len() as u64,
        keys_in_log: gateway.log().matches(STREAM_KEY_PREFIX).count(),
        took: began.elapsed(),
    }
}

fn table(plan: &Plan, outcome: &GatewayResult, bare: &bare_sdk::Outcome) -> String {
    let GatewayResult { findings, tally, .. } = outcome;
    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed).to_string();
    let mut lines = vec![row("", "gateway", "bare SDK")];
    let mut line = |name: &str, gateway: String, bare: String| {
        lines.push(row(name, &gateway, &bare));
    };
    let none = || "-".to_owned();
    line("creates", plan.creates.to_string(), plan.creates.to_string());
    line("calls by the callers", count(&tally.calls), bare.calls.to_string());
    line("  cancelled", count(&tally.cancelled), none());
    line("  replayed responses", count(&tally.replayed), none());
    line("kills (SIGKILL)", outcome.kills.to_string(), none());
    line("faults, on creates + on other calls", String::new(), String::new());
    for ((kind, creates, others), (_, bare_creates, _)) in
        outcome.injected.iter().zip(&bare.injected)
    {
        line(&format!("  {kind}"), format!("{creates} + {others}"), bare_creates.to_string());
    }
    line("creates sent to AWS", outcome.sent.to_string(), bare.sent.to_string());
    line("acknowledged", findings.acknowledged.to_string(), bare.acknowledged.to_string());
    line("rejected: quota", findings.rejected.to_string(), none());
    line("abandoned, not created", findings.abandoned.to_string(), none());
    line("abandoned, created", findings.resolved.to_string(), none());
    line("live at AWS", findings.live.to_string(), bare.live.to_string());
    line(
        "duplicates",
        findings.count(Invariant::OneConfiguration).to_string(),
        (bare.live - bare.acknowledged).to_string(),
    );
    line("  created, then deleted", outcome.created_and_deleted.to_string(), none());
    let lost = findings.count(Invariant::KeyStaysValid);
    line("lost", lost.to_string(), bare.lost.to_string());
    let rejected = findings.count(Invariant::ErrorsAreTrue);
    line("rejected, but created", rejected.to_string(), none());
    line("leaked quota", findings.count(Invariant::QuotaIsTrue).to_string(), none());
    let differ = format!("{} of {}", findings.tenants_that_differ(), findings.tenants.len());
    line("tenants whose quota use is wrong", differ, none());
    line("stream keys in the log", outcome.keys_in_log.to_string(), none());
    line("seconds", format!("{:.1}", outcome.took.as_secs_f64()), none());
    lines.concat()
}

fn row(name: &str, gateway: &str, bare: &str) -> String {
    format!("{name:<38}{gateway:>14}{bare:>12}\n")
}
