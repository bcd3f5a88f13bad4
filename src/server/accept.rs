//! Accepts connections, for the gRPC listener and the admin listener, and handles the
//! failures of accept(2).

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    time::Duration,
};

use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Backlog of the socket. The backlog of std, 128, overflows when many clients reconnect
/// concurrently. The kernel caps it at `net.core.somaxconn`.
const BACKLOG: u32 = 4096;

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A bound, listening socket.
#[derive(Debug)]
pub struct Acceptor {
    listener: TcpListener,
    pause: Pause,
}

impl Acceptor {
    /// Binds and listens. With port 0 the system chooses a port.
    ///
    /// # Errors
    /// An error of the operating system, with the address in the message.
    ///
    /// # Panics
    /// Outside a tokio runtime. The acceptor belongs to the runtime that it was bound on.
    pub fn bind(listen: SocketAddr) -> io::Result<Self> {
        let bind = || {
            let socket = if listen.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            // A restart must not wait for old connections to leave TIME_WAIT.
            socket.set_reuseaddr(true)?;
            socket.bind(listen)?;
            socket.listen(BACKLOG)
        };
        let listener = bind().map_err(|error| {
            io::Error::new(error.kind(), format!("cannot listen on {listen}: {error}"))
        })?;
        Ok(Self { listener, pause: Pause::default() })
    }

    /// The bound address, with the port that the system chose.
    ///
    /// # Errors
    /// An error of the operating system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Returns the next connection. Skips the failure of a single connection. After another
    /// failure (no file descriptor, no memory) it waits 10 ms, and twice as long after each
    /// further failure, up to 1 s, so that the loop does not spin. Cancel safe.
    pub(super) async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok(accepted) => {
                    self.pause.reset();
                    return accepted;
                }
                Err(error) if concerns_one_connection(error.kind()) => {}
                Err(error) => {
                    let (pause, first) = self.pause.next();
                    if first {
                        tracing::warn!(%error, "cannot accept connections; retrying");
                    }
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }
}

/// Whether accept(2) reports the error for a connection that failed in the backlog. All
/// other errors cause a pause, so that an unknown error cannot make the loop spin.
fn concerns_one_connection(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionRefused
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::Interrupted
    )
}

/// The pauses after consecutive failures.
#[derive(Debug, Default)]
struct Pause {
    last: Option<Duration>,
}

impl Pause {
    /// Returns the next pause, and whether it is the first since a success.
    fn next(&mut self) -> (Duration, bool) {
        let next = self.last.map_or(FIRST_PAUSE, |last| (last * 2).min(LONGEST_PAUSE));
        (next, self.last.replace(next).is_none())
    }

    fn reset(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortages_double_the_pause_and_warn_once() {
        // EMFILE, ENFILE, ENOBUFS, ENOMEM on Linux.
        for code in [24, 23, 105, 12] {
            let kind = io::Error::from_raw_os_error(code).kind();
            assert!(!concerns_one_connection(kind), "{code}");
        }
        let mut pause = Pause::default();
        assert_eq!(pause.next(), (FIRST_PAUSE, true));
        assert_eq!(pause.next(), (FIRST_PAUSE * 2, false));
        for _ in 0..20 {
            pause.next();
        }
        assert_eq!(pause.next(), (LONGEST_PAUSE, false));
        pause.reset();
        assert_eq!(pause.next(), (FIRST_PAUSE, true));
    }

    #[tokio::test]
    async fn a_taken_address_is_named_in_the_error() {
        let taken = Acceptor::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = taken.local_addr().unwrap();
        let error = Acceptor::bind(address).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }
}
