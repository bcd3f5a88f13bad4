//! The run: starts the processes of each measurement, round after round.

use std::{
    fs::File,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    Failure, Options,
    counter::Counter,
    load::Sample,
    message::{CREATES_A_TENANT, LIMITED_TENANT, REGION},
    report::{self, Round},
    subjects::Subject,
};

/// No round begins that could end after this.
const LONGEST_RUN: Duration = Duration::from_secs(220);

/// How long a process may take until it listens; valgrind takes some seconds.
const LONGEST_START: Duration = Duration::from_secs(30);

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
    let _upstream = start(this(&["upstream", &upstream.to_string()])?, upstream)?;

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
            let place = folder.path().join(format!("{measured}-{subject:?}"));
            std::fs::create_dir(&place)?;
            let measurement = Measurement { options, plan: &plan, upstream, place: &place };
            let sample = measurement.run(*subject);
            round.insert(*subject, sample.map_err(|error| format!("{subject:?}: {error}"))?);
            std::fs::remove_dir_all(place)?;
        }
        rounds.push(round);
        // Nobody is always measured after the same neighbour's heat.
        subjects.rotate_left(1);
    }
    report::print(&rounds, plan.counter, started.elapsed());
    Ok(())
}

/// One subject, once.
struct Measurement<'a> {
    options: &'a Options,
    plan: &'a Plan,
    upstream: SocketAddr,
    place: &'a Path,
}

impl Measurement<'_> {
    fn run(&self, subject: Subject) -> Result<Sample, Failure> {
        let scratch = self.place.join("counted");
        let (server, address) = if subject.is_caller() {
            (None, self.upstream)
        } else {
            let address = free_address()?;
            let server = start(self.counted(self.server(subject, address)?, &scratch), address)?;
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

    /// Starts under the counter, where the counter needs it.
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
            (Subject::G | Subject::Rate | Subject::Auth, _) => {
                PathBuf::from(env!("CARGO_BIN_EXE_ivs-ingest-gateway"))
            }
            (Subject::H, Some(binary)) => binary.clone(),
            (Subject::H, None) => return Err("H is what --beside names".into()),
            _ => {
                let (subject, upstream) = (format!("{subject:?}"), self.upstream.to_string());
                return this(&["serve", &subject, &address.to_string(), &upstream]);
            }
        };
        let file = self.place.join("gateway.toml");
        std::fs::write(
            &file,
            configuration(address, self.upstream, &self.place.join("ledger.db")),
        )?;
        let mut gateway = clean(binary);
        gateway.args(["serve", "--config"]).arg(file);
        gateway.env("AWS_ACCESS_KEY_ID", "benchmark").env("AWS_SECRET_ACCESS_KEY", "benchmark");
        Ok(gateway)
    }
}

/// The gateway's configuration: everything on, and limits out of the way of all
/// but one tenant.
pub(crate) fn configuration(listen: SocketAddr, upstream: SocketAddr, ledger: &Path) -> String {
    let ledger = ledger.display();
    format!(
        r#"
        [server]
        listen = "{listen}"
        admin_listen = "off"
        [upstream]
        region = "{REGION}"
        endpoint_url = "http://{upstream}"
        calls_per_second = 1000
        stage_cache_ms = 3600000
        [ledger]
        url = 'sqlite://{ledger}'
        [sweep]
        interval_ms = 3600000
        [identity.metadata]
        enabled = true
        [tenants.default]
        max_ingest_configurations = {CREATES_A_TENANT}
        request_rate = {{ per_second = 1e6, burst = 1000000 }}
        create_rate = {{ per_second = 1e6, burst = 1000000 }}
        max_in_flight = 1000
        [tenants.{LIMITED_TENANT}]
        request_rate = {{ per_second = 1e-6, burst = 1 }}
        "#
    )
}

/// A process that ends with the run, whatever ends that.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a server and waits until it takes connections. Its log goes to a file, as
/// in production it would go to a pipe or a file.
fn start(mut command: Command, address: SocketAddr) -> Result<Running, Failure> {
    let log = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR"))?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(log.path())?);
    let mut running = Running(command.spawn()?);
    let until = Instant::now() + LONGEST_START;
    while TcpStream::connect(address).is_err() {
        if Instant::now() > until || running.0.try_wait()?.is_some() {
            return Err(format!("did not start: {}", std::fs::read_to_string(log.path())?).into());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(running)
}

fn this(arguments: &[&str]) -> Result<Command, Failure> {
    let mut command = clean(std::env::current_exe()?);
    command.args(arguments);
    Ok(command)
}

/// Nothing of the environment may change what is measured.
fn clean(program: PathBuf) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

fn free_address() -> Result<SocketAddr, Failure> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
