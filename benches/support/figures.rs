//! Statistics of measurements, and the heading of a report.

use std::{env, fs, thread, time::Duration};

/// Prints the command, the machine and its load.
#[expect(clippy::print_stdout, reason = "the output of the benchmark")]
pub(crate) fn print_heading(bench: &str, rounds: usize, took: Duration) {
    let options: Vec<_> = env::args().skip(1).filter(|word| word != "--bench").collect();
    println!("cargo bench --bench {bench} -- {}", options.join(" "));
    println!("{}", machine());
    println!(
        "medians of {rounds} rounds, {} s; load average at the end {}\n",
        took.as_secs(),
        first_words("/proc/loadavg", 1)
    );
}

/// Returns the median of the values, or `None` without values.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

/// Returns the value that `percent` % of the sorted values are below.
pub(crate) fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    sorted.get(sorted.len() * percent / 100).copied()
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub(crate) const fn as_f64(count: u64) -> f64 {
    count as f64
}

fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let cores = thread::available_parallelism().map_or(0, std::num::NonZero::get);
    format!(
        "{cores} cores, {}, {}",
        model.trim_matches([':', '\t', ' ']),
        first_words("/proc/version", 3)
    )
}

fn first_words(path: &str, count: usize) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().take(count).collect::<Vec<_>>().join(" ")
}
