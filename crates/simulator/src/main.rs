//! The command line of the simulator.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use clap::Parser;
use invariants::Invariant;
use simulator::{
    draw,
    level::{Expected, Level},
    run::{Report, run},
    shrink::shrink,
};

/// Run the gateway in virtual time under faults and crashes. Each seed is one schedule.
#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command")]
struct Options {
    /// The number of seeds to run.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Run one seed, and print its plan and its violations.
    #[arg(long, conflicts_with_all = ["seeds", "first"])]
    seed: Option<u64>,
    /// The assumptions of the runs: 0 as documented, 1 a slow AWS, 2 a bad machine, 3 mistakes of
    /// the operator, 4 a slow AWS and a bad machine.
    #[arg(long, default_value = "0")]
    level: Level,
    /// Print every event of the seed.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Print the smallest part of the seed's plan that breaks the same promise.
    #[arg(long, requires = "seed")]
    shrink: bool,
    /// Stop after so many seconds.
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
    /// The number of threads. Default: one.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Stop after the first seed that breaks a promise that its level does not.
    #[arg(long)]
    until_broken: bool,
    /// Print the hash of each seed's trace.
    #[arg(long)]
    hashes: bool,
}

/// Half of the time of a run is allocation.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> io::Result<ExitCode> {
    let options = Options::parse();
    match options.seed {
        Some(seed) => one(seed, &options),
        None => many(&options),
    }
}

#[expect(clippy::print_stdout, reason = "the output of the command")]
fn one(seed: u64, options: &Options) -> io::Result<ExitCode> {
    let mut plan = draw::plan(seed, options.level);
    let mut report = run(&plan, true)?;
    if options.shrink
        && let Some(first) = report.violations.first()
    {
        plan = shrink(plan, first.invariant, |plan| {
            eprint_size(plan.callers.len(), plan.faults.len());
        })?;
        report = run(&plan, true)?;
    }
    if options.trace {
        for line in &report.lines {
            println!("{line}");
        }
    }
    println!("{plan:#?}");
    for violation in &report.violations {
        println!("{violation}");
    }
    println!("seed {seed} level {}: {:016x}", options.level, report.hash);
    let mut violations = report.violations.iter();
    Ok(exit_code(!violations.any(|it| is_unexpected(options, it.invariant))))
}

#[expect(clippy::print_stderr, reason = "the progress of a long command")]
fn eprint_size(callers: usize, faults: usize) {
    eprintln!("{callers} callers, {faults} faults");
}

/// The sums of many runs.
#[derive(Default)]
struct Totals {
    seeds: u64,
    creates: u64,
    executed: usize,
    crashes: u64,
    faults: u64,
    took: Duration,
    events: u64,
    longest_call: Duration,
    largest_difference: f64,
    /// The seeds that break each promise.
    broken: BTreeMap<Invariant, Vec<u64>>,
}

impl Totals {
    fn add(&mut self, seed: u64, report: &Report) {
        self.seeds += 1;
        self.creates += report.creates;
        self.executed += report.executed;
        self.crashes += u64::from(report.crashes);
        self.faults += u64::from(report.faults);
        self.took += report.took;
        self.events += report.events;
        self.longest_call = self.longest_call.max(report.longest_call);
        self.largest_difference = self.largest_difference.max(report.largest_difference);
        for violation in &report.violations {
            let seeds = self.broken.entry(violation.invariant).or_default();
            if seeds.last() != Some(&seed) {
                seeds.push(seed);
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the command measures real time")]
#[expect(clippy::print_stdout, reason = "the output of the command")]
fn many(options: &Options) -> io::Result<ExitCode> {
    let began = Instant::now();
    let next = AtomicU64::new(options.first);
    let totals = Mutex::new(Totals::default());
    let failure = Mutex::new(None);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let is_late =
                options.seconds.is_some_and(|most| began.elapsed() > Duration::from_secs(most));
            let is_broken = || {
                let totals = totals.lock().unwrap_or_else(PoisonError::into_inner);
                options.until_broken && totals.broken.keys().any(|it| is_unexpected(options, *it))
            };
            if is_late || seed >= options.first + options.seeds || is_broken() {
                return;
            }
            match run(&draw::plan(seed, options.level), false) {
                Ok(report) => {
                    if options.hashes {
                        let _ = writeln!(io::stdout(), "{seed} {:016x}", report.hash);
                    }
                    totals.lock().unwrap_or_else(PoisonError::into_inner).add(seed, &report);
                }
                Err(error) => {
                    *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    return;
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..options.jobs {
            scope.spawn(work);
        }
    });
    if let Some(error) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let totals = totals.into_inner().unwrap_or_else(PoisonError::into_inner);
    let seconds = began.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "for a person")]
    let rate = totals.creates as f64 / seconds;
    println!(
        "seeds {} to {} at level {}: {} create requests, {} creates executed by AWS, {} crashes, {} faults of calls, {} events, {} simulated seconds, in {seconds:.1} s; {rate:.0} create requests a second",
        options.first,
        options.first + totals.seeds.saturating_sub(1),
        options.level,
        totals.creates,
        totals.executed,
        totals.crashes,
        totals.faults,
        totals.events,
        totals.took.as_secs(),
    );
    println!(
        "after the faults, a call had an outcome within {:.0} s; the shares of tenants that waited differed by at most {:.2} creates for each unit of weight",
        totals.longest_call.as_secs_f64(),
        totals.largest_difference,
    );
    for (invariant, seeds) in &totals.broken {
        let mut seeds = seeds.clone();
        seeds.sort_unstable();
        let shown: Vec<String> = seeds.iter().take(10).map(ToString::to_string).collect();
        let expected = match options.level.expected(*invariant) {
            Expected::Kept => "",
            Expected::Heals => ", as expected for some time",
            Expected::Breaks => ", as expected",
        };
        println!("{invariant:?} is broken by {} seeds{expected}: {}", seeds.len(), shown.join(" "));
    }
    let mut broken = totals.broken.keys();
    Ok(exit_code(!broken.any(|it| is_unexpected(options, *it))))
}

fn is_unexpected(options: &Options, invariant: Invariant) -> bool {
    options.level.expected(invariant) == Expected::Kept
}

fn exit_code(is_success: bool) -> ExitCode {
    if is_success { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
