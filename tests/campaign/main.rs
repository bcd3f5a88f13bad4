//! Runs the gateway's binary against an emulator of AWS, under faults, kills and a loss of
//! the ledger. Then compares the responses to callers, the ledger and AWS. `docs/faults.md`
//! describes how to run it and its results.

#![allow(clippy::disallowed_methods, reason = "tests measure real time")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "all of it is a test")]

mod aws;
mod bare_sdk;
mod callers;
mod deletes;
mod disturbances;
mod draws;
mod faults;
mod gateway;
mod ledger_file;
mod machine;
mod readiness;
mod rebuild;
mod recovery;
mod report;
mod restores;
mod truth;

use std::{env, io::Write, str::FromStr};

use tokio::sync::Mutex;

/// The tests run one at a time, because each measures times.
static EXCLUSIVE: Mutex<()> = Mutex::const_new(());

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_created_twice_lost_or_leaked() {
    let _exclusive = EXCLUSIVE.lock().await;
    faults::campaign().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_ledger_is_rebuilt_from_aws_alone() {
    let _exclusive = EXCLUSIVE.lock().await;
    rebuild::rebuild().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_in_doubt_creates_are_resolved_after_a_crash() {
    let _exclusive = EXCLUSIVE.lock().await;
    recovery::recovery().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ready_after_a_clean_stop() {
    let _exclusive = EXCLUSIVE.lock().await;
    readiness::after_a_clean_stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ready_after_a_kill() {
    let _exclusive = EXCLUSIVE.lock().await;
    readiness::after_a_kill().await;
}

/// Prints the text even if the test succeeds. The test harness captures only the output of
/// the print macros.
fn print(text: &str) {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{text}").unwrap();
}

fn number_from_environment<N: FromStr>(name: &str, default: N) -> N {
    match env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")),
        Err(_) => default,
    }
}
