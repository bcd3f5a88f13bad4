//! The rate that the pacer finds when other software uses the account.

use std::io::{Write, stdout};

use crate::simulation::{AWS_RATE, Demand, Scene, Tenant, simulate};

struct Found {
    /// Executed calls, as a fraction of the calls that the other software leaves.
    used: f64,
    /// Throttled calls, as a fraction of the granted calls.
    throttled: f64,
    /// Calls that failed because their deadline did not allow a retry after a throttle.
    failed: usize,
}

/// Simulates four flooding tenants while other software uses the same account.
fn with_other_software(used_elsewhere: f64, seconds: u64) -> Found {
    let tenants = vec![Tenant { weight: 1, demand: Demand::Flood, max_queued: 10 }; 4];
    let outcome = simulate(Scene { tenants, seconds, used_elsewhere, seed: 7 });
    let granted = f64::from(u32::try_from(outcome.grants.len()).unwrap());
    let throttled = f64::from(u32::try_from(outcome.throttled).unwrap());
    let left = (AWS_RATE - used_elsewhere) * f64::from(u32::try_from(seconds).unwrap());
    let found = Found {
        used: (granted - throttled) / left,
        throttled: throttled / granted,
        failed: outcome.failed,
    };
    writeln!(
        stdout().lock(),
        "fairness: other software uses {used_elsewhere} of 5 a second for {seconds} s: {granted} \
         calls, {:.0} % of the rest used, {:.2} % throttled, {} failed",
        found.used * 100.0,
        found.throttled * 100.0,
        found.failed,
    )
    .unwrap();
    found
}

#[test]
fn the_rate_that_other_software_leaves_is_found() {
    for (used_elsewhere, seconds) in [(2.5, 100), (2.5, 4000), (1.0, 4000)] {
        let found = with_other_software(used_elsewhere, seconds);
        assert!(found.used >= 0.9, "{}", found.used);
        assert!(found.throttled < 0.02, "{}", found.throttled);
        assert_eq!(found.failed, 0);
    }
    // With only one call a second left for four tenants, AWS throttles more calls.
    assert!(with_other_software(4.0, 4000).throttled < 0.1);
}
