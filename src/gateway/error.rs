//! The errors of a start and of a run.

use std::{io, net::SocketAddr};

use crate::{
    ivs::ConnectError,
    ledger::{LedgerError, OpenError, Upstream},
    server::tls::TlsError,
};

/// A failed start. Each error names a key of the configuration.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be bound.
    #[error("{key} = {address}: {source}; free the address or choose another")]
    Listen {
        /// The key of the configuration.
        key: &'static str,
        /// Its value.
        address: SocketAddr,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The certificates cannot be used.
    #[error("server.tls: {0}")]
    Tls(#[from] TlsError),
    /// The ledger cannot be opened.
    #[error("ledger.url: {0}")]
    Ledger(#[from] OpenError),
    /// The ledger cannot be read.
    #[error("ledger.url: {0}")]
    Read(#[from] LedgerError),
    /// The ledger is bound to another account, region or endpoint.
    #[error(
        "ledger.url: the ledger records the configurations of {bound}, and upstream is {configured}; correct upstream, give it a ledger of its own, or run `init-ledger --rebind` if both have the same configurations"
    )]
    OtherUpstream {
        /// The upstream that the ledger is bound to.
        bound: Box<Upstream>,
        /// The upstream of the configuration.
        configured: Box<Upstream>,
    },
    /// The AWS client cannot be built.
    #[error(transparent)]
    Upstream(#[from] ConnectError),
}

/// The gateway has ended without a signal.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An error of the operating system: a worker cannot be started.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A background task has ended, which is a defect.
    #[error("the background task {0} ended unexpectedly; report it with the log")]
    TaskEnded(&'static str),
}
