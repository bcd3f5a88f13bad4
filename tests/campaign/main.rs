//! The gateway under faults, kills and losses: the real binary against an emulator of AWS,
//! and then a comparison of callers, ledger and AWS. `docs/faults.md` describes how to run
//! it and its results.

#![allow(clippy::disallowed_methods, reason = "tests measure real time")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "all of it is a test")]

mod aws;
mod bare_sdk;
mod callers;
mod draws;
mod faults;
mod gateway;
mod rebuild;
mod recovery;
mod truth;

use std::{env, io::Write, str::FromStr};

use tokio::sync::Mutex;

/// The tests run one at a time, because each measures times.
static ALONE: Mutex<()> = Mutex::const_new(());

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_created_twice_lost_or_leaked() {
    let _alone = ALONE.lock().await;
    faults::campaign().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_ledger_is_rebuilt_from_aws_alone() {
    let _alone = ALONE.lock().await;
    rebuild::rebuild().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_in_doubt_creates_are_resolved_after_a_crash() {
    let _alone = ALONE.lock().await;
    recovery::recovery().await;
}

/// Prints also for a test that succeeds. The harness captures the output of macros.
fn say(text: &str) {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{text}").unwrap();
}

fn number_from_environment<N: FromStr>(name: &str, default: N) -> N {
    match env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")),
        Err(_) => default,
    }
}
