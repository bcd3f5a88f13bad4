//! A child process, its output and its end.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::Mutex,
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{sync::watch, time};

/// The longest time that a test waits for an expected event, even on a slow machine.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// The number of output lines that are printed when a test fails.
const TAIL_LINES: usize = 20;

pub(crate) struct Process {
    name: String,
    child: Mutex<Child>,
    stdout: Output,
    stderr: Output,
    readers: Mutex<Vec<JoinHandle<()>>>,
}

/// The end of a process and its whole output.
#[derive(Debug)]
pub(crate) struct Finished {
    /// The exit code; `None` if a signal ended the process.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Process {
    pub(crate) fn start(name: &str, command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (stdout, stdout_reader) = Output::of(child.stdout.take().unwrap());
        let (stderr, stderr_reader) = Output::of(child.stderr.take().unwrap());
        let readers = Mutex::new(vec![stdout_reader, stderr_reader]);
        Self { name: name.to_owned(), child: Mutex::new(child), stdout, stderr, readers }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.lock().unwrap().id()
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn stdout(&self) -> &Output {
        &self.stdout
    }

    pub(crate) fn stderr(&self) -> &Output {
        &self.stderr
    }

    /// Sends a signal, unless the process has ended.
    pub(crate) fn signal(&self, signal: Signal) {
        let mut child = self.child.lock().unwrap();
        // Until the parent waits for the child, no other process gets its id.
        if child.try_wait().unwrap().is_none() {
            kill_process(Pid::from_child(&child), signal).unwrap();
        }
    }

    /// Kills the process with SIGKILL, and returns after its end.
    pub(crate) fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        for reader in self.readers.lock().unwrap().drain(..) {
            reader.join().unwrap();
        }
    }

    /// Waits for the end of the process.
    pub(crate) async fn finished(&self) -> Finished {
        self.stdout.ended(&self.name).await;
        self.stderr.ended(&self.name).await;
        // A process that has closed both outputs is about to end.
        let code = self.child.lock().unwrap().wait().unwrap().code();
        Finished { code, stdout: self.stdout.text(), stderr: self.stderr.text() }
    }

    pub(crate) fn print_tail(&self) {
        for output in [&self.stdout, &self.stderr] {
            eprintln!("--- {}, the end of its output:\n{}", self.name, output.tail());
        }
    }
}

/// One output stream of a process. Tests can wait for lines of it.
pub(crate) struct Output(watch::Sender<Captured>);

#[derive(Default)]
struct Captured {
    text: String,
    ended: bool,
}

impl Output {
    fn of(pipe: impl Read + Send + 'static) -> (Self, JoinHandle<()>) {
        let captured = watch::Sender::new(Captured::default());
        let writer = captured.clone();
        let reader = thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while let Ok(1..) = pipe.read_until(b'\n', &mut line) {
                writer.send_modify(|captured| captured.text += &String::from_utf8_lossy(&line));
                line.clear();
            }
            writer.send_modify(|captured| captured.ended = true);
        });
        (Self(captured), reader)
    }

    pub(crate) fn text(&self) -> String {
        self.0.borrow().text.clone()
    }

    /// Waits for a line for which `pick` returns a value, and returns that value.
    pub(crate) async fn line<T>(&self, what: &str, pick: impl Fn(&str) -> Option<T>) -> T {
        let mut picked = None;
        let mut read = 0;
        self.wait(|captured| {
            while let Some(length) = captured.text[read..].find('\n') {
                let line = &captured.text[read..read + length];
                read += length + 1;
                picked = pick(line);
                if picked.is_some() {
                    return true;
                }
            }
            captured.ended
        })
        .await;
        picked.unwrap_or_else(|| panic!("no line {what} in:\n{}", self.tail()))
    }

    async fn ended(&self, name: &str) {
        self.wait(|captured| captured.ended).await;
        assert!(self.0.borrow().ended, "{name} does not end:\n{}", self.tail());
    }

    async fn wait(&self, until: impl FnMut(&Captured) -> bool) {
        let mut changes = self.0.subscribe();
        // After a time-out, the caller reports the missing output.
        let _ = time::timeout(TIMEOUT, changes.wait_for(until)).await;
    }

    /// Returns the last lines, without log lines of libraries.
    fn tail(&self) -> String {
        let captured = self.0.borrow();
        let ours = |line: &&str| !line.starts_with('{') || line.contains("ivs_ingest_gateway");
        let lines: Vec<&str> = captured.text.lines().filter(ours).collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }
}
