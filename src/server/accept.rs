//! Accepting, and what to do when that fails. Both the gRPC listener and the admin
//! listener accept through here.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    time::Duration,
};

use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Connections the kernel may hold for us. std's 128 overflows when a fleet of
/// clients reconnects at once; the kernel caps this at `net.core.somaxconn`.
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
    /// Binds and listens; port 0 takes a free port.
    ///
    /// # Errors
    /// The operating system's, with the address in the message.
    ///
    /// # Panics
    /// When called outside a tokio runtime; it accepts on the one it was bound on.
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

    /// The address bound, with the port taken where 0 was asked for.
    ///
    /// # Errors
    /// The operating system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The next connection. Failures never end the wait: those of one connection are
    /// skipped, and any other (no file descriptor, no memory) pauses the accepting
    /// for a growing, bounded time instead of spinning. Cancel safe.
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
                        tracing::warn!(%error, "cannot accept connections; trying again");
                    }
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }
}

/// Whether the error is one that accept(2) reports for a connection that died in the
/// queue. Listing these, and not the shortages, means that no error can make us spin.
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

/// How long to wait after failures in a row.
#[derive(Debug, Default)]
struct Pause {
    last: Option<Duration>,
}

impl Pause {
    /// The pause to take now, and whether it is the first since a success.
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
    fn shortages_pause_longer_and_longer_and_warn_once() {
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
