//! The gateway under faults, kills and losses: the real binary against an emulator of
//! AWS, and then the truth of all three sides compared. `docs/faults.md` tells how to
//! run it and what it shows.

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

/// One at a time: each measures, and has the machine for itself.
static ALONE: Mutex<()> = Mutex::const_new(());

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_made_twice_lost_or_leaked() {
    let _alone = ALONE.lock().await;
    faults::campaign().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_ledger_is_rebuilt_from_aws_alone() {
    let _alone = ALONE.lock().await;
    rebuild::rebuild().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_doubts_are_settled_after_a_crash() {
    let _alone = ALONE.lock().await;
    recovery::recovery().await;
}

/// Shows it even where the test succeeds: the harness hides what is printed by macros.
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
