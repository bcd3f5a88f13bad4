//! The command line of the simulator.

use std::{
    collections::{BTreeMap, BTreeSet},
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
    history::Finding,
    level::{Expected, Level},
    run::{Report, run},
    shrink::shrink,
};

/// Run the gateway in virtual time under faults and crashes. Each seed is one schedule.
#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command")]
struct Options {
    /// The number of seeds to run.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Run one seed, and print its plan and its violations.
    #[arg(long, conflicts_with_all = ["seeds", "first"])]
    seed: Option<u64>,
    /// The assumptions of the runs: 0 as documented, 1 a slow AWS, 2 a bad machine, 3 an old copy
    /// of the ledger, 4 a slow AWS and a bad machine, 5 a wrong endpoint, 6 a proxy that repeats
    /// creates.
    #[arg(long, default_value = "0")]
    level: Level,
    /// Print every event of the seed.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Print the smallest part of the seed's plan that breaks the same promise.
    #[arg(long, requires = "seed")]
    shrink: bool,
    /// Stop after this time, in seconds.
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
    /// The number of threads.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    /// Stop after the first seed with an unexpected violation.
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
    let level = options.level;
    let mut plan = draw::plan(seed, level);
    let mut report = run(&plan, true)?;
    let findings = &report.findings;
    let first = findings.iter().find(|it| !level.allows(it)).or(findings.first());
    if options.shrink {
        let Some(first) = first.cloned() else {
            println!("seed {seed} breaks no promise at level {level}: nothing to shrink");
            return Ok(ExitCode::FAILURE);
        };
        let is_wanted = |it: &Finding| {
            it.violation.invariant == first.violation.invariant
                && level.allows(it) == level.allows(&first)
        };
        plan = shrink(plan, is_wanted, |plan| {
            eprint_size(plan.callers.len(), plan.faults.len());
        })?;
        report = run(&plan, true)?;
    }
    println!("{plan:#?}");
    if options.trace {
        for line in &report.lines {
            println!("{line}");
        }
    }
    for finding in &report.findings {
        println!("{}", finding.violation);
    }
    println!("seed {seed} level {level}: {:016x}", report.hash);
    Ok(exit_code(report.findings.iter().all(|it| level.allows(it))))
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
    took: Duration,
    events: u64,
    longest_call: Duration,
    largest_difference: f64,
    faults: BTreeMap<String, u64>,
    /// The seeds that break each promise.
    broken: BTreeMap<Invariant, BTreeSet<u64>>,
    /// The seeds that break a promise which their level should keep.
    unexpected: BTreeSet<u64>,
}

impl Totals {
    fn add(&mut self, seed: u64, level: Level, report: &Report) {
        self.seeds += 1;
        self.creates += report.creates;
        self.executed += report.executed;
        self.took += report.took;
        self.events += report.events;
        self.longest_call = self.longest_call.max(report.longest_call);
        self.largest_difference = self.largest_difference.max(report.largest_difference);
        for (kind, count) in &report.faults {
            *self.faults.entry(kind.clone()).or_default() += count;
        }
        for finding in &report.findings {
            self.broken.entry(finding.violation.invariant).or_default().insert(seed);
            if !level.allows(finding) {
                self.unexpected.insert(seed);
            }
        }
    }

    #[expect(clippy::print_stdout, reason = "the output of the command")]
    fn print(&self, options: &Options, seconds: f64) {
        #[expect(clippy::cast_precision_loss, reason = "for a person")]
        let rate = self.creates as f64 / seconds;
        println!(
            "seeds {} to {} at level {}: {} create requests, {} creates executed by AWS, {} events, {} simulated seconds, in {seconds:.1} s; {rate:.0} create requests a second",
            options.first,
            options.first + self.seeds.saturating_sub(1),
            options.level,
            self.creates,
            self.executed,
            self.events,
            self.took.as_secs(),
        );
        let faults: Vec<String> =
            self.faults.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        println!("faults: {}", faults.join(", "));
        println!(
            "after the faults, a call had an outcome within {:.0} s; the shares of tenants that waited differed by at most {:.2} creates for each unit of weight",
            self.longest_call.as_secs_f64(),
            self.largest_difference,
        );
        for (invariant, seeds) in &self.broken {
            let expected = match options.level.expected(*invariant) {
                Expected::Kept => "",
                Expected::Heals => " (expected until some time after the faults)",
                Expected::Breaks => " (expected)",
            };
            println!(
                "{invariant:?} is broken by {} seeds{expected}: {}",
                seeds.len(),
                first(seeds)
            );
        }
        if !self.unexpected.is_empty() {
            println!("UNEXPECTED in {} seeds: {}", self.unexpected.len(), first(&self.unexpected));
        }
    }
}

/// Returns the first ten seeds.
fn first(seeds: &BTreeSet<u64>) -> String {
    seeds.iter().take(10).map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

#[expect(clippy::disallowed_methods, reason = "the command measures real time")]
fn many(options: &Options) -> io::Result<ExitCode> {
    let began = Instant::now();
    let next = AtomicU64::new(options.first);
    let totals = Mutex::new(Totals::default());
    let totals_now = || totals.lock().unwrap_or_else(PoisonError::into_inner);
    let work = || -> io::Result<()> {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let is_late =
                options.seconds.is_some_and(|most| began.elapsed() > Duration::from_secs(most));
            let is_found = options.until_broken && !totals_now().unexpected.is_empty();
            if is_late || is_found || seed >= options.first + options.seeds {
                return Ok(());
            }
            let report = run(&draw::plan(seed, options.level), false)?;
            if options.hashes {
                writeln!(io::stdout(), "{seed} {:016x}", report.hash)?;
            }
            totals_now().add(seed, options.level, &report);
        }
    };
    let ended: io::Result<()> = thread::scope(|scope| {
        let workers: Vec<_> = (0..options.jobs).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| {
            worker.join().unwrap_or_else(|_| Err(io::Error::other("a run panicked")))
        })
    });
    ended?;
    let totals = totals_now();
    totals.print(options, began.elapsed().as_secs_f64());
    Ok(exit_code(totals.seeds > 0 && totals.unexpected.is_empty()))
}

fn exit_code(is_success: bool) -> ExitCode {
    if is_success { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
