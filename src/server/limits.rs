//! The limits of the transport, and the one source of their defaults. The configuration
//! overrides them.

use std::{num::NonZeroUsize, thread, time::Duration};

/// The limits of a [`Listener`](super::Listener). Every queue, wait and age of the
/// transport is bounded by one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Worker threads, each with a runtime of its own. Default: the CPUs this
    /// process may use.
    pub workers: NonZeroUsize,
    /// Connections open at once, over all workers; one more is closed at once.
    /// Default 1024. A connection is a file descriptor: keep it below `ulimit -n`.
    pub max_connections: usize,
    /// Handshakes (TLS and the HTTP/2 preface) in progress at once, over all
    /// workers; further ones wait, within their own time limit. Default 512.
    pub max_handshakes: NonZeroUsize,
    /// From accept to the end of the HTTP/2 preface. Default 5 s.
    pub handshake_timeout: Duration,
    /// Requests in flight on one connection (HTTP/2
    /// `SETTINGS_MAX_CONCURRENT_STREAMS`). Default 128.
    pub max_concurrent_streams: u32,
    /// The size of a request's metadata, as HTTP/2 counts it
    /// (`SETTINGS_MAX_HEADER_LIST_SIZE`: names, values and 32 bytes a field).
    /// Default 16 KiB, which leaves room for a large bearer token.
    pub max_metadata_bytes: u32,
    /// Silence before an HTTP/2 PING is sent to the peer. Default 30 s.
    pub keepalive_interval: Duration,
    /// The longest wait for the answer to that PING. Default 20 s.
    pub keepalive_timeout: Duration,
    /// The age at which a connection is asked (GOAWAY) to reconnect, so that load
    /// spreads over replicas; each connection's is up to 10 % shorter or longer.
    /// It then has `drain_timeout` to finish. Default: none.
    pub max_connection_age: Option<Duration>,
    /// How long requests in flight may finish once the server, or one connection,
    /// is asked to stop. Default 20 s.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            workers: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            max_connections: 1024,
            max_handshakes: const { NonZeroUsize::new(512).unwrap() },
            handshake_timeout: Duration::from_secs(5),
            max_concurrent_streams: 128,
            max_metadata_bytes: 16 * 1024,
            keepalive_interval: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(20),
            max_connection_age: None,
            drain_timeout: Duration::from_secs(20),
        }
    }
}
