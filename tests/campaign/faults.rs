//! The campaign: concurrent callers, faults, cancellations and kills, and then the
//! comparison of all sides.

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
    callers::{End, Tally, Wish},
    draws::Draws,
    gateway::{Gateway, Times, until},
    number_from_environment, say,
    truth::Findings,
};

const TENANTS: usize = 6;
const STAGES_A_TENANT: usize = 2;
const CALLERS: usize = 128;

/// The prefix of the emulator's stream keys.
const STREAM_KEY_PREFIX: &str = "rt_123456789012_us-east-1_";

/// Longest time between two kills.
const LONGEST_LIFE_MS: usize = 2600;

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

    fn wishes(&self, stages: &[String]) -> Vec<Wish> {
        let mut draws = Draws::of(self.seed, 0);
        let wish = |index| {
            // The last tenant requests twice its quota.
            let last = draws.percent(4);
            let tenant = if last { TENANTS - 1 } else { draws.below(TENANTS - 1) };
            let stages = &stages[tenant * STAGES_A_TENANT..][..STAGES_A_TENANT];
            let id = format!("{}-{index}", self.seed);
            Wish::draw(&mut draws, &format!("tenant-{tenant}"), stages, id)
        };
        (0..self.creates).map(wish).collect()
    }
}

/// The result of the campaign through the gateway.
struct Outcome {
    findings: Findings,
    tally: Arc<Tally>,
    kills: usize,
    injected: Vec<(&'static str, u64, u64)>,
    /// Creates that reached AWS.
    sent: u64,
    /// Configurations that AWS created and that were deleted.
    made_and_deleted: u64,
    keys_in_log: usize,
    took: Duration,
}

/// Nothing is created twice, lost or leaked, under all faults and kills.
pub(crate) async fn campaign() {
    let plan = Plan::of_environment();
    say(&format!(
        "\nfault campaign: CAMPAIGN_SEED={} CAMPAIGN_CREATES={} CAMPAIGN_KILLS={}",
        plan.seed, plan.creates, plan.kills
    ));
    let outcome = through_the_gateway(&plan).await;
    let (aws, stages) = Aws::start(0.0, plan.seed, plan.stages());
    aws.inject_faults();
    let attempt = Duration::from_millis(Times::default().attempt_timeout_ms);
    let bare = bare_sdk::run(&aws, plan.wishes(&stages), attempt).await;
    say(&table(&plan, &outcome, &bare));

    let Outcome { findings, .. } = outcome;
    assert!(findings.wrong.is_empty(), "wrong responses: {:#?}", findings.wrong);
    assert_eq!(findings.duplicates, 0, "duplicates");
    assert!(findings.lost.is_empty(), "lost: {:#?}", findings.lost);
    assert!(findings.leaked.is_empty(), "leaked: {:#?}", findings.leaked);
    assert_eq!(findings.tenants_that_differ(), 0, "(ledger, AWS): {:#?}", findings.tenants);
    assert_eq!(outcome.made_and_deleted, 0, "made twice, and deleted since");
    assert_eq!(outcome.keys_in_log, 0, "stream keys in the log");
    assert!(bare.live > bare.acknowledged, "the faults do no harm: the campaign shows nothing");
}

async fn through_the_gateway(plan: &Plan) -> Outcome {
    let began = Instant::now();
    let (aws, stages) = Aws::start(0.0, plan.seed, plan.stages());
    let mut draws = Draws::of(plan.seed, 1);
    let mut gateway = Gateway::new(&aws, &Times::default(), &plan.tenants(), &mut draws);
    gateway.start();
    gateway.ready().await;
    aws.inject_faults();

    let wishes: Arc<[Wish]> = plan.wishes(&stages).into();
    let tally = Arc::new(Tally::default());
    let taken = Arc::new(AtomicUsize::new(0));
    // Each kill starts a part of the creates, and waits for them to begin. So the kills
    // are spread over all creates, and none hits an idle gateway.
    let (allow, allowed) = watch::channel(0);
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let client = gateway.client();
        let mut draws = Draws::of(plan.seed, 2 + caller as u64);
        let (wishes, tally) = (Arc::clone(&wishes), Arc::clone(&tally));
        let (taken, mut allowed) = (Arc::clone(&taken), allowed.clone());
        callers.spawn(async move {
            let mut ends = Vec::new();
            loop {
                let index = taken.fetch_add(1, Ordering::Relaxed);
                let Some(wish) = wishes.get(index) else { return ends };
                allowed.wait_for(|allowed| index < *allowed).await.unwrap();
                ends.push((wish.clone(), wish.carry_out(&client, &mut draws, &tally).await));
            }
        });
    }

