//! `healthcheck`: asks `/readyz`, for a container's probe that has no curl.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use clap::Args;

use super::{Failure, say};

/// A gateway that takes longer to answer a probe is not well.
const TIMEOUT: Duration = Duration::from_secs(3);

/// An answer is one line and a few headers.
const MAX_ANSWER_BYTES: u64 = 4096;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The gateway's `server.admin_listen`.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9090")]
    admin: SocketAddr,
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let address = options.admin;
    let answer = ask(address).map_err(|error| format!("{address}: {error}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let body = body.trim();
    if head.split(' ').nth(1) == Some("200") {
        say(&format!("{address}: {body}"));
        Ok(())
    } else {
        Err(format!("{address}: {body}").into())
    }
}

fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(MAX_ANSWER_BYTES).read_to_string(&mut answer)?;
    Ok(answer)
}
