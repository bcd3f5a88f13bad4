//! A child process: what it says, and how it ends.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::Mutex,
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{sync::watch, time};

/// How long anything that must happen may take on a slow machine.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// How much of what a process said is shown when its test fails.
const TAIL_LINES: usize = 20;

pub(crate) struct Process {
    name: String,
    child: Mutex<Child>,
    stdout: Output,
    stderr: Output,
    readers: Mutex<Vec<JoinHandle<()>>>,
}

/// How a process ended, and all that it said.
#[derive(Debug)]
pub(crate) struct Finished {
    /// None if a signal ended it.
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
        // Until it is waited for, its id cannot be another process's.
        if child.try_wait().unwrap().is_none() {
            kill_process(Pid::from_child(&child), signal).unwrap();
        }
    }

    /// Ends the process as a crash would, and returns when it is gone.
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
            eprintln!("--- {}, the end of what it said:\n{}", self.name, output.tail());
        }
    }
}

/// One output of a process, which can be waited on.
pub(crate) struct Output(watch::Sender<Said>);

#[derive(Default)]
struct Said {
    text: String,
    ended: bool,
}

impl Output {
    fn of(pipe: impl Read + Send + 'static) -> (Self, JoinHandle<()>) {
        let said = watch::Sender::new(Said::default());
        let writer = said.clone();
        let reader = thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while let Ok(1..) = pipe.read_until(b'\n', &mut line) {
                writer.send_modify(|said| said.text += &String::from_utf8_lossy(&line));
                line.clear();
            }
            writer.send_modify(|said| said.ended = true);
        });
        (Self(said), reader)
    }

    pub(crate) fn text(&self) -> String {
        self.0.borrow().text.clone()
    }

    /// Waits for a line that `pick` makes something of, and returns that.
    pub(crate) async fn line<T>(&self, what: &str, pick: impl Fn(&str) -> Option<T>) -> T {
        let mut picked = None;
        let mut read = 0;
        self.wait(|said| {
            while let Some(length) = said.text[read..].find('\n') {
                let line = &said.text[read..read + length];
                read += length + 1;
                picked = pick(line);
                if picked.is_some() {
                    return true;
                }
            }
            said.ended
        })
        .await;
        picked.unwrap_or_else(|| panic!("no line {what} in:\n{}", self.tail()))
    }

    async fn ended(&self, name: &str) {
        self.wait(|said| said.ended).await;
        assert!(self.0.borrow().ended, "{name} does not end:\n{}", self.tail());
    }

    async fn wait(&self, until: impl FnMut(&Said) -> bool) {
        let mut changes = self.0.subscribe();
        // After the time limit the caller fails, because the expected output is missing.
        let _ = time::timeout(TIMEOUT, changes.wait_for(until)).await;
    }

    /// The last of it, without what libraries log.
    fn tail(&self) -> String {
        let said = self.0.borrow();
        let ours = |line: &&str| !line.starts_with('{') || line.contains("ivs_ingest_gateway");
        let lines: Vec<&str> = said.text.lines().filter(ours).collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }
}
