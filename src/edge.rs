//! The edge: the steps that every call passes before its handler. `stack` shows their order
//! and the reason for it. The edge runs on the transport of `server`, and calls `rpc`.

mod deadline;
mod discard;
pub mod health;
mod identity;
mod limits;
mod reflection;
mod stack;

pub use identity::{Authenticator, TENANT_HEADER};
pub use stack::Edge;
