//! Mixes of tenants: the shares of calls, and the waits.

use std::{
    io::{Write, stdout},
    time::Duration,
};

use crate::simulation::{
    AWS_RATE, Call, Demand, Outcome, Scene, Tenant, most_in_a_second, simulate,
};

/// The time at the start in which queues fill. Shares and predictions exclude it.
const WARM_UP: Duration = Duration::from_mins(1);

struct Found {
    used: f64,
    most_in_a_second: usize,
    throttled: usize,
    jain: f64,
    worst_wait: Duration,
    bound: Duration,
    error_median: Duration,
    error_p95: Duration,
    predicted_p95: Duration,
}

fn tenant(weight: u32, demand: Demand) -> Tenant {
    Tenant { weight, demand, max_queued: 10 }
}

fn measure(name: &str, seconds: u64, tenants: Vec<Tenant>) -> Found {
    let scene = Scene { tenants, seconds, used_elsewhere: 0.0, seed: 7 };
    let outcome = simulate(scene.clone());
    let found = found(&scene, &outcome);
    let mut out = stdout().lock();
    writeln!(
        out,
        "fairness: {name}: {:.1} % of the budget used, at most {} in a second, {} throttled; \
         Jain {:.4}; worst wait of tenants within their share {:.2} s, bound {:.2} s; \
         predicted waits off by {:.2} s (median), {:.2} s (p95) of {:.2} s (p95)",
        found.used * 100.0,
        found.most_in_a_second,
        found.throttled,
        found.jain,
        found.worst_wait.as_secs_f64(),
        found.bound.as_secs_f64(),
        found.error_median.as_secs_f64(),
        found.error_p95.as_secs_f64(),
        found.predicted_p95.as_secs_f64(),
    )
    .unwrap();
    found
}

fn found(scene: &Scene, outcome: &Outcome) -> Found {
    let warm: Vec<&Call> = outcome.calls.iter().filter(|call| call.arrived > WARM_UP).collect();
    let seconds = Duration::from_secs(scene.seconds).as_secs_f64();
    let (worst_wait, bound) = worst_wait(scene, &outcome.calls);
    let off = |call: &&Call| call.predicted.abs_diff(call.waited());
    let errors: Vec<Duration> = warm.iter().map(off).collect();
    let predictions = warm.iter().map(|call| call.predicted).collect();
    Found {
        used: count(outcome.grants.len()) / (AWS_RATE * seconds),
        most_in_a_second: most_in_a_second(&outcome.grants),
        throttled: outcome.throttled,
        jain: jain(scene, &warm),
        worst_wait,
        bound,
        error_median: percentile(errors.clone(), 50),
        error_p95: percentile(errors, 95),
        predicted_p95: percentile(predictions, 95),
    }
}

/// Jain's index of the weighted shares of the tenants that always have more calls. 1 is
/// equal; 1/n means that one tenant has everything.
fn jain(scene: &Scene, calls: &[&Call]) -> f64 {
    let shares: Vec<f64> = (0..scene.tenants.len())
        .filter(|index| matches!(scene.tenants[*index].demand, Demand::Flood))
        .map(|index| {
            let calls = calls.iter().filter(|call| call.tenant == index).count();
            count(calls) / f64::from(scene.tenants[index].weight)
        })
        .collect();
    let (sum, squares): (f64, f64) =
        shares.iter().fold((0.0, 0.0), |(sum, squares), it| (sum + it, squares + it * it));
    if shares.is_empty() { 1.0 } else { sum * sum / (count(shares.len()) * squares) }
}

/// The longest wait of a tenant with even or random calls, and the bound of that wait. The
/// wait excludes the part that the tenant causes itself by calling faster than its share.
/// The bound of start-time fair queuing is one call of each tenant, including its own.
fn worst_wait(scene: &Scene, calls: &[Call]) -> (Duration, Duration) {
    let weights: u32 = scene.tenants.iter().map(|tenant| tenant.weight).sum();
    let bound = Duration::from_secs_f64(count(scene.tenants.len()) / AWS_RATE);
    let mut worst = Duration::ZERO;
    for (index, tenant) in scene.tenants.iter().enumerate() {
        if !matches!(tenant.demand, Demand::Even { .. } | Demand::Random { .. }) {
            continue;
        }
        let share = AWS_RATE * f64::from(tenant.weight) / f64::from(weights);
        let interval = Duration::from_secs_f64(1.0 / share);
        let mut expected = Duration::ZERO;
        for call in calls.iter().filter(|call| call.tenant == index) {
            expected = call.arrived.max(expected);
            worst = worst.max(call.granted.saturating_sub(expected));
            expected += interval;
        }
    }
    (worst, bound)
}

