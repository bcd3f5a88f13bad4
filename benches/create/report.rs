//! Prints the results as a table.

use std::{collections::HashMap, time::Duration};

use crate::{
    counter::Counter,
    figures::{as_f64, median, print_heading},
    load::Sample,
    subjects::Subject::{self, A, Auth, B, Budget, C, D, E, G, H, R, Rate},
};

/// The results of the subjects in one round.
pub(crate) type Round = HashMap<Subject, Sample>;

/// Prints the medians of all rounds and the ratios within them.
#[expect(clippy::print_stdout, reason = "the output of the benchmark")]
pub(crate) fn print(rounds: &[Round], counter: Option<Counter>, took: Duration) {
    print_heading("create", rounds.len(), took);
    let heads = ["CPU µs/call", "min", "max", "calls/s", "p50 µs", "p99 µs", "k instr/call"];
    println!("{:28}{}", "", heads.map(|head| format!("{head:>13}")).concat());
    for subject in [A, R, B, C, D, E, G, H, Rate, Budget, Auth] {
        let of = |value: fn(&Sample) -> f64| -> Vec<f64> {
            rounds.iter().filter_map(|round| round.get(&subject)).map(value).collect()
        };
        let cpu = of(|sample| sample.cpu_us);
        let Some(middle) = median(&cpu) else { continue };
        let numbers = [
            middle,
            cpu.iter().copied().fold(f64::INFINITY, f64::min),
            cpu.iter().copied().fold(0.0, f64::max),
            median(&of(|sample| sample.calls_per_second)).unwrap_or_default(),
            median(&of(|sample| as_f64(sample.p50_us))).unwrap_or_default(),
            median(&of(|sample| as_f64(sample.p99_us))).unwrap_or_default(),
        ];
        let cells = numbers.into_iter().zip([1, 1, 1, 0, 0, 0]);
        let cells: Vec<_> = cells.map(|(number, digits)| format!("{number:13.digits$}")).collect();
        let instructions = median(&of(|sample| sample.instructions.unwrap_or(f64::NAN)))
            .filter(|count| !count.is_nan())
            .map_or_else(|| "-".to_owned(), |count| format!("{:.0}", count / 1e3));
        println!("{:28}{}{instructions:>13}", subject.title(), cells.concat());
    }
    println!();
    print_ratios(rounds, "CPU", |sample| Some(sample.cpu_us));
    match counter {
        Some(_) => print_ratios(rounds, "instructions", |sample| sample.instructions),
        None => println!("User instructions: perf cannot count them here; --callgrind can."),
    }
}

#[expect(clippy::print_stdout, reason = "the output of the benchmark")]
fn print_ratios(rounds: &[Round], what: &str, value: fn(&Sample) -> Option<f64>) {
    let ratios: [(&str, Subject, &[Subject]); 9] = [
        ("C / (A + B)", C, &[A, B]),
        ("D / (A + B)", D, &[A, B]),
        ("E / B", E, &[B]),
        ("G / (A + B)   target 0.75", G, &[A, B]),
        ("G / C", G, &[C]),
        ("H / G", H, &[G]),
        ("rejection, rate / R   target 1.0", Rate, &[R]),
        ("rejection, budget / R   target 1.0", Budget, &[R]),
        ("rejection, credential / R   target 1.0", Auth, &[R]),
    ];
    for (name, subject, parts) in ratios {
        let ratio = |round: &Round| {
            let of = |subject| round.get(subject).and_then(value);
            let parts: Option<f64> = parts.iter().map(of).sum();
            Some(of(&subject)? / parts?)
        };
        if let Some(ratio) = median(&rounds.iter().filter_map(ratio).collect::<Vec<_>>()) {
            println!("{ratio:5.2}  {what}: {name}");
        }
    }
}
