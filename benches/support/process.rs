//! The processes of a benchmark. They start in a clean environment and end with the run.

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::Failure;

/// The longest start of a process; under valgrind it takes some seconds.
const LONGEST_START: Duration = Duration::from_secs(30);

/// Interval between checks of readiness.
const START_POLL: Duration = Duration::from_millis(1);

/// A process that is killed when this value is dropped.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // An error means that the process has already ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a server and waits until `is_ready` returns true for its log. The log goes to a
/// file, because in production it goes to a pipe or a file.
pub(crate) fn start(
    mut command: Command,
    is_ready: impl Fn(&str) -> bool,
) -> Result<Running, Failure> {
    let log = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR"))?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(log.path())?);
    let mut running = Running(command.spawn()?);
    let until = Instant::now() + LONGEST_START;
    while !is_ready(&fs::read_to_string(log.path())?) {
        if Instant::now() > until || running.0.try_wait()?.is_some() {
            return Err(format!("did not start: {}", fs::read_to_string(log.path())?).into());
        }
        thread::sleep(START_POLL);
    }
    Ok(running)
}

/// Returns a check of whether a server accepts connections at the address.
pub(crate) fn listens(address: SocketAddr) -> impl Fn(&str) -> bool {
    move |_| TcpStream::connect(address).is_ok()
}

/// Returns a command that starts this program with other arguments.
pub(crate) fn this(arguments: &[&str]) -> Result<Command, Failure> {
    let mut command = clean(std::env::current_exe()?);
    command.args(arguments);
    Ok(command)
}

/// Returns a command with an empty environment except PATH, so that the environment does not
/// influence the measurement.
pub(crate) fn clean(program: PathBuf) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

pub(crate) fn free_address() -> Result<SocketAddr, Failure> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
