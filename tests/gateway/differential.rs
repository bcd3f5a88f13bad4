//! Compares the gateway with a plain model: random sequences of the five operations on
//! configurations by three tenants, with and without faults of AWS. After each step the
//! response, every tenant's list and quota, and the configurations at AWS must equal the
//! model's.
//!
//! The sequences are the same in every run. To draw other and more sequences:
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

/// A tag that the operator adds to every configuration, and that callers do not see.
const EXTRA_TAG: (&str, &str) = ("billing", "video");

/// Every tenant gets these default limits. The scan runs once a day, so that only the steps
/// change the state.
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

/// The shortest times after which the resolver proves that a create never reached AWS. A
/// retry between the last two times resends the create, and a later one starts a new create.
const SHORT_TIMEOUTS: [&str; 4] = [
    "upstream.attempt_timeout_ms = 1500",
    "settle.first_probe_ms = 50",
    "settle.retry_after_ms = 1600",
    "settle.give_up_after_ms = 1700",
];

/// The outcomes that every run must contain; without them it would prove little.
const REQUIRED: [&str; 17] = [
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

/// Further outcomes that a run with faults must contain.
const REQUIRED_WITH_FAULTS: [&str; 4] = [
    "create OUTCOME_UNKNOWN",
    "get AWS_UNAVAILABLE",
    "update OUTCOME_UNKNOWN",
    "delete OUTCOME_UNKNOWN",
];

#[test]
fn the_gateway_agrees_with_the_model() {
    let tally = differential(24, 0.0, &[]);
    assert_occurred(&tally, &REQUIRED);
}

#[test]
fn the_gateway_agrees_with_the_model_under_faults() {
    let tally = differential(12, 0.5, &SHORT_TIMEOUTS);
    assert_occurred(&tally, &REQUIRED);
    assert_occurred(&tally, &REQUIRED_WITH_FAULTS);
}

/// Runs `cases` sequences. Each step has faults with the probability `chance`.
fn differential(cases: u32, chance: f64, lines: &[&str]) -> Tally {
    let config = config(cases);
    eprintln!("{} cases, {:?}, faults in {chance} of the steps", config.cases, config.rng_seed);
    let runtime = Runtime::new().unwrap();
    let world = World::new();
    world.emulator.list_immediately();
    // At level trace, the logs of so many calls would take minutes.
    let lines = [&LINES, lines].concat();
    let gateway = runtime.block_on(world.gateway_in(&lines, &[("RUST_LOG", "info")]));
    // The number of sequences so far, and the counts of their outcomes.
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
            panic!("{reason}\n\nthe shortest failing sequence found:\n{steps}");
        }
        Err(aborted) => panic!("{aborted}"),
    }
    so_far.into_inner().unwrap().1
}

/// Returns the configuration with a fixed seed, unless the environment overrides it.
fn config(cases: u32) -> Config {
    let default = Config::default();
    Config {
        cases: if env::var_os("PROPTEST_CASES").is_some() { default.cases } else { cases },
        rng_seed: match default.rng_seed {
            RngSeed::Random => RngSeed::Fixed(1),
            fixed @ RngSeed::Fixed(_) => fixed,
        },
        failure_persistence: None,
        // Each shorter sequence takes about as long as the whole one, so the limit is a time.
        max_shrink_time: 60_000,
        max_shrink_iters: 10_000,
        ..default
    }
}

fn assert_occurred(tally: &Tally, all: &[&str]) {
    eprintln!("{tally:#?}");
    let missing: Vec<_> = all.iter().filter(|kind| !tally.contains_key(**kind)).collect();
    assert!(missing.is_empty(), "these outcomes did not occur: {missing:?}");
}
