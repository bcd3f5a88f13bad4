//! Every call passes the edge before it reaches its RPC: one place, in order. Each step
//! says why it stands where it stands.
//!
//! Built on the transport of `server`; calls `rpc`.

mod deadline;
mod identity;
mod stack;

pub use identity::{Authenticator, Caller, TENANT_HEADER};
pub use stack::{Edge, HealthService};
