//! External programs. A test that needs a program fails without it.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Returns grpcurl: the environment variable `GRPCURL`, or the program on the path.
pub(crate) fn grpcurl() -> String {
    tool("GRPCURL", "grpcurl", "-version")
}

/// Returns a Python with boto3 and grpcio: the environment variable `PYTHON`, or the program
/// on the path.
pub(crate) fn python() -> Command {
    let python = tool("PYTHON", "python3", "--version");
    let mut command = Command::new(python);
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("NO_PROXY", "127.0.0.1");
    command
}

/// Returns a Node.js whose `require` finds grpc-js: the environment variable `NODE`, or the
/// program on the path.
pub(crate) fn node() -> Command {
    let mut command = Command::new(tool("NODE", "node", "--version"));
    command.env("NODE_PATH", node_modules());
    command
}

/// Returns the folder with grpc-js: the environment variable `NODE_MODULES`, or the folder
/// that `tests/run` installs.
pub(crate) fn node_modules() -> PathBuf {
    let default = || {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("target/tools/node/node_modules")
            .into_os_string()
    };
    let folder = PathBuf::from(env::var_os("NODE_MODULES").unwrap_or_else(default));
    assert!(
        folder.join("@grpc/grpc-js").exists(),
        "{} has no @grpc/grpc-js; run `tests/run test`, or set NODE_MODULES to a folder that \
         docs/examples/node/package.json provides",
        folder.display()
    );
    folder
}

/// Returns Prometheus's promtool: the environment variable `PROMTOOL`, or the program that
/// `tests/run` installs.
pub(crate) fn promtool() -> String {
    let installed =
        concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/prometheus/usr/bin/promtool");
    tool("PROMTOOL", installed, "--version")
}

/// Returns nginx: the environment variable `NGINX`, or the program on the path.
pub(super) fn nginx() -> Command {
    Command::new(tool("NGINX", "nginx", "-v"))
}

/// Returns the Rust example, which cargo builds beside the binary.
pub(crate) fn rust_example() -> Command {
    let package = "create-ingest-configuration";
    let binary = Path::new(env!("CARGO_BIN_EXE_ivs-ingest-gateway"));
    let program = binary.with_file_name(package);
    assert!(program.exists(), "run `cargo build -p {package}`; `cargo test --workspace` does");
    Command::new(program)
}

fn tool(variable: &str, default: &str, probe: &str) -> String {
    let program = env::var(variable).unwrap_or_else(|_| default.to_owned());
    let quiet = || Stdio::null();
    let found = Command::new(&program).arg(probe).stdout(quiet()).stderr(quiet()).status();
    assert!(
        found.is_ok_and(|status| status.success()),
        "{program} cannot be run; run `tests/run test`, which installs it, or set {variable} to \
         its path"
    );
    program
}
