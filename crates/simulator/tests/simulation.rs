//! Equal seeds give equal runs, and a few seeds of each level break only the promises that it
//! may break. The command of `docs/simulation.md` runs thousands.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{collections::BTreeSet, time::Duration};

use simulator::{
    draw,
    level::Level,
    run::{run, run_slowly},
};

/// The number of seeds of a test. The command runs more.
const SEEDS: u64 = 4;

/// The second run is slowed down, so that a library that uses real time changes the hash.
#[test]
fn a_seed_repeats_its_run() {
    for level in Level::ALL {
        for seed in 0..2 {
            let plan = draw::plan(seed, level);
            let slowness = Duration::from_millis(1);
            let (once, again) =
                (run(&plan, true).unwrap(), run_slowly(&plan, false, slowness).unwrap());
            assert_eq!(once.hash, again.hash, "seed {seed} at level {level}");
            assert_eq!(once.events, u64::try_from(once.lines.len()).unwrap());
        }
    }
}

#[test]
fn seeds_give_different_runs() {
    let hashes: BTreeSet<u64> = (0..SEEDS)
        .map(|seed| run(&draw::plan(seed, Level::Documented), false).unwrap().hash)
        .collect();
    assert_eq!(hashes.len() as u64, SEEDS);
}

#[test]
fn a_level_breaks_only_the_promises_that_it_names() {
    for level in Level::ALL {
        for seed in 0..SEEDS {
            let mut findings = run(&draw::plan(seed, level), false).unwrap().findings;
            findings.retain(|it| !level.allows(it));
            assert_eq!(findings, [], "seed {seed} at level {level}");
        }
    }
}

/// A run without faults and crashes executes each request once.
#[test]
fn without_faults_each_request_is_executed_once() {
    let mut plan = draw::plan(3, Level::Documented);
    plan.faults.clear();
    for caller in &mut plan.callers {
        caller.leaves = None;
        caller.deadline = Duration::from_mins(1);
    }
    // The quota of the tenant 1 is smaller than the number of its callers.
    plan.callers.retain(|it| it.tenant != 1);
    let requests: BTreeSet<_> = plan.callers.iter().map(|it| it.request).collect();
    let report = run(&plan, false).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(report.executed, requests.len());
    assert!(report.faults.is_empty(), "{report:?}");
}
