//! Runs the rounds: starts the processes of each measurement.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    Failure, Options,
    counter::Counter,
    gateway,
    load::Sample,
    process::{Running, free_address, listens, start, this},
    report::{self, Round},
    subjects::Subject,
};

/// The longest run. A round that could end later is not started.
const LONGEST_RUN: Duration = Duration::from_secs(220);

/// The sizes of a run.
struct Plan {
    rounds: u32,
    requests: usize,
    warm_up: usize,
    concurrency: usize,
    counter: Option<Counter>,
}

impl Plan {
    fn of(options: &Options) -> Self {
        let Options { rounds, requests, concurrency, .. } = *options;
        if options.callgrind {
            let counter = Some(Counter::Callgrind);
            return Self { rounds: 1, requests: 1500, warm_up: 500, concurrency: 16, counter };
        }
        let (rounds, requests) = if options.quick { (2, 2000) } else { (rounds, requests) };
        Self { rounds, requests, warm_up: requests / 4, concurrency, counter: Counter::perf() }
    }
}

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let plan = Plan::of(options);
    let mut subjects =
        if options.only.is_empty() { Subject::DEFAULT.to_vec() } else { options.only.clone() };
    if options.beside.is_some() && !subjects.contains(&Subject::H) {
        subjects.push(Subject::H);
    }
    let folder = tempfile::Builder::new().tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let upstream = free_address()?;
    let _upstream = start(this(&["upstream", &upstream.to_string()])?, listens(upstream))?;

    let started = Instant::now();
    let mut rounds: Vec<Round> = Vec::new();
    for _ in 0..plan.rounds {
        let so_far = started.elapsed();
        let measured = u32::try_from(rounds.len())?;
        if measured > 0 && so_far + so_far / measured > LONGEST_RUN {
            break;
        }
        let mut round = Round::new();
        for subject in &subjects {
            let subfolder = folder.path().join(format!("{measured}-{subject:?}"));
            std::fs::create_dir(&subfolder)?;
            let measurement = Measurement { options, plan: &plan, upstream, subfolder: &subfolder };
            let sample = measurement.run(*subject);
            round.insert(*subject, sample.map_err(|error| format!("{subject:?}: {error}"))?);
            std::fs::remove_dir_all(subfolder)?;
        }
        rounds.push(round);
        // Each round begins with another subject.
        subjects.rotate_left(1);
    }
    report::print(&rounds, plan.counter, started.elapsed());
    Ok(())
}

/// One measurement of one subject.
struct Measurement<'a> {
    options: &'a Options,
    plan: &'a Plan,
    upstream: SocketAddr,
    subfolder: &'a Path,
}

impl Measurement<'_> {
    fn run(&self, subject: Subject) -> Result<Sample, Failure> {
        let scratch = self.subfolder.join("counted");
        let (server, address) = if subject.is_caller() {
            (None, self.upstream)
        } else {
            let address = free_address()?;
            let server =
                start(self.counted(self.server(subject, address)?, &scratch), listens(address))?;
            (Some(server), address)
        };
        let Plan { warm_up, requests, concurrency, .. } = self.plan;
        let mut load = this(&["load", &format!("{subject:?}"), &address.to_string()])?;
        load.args(["--warm-up", &warm_up.to_string(), "--requests", &requests.to_string()]);
        load.args(["--concurrency", &concurrency.to_string(), "--scratch"]).arg(&scratch);
        match self.plan.counter {
            Some(Counter::Perf) => drop(load.args(["--counter", "perf"])),
            Some(Counter::Callgrind) => drop(load.args(["--counter", "callgrind"])),
            None => {}
        }
        match &server {
            Some(Running(server)) => drop(load.args(["--pid", &server.id().to_string()])),
            None => load = self.counted(load, &scratch),
        }
        let output = load.stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err("the load generator failed".into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Wraps the command in the counter's command, if the counter needs that.
    fn counted(&self, command: Command, scratch: &Path) -> Command {
        let Some(mut wrapper) = self.plan.counter.and_then(|counter| counter.wrapper(scratch))
        else {
            return command;
        };
        wrapper.arg(command.get_program()).args(command.get_args());
        wrapper.env_clear();
        wrapper.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
        wrapper
    }

    fn server(&self, subject: Subject, address: SocketAddr) -> Result<Command, Failure> {
        let binary = match (subject, &self.options.beside) {
            (Subject::G | Subject::Rate | Subject::Budget | Subject::Auth, _) => {
                PathBuf::from(env!("CARGO_BIN_EXE_ivs-ingest-gateway"))
            }
            (Subject::H, Some(binary)) => binary.clone(),
            (Subject::H, None) => {
                return Err("subject H needs a binary: name one with --beside".into());
            }
            _ => {
                let (subject, upstream) = (format!("{subject:?}"), self.upstream.to_string());
                return this(&["serve", &subject, &address.to_string(), &upstream]);
            }
        };
        let ledger = self.subfolder.join("ledger.db");
        let configuration = if subject == Subject::Budget {
            // At 0.001 calls a second, the next permit is about a quarter of an hour away.
            gateway::paced_configuration(address, self.upstream, &ledger, 0.001)
        } else {
            gateway::configuration(address, self.upstream, &ledger)
        };
        gateway::command(binary, self.subfolder, &configuration)
    }
}