fn percentile(mut values: Vec<Duration>, percent: usize) -> Duration {
    values.sort_unstable();
    values.get(values.len() * percent / 100).copied().unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn count(count: usize) -> f64 {
    count as f64
}

/// Asserts the bounds, and a median error of predicted waits of at most 1 s. The latter is
/// true only for few tenants.
fn assert_bounds_and_predictions(found: &Found) {
    assert_bounds(found);
    assert!(found.error_median <= Duration::from_secs(1), "{:?}", found.error_median);
}

fn assert_bounds(found: &Found) {
    assert!(found.used >= 0.98, "{}", found.used);
    assert!(found.most_in_a_second <= 5, "{}", found.most_in_a_second);
    assert_eq!(found.throttled, 0);
    assert!(found.jain >= 0.99, "{}", found.jain);
    assert!(found.worst_wait <= found.bound, "{:?} > {:?}", found.worst_wait, found.bound);
    // A fifth of the deadline. Predictions are less accurate if nearly all calls are rejected.
    assert!(found.error_median <= Duration::from_secs(6), "{:?}", found.error_median);
}

#[test]
fn two_tenants() {
    let flood = |weight| tenant(weight, Demand::Flood);
    assert_bounds_and_predictions(&measure("2 floods", 2000, vec![flood(1), flood(1)]));
    assert_bounds_and_predictions(&measure(
        "2 floods, weights 1 and 3",
        2000,
        vec![flood(1), flood(3)],
    ));
    let even = tenant(1, Demand::Even { per_second: 2.0 });
    assert_bounds_and_predictions(&measure("1 flood, 1 at 2 a second", 2000, vec![flood(1), even]));
    let random = tenant(1, Demand::Random { per_second: 2.0 });
    assert_bounds_and_predictions(&measure(
        "1 flood, 1 at random 2 a second",
        2000,
        vec![flood(1), random],
    ));
}

#[test]
fn ten_tenants() {
    let floods = (0..10).map(|index| tenant(1 + index % 4, Demand::Flood)).collect();
    assert_bounds_and_predictions(&measure("10 floods, weights 1 to 4", 2000, floods));
    let mut tenants = vec![tenant(1, Demand::Even { per_second: 0.4 }); 9];
    tenants.push(tenant(1, Demand::Flood));
    assert_bounds_and_predictions(&measure("1 flood, 9 at 0.4 a second", 2000, tenants.clone()));
    tenants[..9].fill(tenant(1, Demand::Random { per_second: 0.4 }));
    assert_bounds_and_predictions(&measure("1 flood, 9 at random 0.4 a second", 2000, tenants));
    let mut tenants = vec![tenant(1, Demand::Bursts { period: Duration::from_mins(1) }); 4];
    tenants.extend(vec![tenant(2, Demand::Flood); 2]);
    tenants.extend(vec![tenant(1, Demand::Random { per_second: 0.3 }); 4]);
    assert_bounds_and_predictions(&measure(
        "2 floods of weight 2, 4 in bursts, 4 at random 0.3",
        2000,
        tenants,
    ));
}

#[test]
fn a_hundred_tenants() {
    // One call of each tenant takes 20 s, so the deadline of 30 s limits the queue.
    let floods = (0..100).map(|index| tenant(1 + index % 3, Demand::Flood)).collect();
    assert_bounds(&measure("100 floods, weights 1 to 3", 1000, floods));
    let mut tenants = vec![tenant(1, Demand::Even { per_second: 0.04 }); 90];
    tenants.extend(vec![tenant(1, Demand::Flood); 10]);
    assert_bounds(&measure("10 floods, 90 at 0.04 a second", 1000, tenants));
}
