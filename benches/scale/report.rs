//! Prints the results as tables.

use std::time::Duration;

use crate::{
    direct,
    figures::{as_f64, median, print_heading},
    fill::Filled,
    measure::{Latency, Pair},
    rows::CONFIGURATIONS,
    served,
};

/// The greatest ratio that counts as flat.
const FLAT: f64 = 1.5;

/// The result of one round.
pub(crate) struct Round {
    pub(crate) direct: direct::Sample,
    pub(crate) served: served::Sample,
}

/// Prints the medians of all rounds, and those of the ratios within them.
#[expect(clippy::print_stdout, reason = "the output of the benchmark")]
pub(crate) fn print(rounds: &[Round], ledgers: &Pair<Filled>, took: Duration) {
    print_heading("scale", rounds.len(), took);
    for Filled { tenants, bytes, took, .. } in [&ledgers.small, &ledgers.large] {
        let filling = took.map_or_else(String::new, |took| format!(", filled in {took:.1?}"));
        println!(
            "{tenants} tenants x {CONFIGURATIONS}: a file of {:.1} MiB{filling}",
            as_f64(*bytes) / 1024.0 / 1024.0
        );
    }
    print_latencies(rounds, ledgers);
    println!("\n{:38}{:>12}{:>12}{:>9}", "", "small", "large", "ratio");
    for (title, unit, value) in FIGURES {
        let [small, large, ratio] = compare(rounds, value);
        println!("{title:38}{:12.1}{:12.1}{ratio:9.2}", small / unit, large / unit);
    }
}

#[expect(clippy::print_stdout, reason = "the output of the benchmark")]
fn print_latencies(rounds: &[Round], ledgers: &Pair<Filled>) {
    let (small, large) = (ledgers.small.tenants, ledgers.large.tenants);
    println!("\n{:38}{small:>22}{large:>22}{:>18}", "µs, tenants", "large / small");
    let heads = ["p50", "p99", "p50", "p99", "p50", "p99"].map(|head| format!("{head:>11}"));
    println!("{:38}{}", "", heads.concat());
    let mut worst: f64 = 0.0;
    for (title, is_judged, latency) in LATENCIES {
        let p50 = compare(rounds, |round| each(latency(round), |latency| latency.p50_ns));
        let p99 = compare(rounds, |round| each(latency(round), |latency| latency.p99_ns));
        if is_judged {
            worst = worst.max(p50[2]).max(p99[2]);
        }
        let times = [p50[0], p99[0], p50[1], p99[1]].map(|ns| format!("{:11.1}", ns / 1e3));
        println!("{title:38}{}{:11.2}{:11.2}", times.concat(), p50[2], p99[2]);
    }
    let flatness = if worst <= FLAT { "flat" } else { "NOT FLAT" };
    println!("worst ratio of the calls: {worst:.2}; up to {FLAT} is flat: {flatness}");
}

/// A row of the table: its title, whether it must be flat, and its latency.
type Row = (&'static str, bool, fn(&Round) -> Option<&Pair<Latency>>);

const LATENCIES: [Row; 9] = [
    ("gRPC: ListIngestConfigurations, 10", true, |round| {
        round.served.calls.get(&served::Call::List)
    }),
    ("gRPC: GetIngestConfiguration BASIC", true, |round| {
        round.served.calls.get(&served::Call::GetBasic)
    }),
    ("gRPC: GetQuota", true, |round| round.served.calls.get(&served::Call::GetQuota)),
    ("ledger: list, 10 rows", true, |round| round.direct.calls.get(&direct::Call::List)),
    ("ledger: find", true, |round| round.direct.calls.get(&direct::Call::Find)),
    ("ledger: usage", true, |round| round.direct.calls.get(&direct::Call::Usage)),
    ("ledger: reserve", true, |round| round.direct.calls.get(&direct::Call::Reserve)),
    ("a bare flush of 4 KiB", false, |round| round.direct.calls.get(&direct::Call::Flush)),
    ("ledger: reserve, during the end of a scan", false, |round| {
        round.direct.calls.get(&direct::Call::ReserveDuringScanEnd)
    }),
];

/// A row of the second table: its title, its unit, and its value.
type Figure = (&'static str, f64, fn(&Round) -> Pair<u64>);

const FIGURES: [Figure; 5] = [
    ("gateway: start to \"serving\", ms", 1e6, |round| round.served.start_ns),
    ("gateway: resident memory, MiB", 1024.0, |round| round.served.resident_kib),
    ("ledger: open, ms", 1e6, |round| round.direct.open_ns),
    ("ledger: end of a scan, ms", 1e6, |round| round.direct.scan_end_ns),
    ("ledger: longest reserve during it, ms", 1e6, |round| {
        let beside = round.direct.calls.get(&direct::Call::ReserveDuringScanEnd);
        each(beside, |latency| latency.longest_ns)
    }),
];

fn each(latencies: Option<&Pair<Latency>>, value: impl Fn(&Latency) -> u64) -> Pair<u64> {
    latencies
        .map(|Pair { small, large }| Pair { small: value(small), large: value(large) })
        .unwrap_or_default()
}

/// Returns the medians over the rounds: of the small ledger, of the large ledger, and of
/// the ratio within a round.
fn compare(rounds: &[Round], value: impl Fn(&Round) -> Pair<u64>) -> [f64; 3] {
    let values = || rounds.iter().map(&value);
    let small: Vec<f64> = values().map(|pair| as_f64(pair.small)).collect();
    let large: Vec<f64> = values().map(|pair| as_f64(pair.large)).collect();
    let ratios: Vec<f64> = small.iter().zip(&large).map(|(small, large)| large / small).collect();
    [small, large, ratios].map(|values| median(&values).unwrap_or_default())
}
