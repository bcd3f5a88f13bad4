//! Counts the user instructions of a process during a measurement, with perf or valgrind if
//! the machine has them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use clap::ValueEnum;

use crate::Failure;

const PERF_EVENT: &str = "instructions:u";

/// Time for perf to attach to the process: perf does not report when it counts.
const PERF_ATTACHES: Duration = Duration::from_millis(300);

/// A tool that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Counter {
    /// The processor counts. Few virtual machines allow it.
    Perf,
    /// Valgrind runs the process, and counts.
    Callgrind,
}

/// A running count.
pub(crate) enum Counting {
    Perf { perf: Child, output: PathBuf },
    Callgrind { pid: u32, output: PathBuf },
}

impl Counter {
    /// Returns [`Self::Perf`] if perf can count on this machine.
    pub(crate) fn perf() -> Option<Self> {
        let counted = Command::new("perf")
            .args(["stat", "-x,", "-e", PERF_EVENT, "true"])
            .stdin(Stdio::null())
            .output()
            .ok()?;
        let text = String::from_utf8(counted.stderr).ok()?;
        perf_count(&text).ok().map(|_| Self::Perf)
    }

    /// The program that starts a process so that its instructions are counted, if one is
    /// needed.
    pub(crate) fn wrapper(self, scratch: &Path) -> Option<Command> {
        if self == Self::Perf {
            return None;
        }
        let mut valgrind = Command::new("valgrind");
        let output = format!("--callgrind-out-file={}", scratch.display());
        valgrind.args(["-q", "--tool=callgrind"]).arg(output);
        Some(valgrind)
    }

    /// Starts to count. `scratch` is the file name that [`Self::wrapper`] received.
    pub(crate) fn start(self, pid: u32, scratch: &Path) -> Result<Counting, Failure> {
        let output = scratch.to_owned();
        if self == Self::Callgrind {
            callgrind_control("--zero", pid)?;
            return Ok(Counting::Callgrind { pid, output });
        }
        let perf = Command::new("perf")
            .args(["stat", "-x,", "-e", PERF_EVENT, "-p", &pid.to_string(), "-o"])
            .arg(&output)
            .spawn()?;
        thread::sleep(PERF_ATTACHES);
        Ok(Counting::Perf { perf, output })
    }
}

impl Counting {
    /// Ends the count and returns it.
    pub(crate) fn stop(self) -> Result<u64, Failure> {
        match self {
            Self::Perf { mut perf, output } => {
                // perf writes its count when it is interrupted.
                let interrupt = format!("kill -INT {}", perf.id());
                Command::new("sh").args(["-c", &interrupt]).status()?;
                perf.wait()?;
                perf_count(&fs::read_to_string(output)?)
            }
            Self::Callgrind { pid, output } => {
                callgrind_control("--dump", pid)?;
                let mut dump = output.into_os_string();
                dump.push(".1");
                let text = fs::read_to_string(&dump)?;
                let totals = text.lines().find_map(|line| line.strip_prefix("totals: "));
                Ok(totals.ok_or("callgrind dumped no totals")?.trim().parse()?)
            }
        }
    }
}

fn perf_count(output: &str) -> Result<u64, Failure> {
    let line = output.lines().find(|line| line.contains(PERF_EVENT));
    let count = line.and_then(|line| line.split(',').next()).ok_or("perf wrote no count")?;
    Ok(count.parse()?)
}

fn callgrind_control(what: &str, pid: u32) -> Result<(), Failure> {
    let done = Command::new("callgrind_control").args([what, &pid.to_string()]).output()?;
    if done.status.success() {
        Ok(())
    } else {
        Err(format!("callgrind_control: {}", String::from_utf8_lossy(&done.stderr)).into())
    }
}
