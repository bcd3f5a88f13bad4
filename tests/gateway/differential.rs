//! The gateway against a plain model: random sequences of all five operations by three
//! tenants, without faults of AWS and with them. After each step the response must be the
//! model's, and so must every tenant's list and quota, and what AWS has.
//!
//! The draws are the same each time. To draw others, and more of them:
//! `PROPTEST_RNG_SEED=7 PROPTEST_CASES=200 cargo test --test gateway differential`.

mod agreement;
mod calls;
mod case;
mod faults;
mod model;
mod requests;
mod steps;

use std::{
    env,
    sync::{Mutex, PoisonError},
};

use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use tokio::runtime::Runtime;

use self::case::{Case, Tally};
use crate::support::World;

/// A tag that the operator adds to all, and no caller sees.
const EXTRA_TAG: (&str, &str) = ("billing", "video");

/// Tenants that no line names. Nothing changes but what the steps change: there is no sweep.
const LINES: [&str; 8] = [
    "tenants.default.max_ingest_configurations = 3",
    "tenants.default.request_rate = { per_second = 1000000, burst = 1000000 }",
    "tenants.default.create_rate = { per_second = 1000000, burst = 1000000 }",
    "tenants.default.max_concurrent_calls = 2000",
    "tenants.default.max_in_flight = 1000",
    "tenants.default.max_queued = 1000",
    "tenants.default.extra_tags.billing = 'video'",
    "sweep.interval_ms = 86400000",
];

/// Shortest times, so that a create that AWS never received is resolved soon. A caller that
/// retries between the last two sends it again; a later retry is a new create.
const IMPATIENT: [&str; 4] = [
    "upstream.attempt_timeout_ms = 1500",
    "settle.first_probe_ms = 50",
    "settle.retry_after_ms = 1600",
    "settle.give_up_after_ms = 1700",
];

/// The responses that every run must meet, or it would show little.
const MET: [&str; 17] = [
    "create done",
    "create replayed",
    "create validated",
    "create NOT_FOUND",
    "create REQUEST_ID_REUSED",
    "create STAGE_FORBIDDEN",
    "create TENANT_COUNT_QUOTA",
    "get done",
    "get NOT_FOUND",
    "list done",
    "update done",
    "update AWS_CONFLICT",
    "update NOT_FOUND",
    "update STAGE_FORBIDDEN",
    "delete done",
    "delete AWS_CONFLICT",
    "delete NOT_FOUND",
];

/// And those that come of faults.
const MET_WITH_FAULTS: [&str; 5] = [
    "create AWS_UNAVAILABLE",
    "create OUTCOME_UNKNOWN",
    "get AWS_UNAVAILABLE",
    "update AWS_UNAVAILABLE",
    "delete OUTCOME_UNKNOWN",
];

#[test]
fn the_gateway_answers_as_a_plain_model_does() {
    let tally = differential(24, 0.0, &[]);
    assert_met(&tally, &MET);
}

#[test]
fn the_gateway_answers_as_a_plain_model_does_whatever_is_lost_on_the_way() {
    let tally = differential(12, 0.5, &IMPATIENT);
    assert_met(&tally, &MET);
    assert_met(&tally, &MET_WITH_FAULTS);
}

/// So many sequences, in each step of which AWS goes wrong with that chance.
fn differential(cases: u32, chance: f64, lines: &[&str]) -> Tally {
    let config = config(cases);
    eprintln!("{} cases, {:?}, faults in {chance} of the steps", config.cases, config.rng_seed);
    let runtime = Runtime::new().unwrap();
    let world = World::new();
    world.emulator.show_immediately();
    // At trace so many calls would write for minutes.
    let lines = [&LINES, lines].concat();
    let gateway = runtime.block_on(world.gateway_in(&lines, &[("RUST_LOG", "info")]));
    // Of the sequences run so far: how many, and what they met.
    let so_far = Mutex::new((0, Tally::new()));
    let outcome = TestRunner::new(config).run(&steps::steps(chance), |steps| {
        let (number, tally) = &mut *so_far.lock().unwrap_or_else(PoisonError::into_inner);
        *number += 1;
        let run = async { Case::begin(&world, &gateway, *number, tally).await.run(&steps).await };
        runtime.block_on(run).map_err(TestCaseError::fail)
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, steps)) => {
            let steps: Vec<String> = steps.iter().map(|step| format!("{step:?}")).collect();
            let steps = steps.join("\n");
            panic!("{reason}\n\nthe fewest steps found that show it:\n{steps}");
        }
        Err(aborted) => panic!("{aborted}"),
    }
    so_far.into_inner().unwrap().1
}

/// The same draws each time, unless the environment says otherwise.
fn config(cases: u32) -> Config {
    let default = Config::default();
    Config {
        cases: if env::var_os("PROPTEST_CASES").is_some() { default.cases } else { cases },
        rng_seed: match default.rng_seed {
            RngSeed::Random => RngSeed::Fixed(1),
            fixed @ RngSeed::Fixed(_) => fixed,
        },
        failure_persistence: None,
        // The reduction of a failure ends at a time limit.
        max_shrink_time: 60_000,
        max_shrink_iters: 10_000,
        ..default
    }
}

fn assert_met(tally: &Tally, all: &[&str]) {
    eprintln!("{tally:#?}");
    let missing: Vec<_> = all.iter().filter(|kind| !tally.contains_key(**kind)).collect();
    assert!(missing.is_empty(), "never met: {missing:?}");
}
