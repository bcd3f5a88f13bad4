//! Clients that are not ours. A test that needs one fails without it.

use std::{
    env,
    process::{Command, Stdio},
};

/// grpcurl: `GRPCURL` of the environment, or the one on the path.
pub(crate) fn grpcurl() -> String {
    tool("GRPCURL", "grpcurl", "-version")
}

/// A Python that has boto3: `PYTHON` of the environment, or the one on the path.
pub(crate) fn python() -> Command {
    let python = tool("PYTHON", "python3", "--version");
    let mut command = Command::new(python);
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("NO_PROXY", "127.0.0.1");
    command
}

/// A Node.js that finds grpc-js: in the folder that `NODE_MODULES` names.
pub(crate) fn node() -> Command {
    let mut command = Command::new(tool("NODE", "node", "--version"));
    if let Ok(modules) = env::var("NODE_MODULES") {
        command.env("NODE_PATH", modules);
    }
    command
}

fn tool(variable: &str, default: &str, probe: &str) -> String {
    let program = env::var(variable).unwrap_or_else(|_| default.to_owned());
    let quiet = || Stdio::null();
    let found = Command::new(&program).arg(probe).stdout(quiet()).stderr(quiet()).status();
    assert!(
        found.is_ok_and(|status| status.success()),
        "{program} cannot be run; run `tests/run test`, or set {variable} to one that \
         tests/requirements.txt provides"
    );
    program
}
