//! Below the RPCs: accept, TLS, HTTP/2 and its limits, the drain, and the admin
//! endpoints.
//!
//! One accept loop hands each connection to the worker with the fewest. A worker
//! is a thread with a runtime and a service of its own, so that a request never
//! crosses threads. Nothing here knows gRPC, tenants or AWS.

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
