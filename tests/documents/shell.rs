//! A shell that runs the commands of one document.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const GATEWAY: &str = env!("CARGO_BIN_EXE_ivs-ingest-gateway");
/// The line that the shell prints after each command.
const END: &str = "--- end of the output ---";
/// The longest time for a program to start on a slow machine.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A program that keeps running: the command of the documents, the environment that a test
/// adds, and the options that name addresses. A test lets the system choose the ports.
const PROGRAMS: [(&str, &str, &[&str]); 5] = [
    ("cargo run -- dev", "", &DEV),
    ("ivs-ingest-gateway dev", "", &DEV),
    ("ivs-ingest-gateway emulator", "", &["--listen"]),
    ("cargo run -p ivs-realtime-emulator", "", &["--listen"]),
    (
        "ivs-ingest-gateway serve",
        "IVS_INGEST_GATEWAY__SERVER__LISTEN=127.0.0.1:0 \
         IVS_INGEST_GATEWAY__SERVER__ADMIN_LISTEN=127.0.0.1:0 \
         IVS_INGEST_GATEWAY__LEDGER__URL=sqlite:ledger.db ",
        &[],
    ),
];
const DEV: [&str; 3] = ["--listen", "--admin-listen", "--emulator-listen"];
/// Replaces cargo, because the programs that documents run with it are already built.
const CARGO: &str = r#"cargo() {
    shift
    if [ "$1" = -p ]; then local program=$2; shift 3; "$program" "$@"
    else shift; ivs-ingest-gateway "$@"; fi
}"#;
pub(crate) struct Shell {
    bash: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    folder: TempDir,
    started: usize,
}

/// A program that runs in the background.
pub(crate) struct Program {
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Shell {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let binaries = Path::new(GATEWAY).parent().unwrap();
        let python = crate::python();
        let tools = Path::new(&python).parent().unwrap();
        let path = env::var("PATH").unwrap();
        let mut bash = Command::new("bash")
            .args(["--norc", "-s"])
            .current_dir(folder.path())
            .env("PATH", format!("{}:{}:{path}", binaries.display(), tools.display()))
            .env("HOME", folder.path())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_PAGER", "")
            .env("NO_PROXY", "127.0.0.1")
            .env_remove("GRPCURL")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let stdin = bash.stdin.take().unwrap();
        let stdout = BufReader::new(bash.stdout.take().unwrap());
        let mut shell = Self { bash, stdin, stdout, folder, started: 0 };
        shell.run("exec 2>&1");
        shell.run(CARGO);
        shell.provide_repository();
        shell
    }

    /// Puts the parts of the repository that documents use into the folder of the shell.
    fn provide_repository(&mut self) {
        let proto = self.folder.path().join("proto");
        std::os::unix::fs::symlink(Path::new(ROOT).join("proto"), proto).unwrap();
        // Node resolves packages from the real path of a program, so a link is not sufficient.
        let modules = env::var("NODE_MODULES")
            .unwrap_or_else(|_| format!("{ROOT}/target/tools/node/node_modules"));
        self.run(&format!(
            "mkdir -p docs && cp -r {ROOT}/docs/examples docs/ && \
             ln -sfn {modules} docs/examples/node/node_modules"
        ));
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        fs::write(self.folder.path().join(file), text).unwrap();
    }

    /// Runs a command and returns the lines that it printed.
    pub(crate) fn run(&mut self, command: &str) -> Vec<String> {
        writeln!(self.stdin, "{command}\nprintf '\\n%s\\n' '{END}'").unwrap();
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            let read = self.stdout.read_line(&mut line).unwrap();
            assert!(read > 0, "the shell ended at: {command}");
            let line = line.trim_end().to_owned();
            if line == END {
                break;
            }
            lines.push(line);
        }
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }

    /// Starts the program that the command names, if it is one that keeps running.
    pub(crate) fn start_program(&mut self, command: &str) -> Option<Program> {
        let (named, environment, options) =
            PROGRAMS.iter().find(|(named, ..)| command.starts_with(named))?;
        let subcommand = named.rsplit_once(' ').map_or("", |(_, last)| last);
        let subcommand = if subcommand.contains("emulator") { "emulator" } else { subcommand };
        let mut words: Vec<&str> = command[named.len()..].split_whitespace().collect();
        for option in *options {
            if let Some(index) = words.iter().position(|word| word == option) {
                words.drain(index..index + 2);
            }
            words.extend([option, "127.0.0.1:0"]);
        }
        let arguments = words.join(" ");
        let number = self.started;
        self.started += 1;
        self.run(&format!(
            "{environment}ivs-ingest-gateway {subcommand} {arguments} \
             >{number}.out 2>{number}.err &"
        ));
        let output = |kind| self.folder.path().join(format!("{number}.{kind}"));
        Some(Program { stdout: output("out"), stderr: output("err") })
    }
}

impl Program {
    /// Waits until `pick` returns a value for the lines of both outputs, and returns that value.
    pub(crate) fn wait<T>(&self, mut pick: impl FnMut(&[String], &[String]) -> Option<T>) -> T {
        let lines = |path: &Path| -> Vec<String> {
            let text = fs::read_to_string(path).unwrap_or_default();
            text.lines().map(|line| line.trim_end().to_owned()).collect()
        };
        let started = Instant::now();
        loop {
            let (stdout, stderr) = (lines(&self.stdout), lines(&self.stderr));
            if let Some(found) = pick(&stdout, &stderr) {
                return found;
            }
            assert!(
                started.elapsed() < START_TIMEOUT,
                "the program does not print what the document says:\n{}\n{}",
                stdout.join("\n"),
                stderr.join("\n")
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.bash), Signal::TERM);
        let _ = self.bash.kill();
        let _ = self.bash.wait();
    }
}
