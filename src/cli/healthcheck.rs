//! `healthcheck`: requests `/readyz`, for containers that have no curl.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use clap::Args;

use super::{Failure, say};

/// Time limit of each read and write.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Limit of the response, which is one line and a few headers.
const MAX_RESPONSE_BYTES: u64 = 4096;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The gateway's `server.admin_listen`.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9090")]
    admin: SocketAddr,
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let address = options.admin;
    let response = get_readyz(address).map_err(|error| format!("{address}: {error}"))?;
    let (head, body) = response.split_once("\r\n\r\n").unwrap_or((&response, ""));
    let body = body.trim();
    if head.split(' ').nth(1) == Some("200") {
        say(&format!("{address}: {body}"));
        Ok(())
    } else {
        Err(format!("{address}: {body}").into())
    }
}

fn get_readyz(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut response = String::new();
    stream.take(MAX_RESPONSE_BYTES).read_to_string(&mut response)?;
    Ok(response)
}
