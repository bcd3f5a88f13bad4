//! The processes of a benchmark: started in a clean environment, awaited, and ended
//! with the run.

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::Failure;

/// How long a process may take until it is ready; valgrind takes some seconds.
const LONGEST_START: Duration = Duration::from_secs(30);

/// How often it is asked whether it is.
const START_POLL: Duration = Duration::from_millis(1);

/// A process that ends with the run, whatever ends that.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a server and waits until `is_ready` says so of what it has logged. Its log
/// goes to a file, as in production it would go to a pipe or a file.
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

/// Whether a server accepts connections at the address.
pub(crate) fn listens(address: SocketAddr) -> impl Fn(&str) -> bool {
    move |_| TcpStream::connect(address).is_ok()
}

/// This program, to be started in another role.
pub(crate) fn this(arguments: &[&str]) -> Result<Command, Failure> {
    let mut command = clean(std::env::current_exe()?);
    command.args(arguments);
    Ok(command)
}

/// Nothing of the environment may change what is measured.
pub(crate) fn clean(program: PathBuf) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

pub(crate) fn free_address() -> Result<SocketAddr, Failure> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