    for kill in 0..plan.kills {
        allow.send_replace(plan.creates * (kill + 1) / plan.kills);
        // The time of the kill is random, so this sleep waits for no event.
        tokio::time::sleep(draws.ms(20, LONGEST_LIFE_MS)).await;
        let due = plan.creates * kill / plan.kills;
        until("the callers keep up", async || taken.load(Ordering::Relaxed) >= due).await;
        gateway.kill().await;
        gateway.start();
    }
    allow.send_replace(plan.creates);
    until("every create has begun", async || taken.load(Ordering::Relaxed) >= plan.creates).await;
    aws.control().clear_faults().unwrap();
    let ends: Vec<(Wish, End)> = callers.join_all().await.into_iter().flatten().collect();
    gateway.resolved().await;
    gateway.stop().await;

    let held = aws.held();
    let creates = aws.calls(Operation::CreateIngestConfiguration);
    assert!(held.iter().all(|held| held.stream_key.starts_with(STREAM_KEY_PREFIX)));
    Outcome {
        findings: Findings::of(&ends, &held, &gateway.rows()),
        tally,
        kills: plan.kills,
        injected: aws.injected(),
        sent: creates.calls,
        made_and_deleted: creates.executed - held.len() as u64,
        keys_in_log: gateway.log().matches(STREAM_KEY_PREFIX).count(),
        took: began.elapsed(),
    }
}

fn table(plan: &Plan, outcome: &Outcome, bare: &bare_sdk::Outcome) -> String {
    let Outcome { findings, tally, .. } = outcome;
    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed).to_string();
    let mut lines = vec![row("", "gateway", "bare SDK")];
    let mut line = |name: &str, gateway: String, bare: String| {
        lines.push(row(name, &gateway, &bare));
    };
    let none = || "-".to_owned();
    line("creates", plan.creates.to_string(), plan.creates.to_string());
    line("calls by the callers", count(&tally.calls), bare.calls.to_string());
    line("  cancelled", count(&tally.cancelled), none());
    line("  answered by a replay", count(&tally.replayed), none());
    line("kills (SIGKILL)", outcome.kills.to_string(), none());
    line("faults, on creates + on other calls", String::new(), String::new());
    for ((kind, creates, others), (_, bare_creates, _)) in
        outcome.injected.iter().zip(&bare.injected)
    {
        line(&format!("  {kind}"), format!("{creates} + {others}"), bare_creates.to_string());
    }
    line("creates sent to AWS", outcome.sent.to_string(), bare.sent.to_string());
    line("acknowledged", findings.acknowledged.to_string(), bare.acknowledged.to_string());
    line("refused: quota", findings.refused.to_string(), none());
    line("abandoned, and never made", findings.abandoned.to_string(), none());
    line("abandoned, created and resolved", findings.resolved.to_string(), none());
    line("live at AWS", findings.live.to_string(), bare.live.to_string());
    line(
        "duplicates",
        findings.duplicates.to_string(),
        (bare.live - bare.acknowledged).to_string(),
    );
    line("  made, and deleted since", outcome.made_and_deleted.to_string(), none());
    line("lost", findings.lost.len().to_string(), bare.lost.to_string());
    line("leaked quota", findings.leaked.len().to_string(), none());
    let differ = format!("{} of {}", findings.tenants_that_differ(), findings.tenants.len());
    line("tenants whose quota is not the truth", differ, none());
    line("stream keys in the log", outcome.keys_in_log.to_string(), none());
    line("seconds", format!("{:.1}", outcome.took.as_secs_f64()), none());
    lines.concat()
}

fn row(name: &str, gateway: &str, bare: &str) -> String {
    format!("{name:<38}{gateway:>14}{bare:>12}\n")
}
