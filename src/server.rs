//! The transport: accept, TLS, HTTP/2 and its limits, the drain, and the admin endpoints.
//!
//! One accept loop assigns each connection to the worker with the fewest connections. A
//! worker is a thread with its own runtime and service, so that a request never crosses
//! threads. This module knows no gRPC, tenants or AWS.

mod accept;
pub mod admin;
mod connection;
mod limits;
mod listener;
mod preface;
mod repeats;
pub mod tls;
mod worker;

pub use accept::Acceptor;
pub use connection::{HttpService, Peer};
pub use limits::Limits;
pub use listener::Listener;
pub use worker::{Drained, WorkerContext};
