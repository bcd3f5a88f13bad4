//! The limits of the transport and their defaults, which the configuration overrides.

use std::{num::NonZeroUsize, thread, time::Duration};

/// The limits of a [`Listener`](super::Listener). They bound every queue, wait and age of
/// the transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Number of worker threads. Default: the number of CPUs that the process may use.
    pub workers: NonZeroUsize,
    /// Maximum number of open connections of all workers; others are closed immediately.
    /// Default 1024. A connection is a file descriptor: keep the limit below `ulimit -n`.
    pub max_connections: usize,
    /// Maximum number of concurrent handshakes (TLS and the HTTP/2 preface) of all workers.
    /// Others wait, within their time limit. Default 512.
    pub max_handshakes: NonZeroUsize,
    /// Time from accept to the end of the HTTP/2 preface. Default 5 s.
    pub handshake_timeout: Duration,
    /// Maximum number of concurrent requests of a connection (HTTP/2
    /// `SETTINGS_MAX_CONCURRENT_STREAMS`). Default 128.
    pub max_concurrent_streams: u32,
    /// Maximum size of the metadata of a request, as HTTP/2 counts it
    /// (`SETTINGS_MAX_HEADER_LIST_SIZE`: names, values and 32 bytes a field). Default 16 KiB,
    /// which is sufficient for a large bearer token.
    pub max_metadata_bytes: u32,
    /// Time without traffic after which the server sends an HTTP/2 PING. Default 30 s.
    pub keepalive_interval: Duration,
    /// Time limit of the response to that PING. Default 20 s.
    pub keepalive_timeout: Duration,
    /// Age at which a connection gets a GOAWAY, so that load spreads over replicas. The age of
    /// each connection is up to 10 % shorter or longer. Its requests then have `drain_timeout`
    /// to finish. Default: none.
    pub max_connection_age: Option<Duration>,
    /// Time that running requests get to finish when the server drains, or a connection
    /// reaches its age. Default 20 s.
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
