//! The table that the campaign prints.

use std::sync::atomic::{AtomicUsize, Ordering};

use invariants::Invariant;

use crate::{
    bare_sdk,
    faults::{GatewayResult, Plan},
};

/// The figures of both runs.
pub(crate) fn table(plan: &Plan, outcome: &GatewayResult, bare: &bare_sdk::Outcome) -> String {
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
    line("restores of an earlier copy", count(&tally.restores), none());
    for (name, value) in &outcome.machine {
        line(name, value.to_string(), none());
    }
    line("starts that the disk failed", outcome.failed_starts.to_string(), none());
    line("creates not sent: the disk was slow", outcome.not_sent.to_string(), none());
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
    line("deleted by the caller", findings.deleted.to_string(), none());
    line("  then created again, after a restore", count(&tally.executed_again), none());
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
