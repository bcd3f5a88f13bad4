//! The edge: the steps that every call passes before it reaches its handler. `stack` shows
//! their order, and each step's reason to stand where it stands.
//!
//! Built on the transport of `server`; calls `rpc`.

mod deadline;
mod discard;
pub mod health;
mod identity;
mod limits;
mod reflection;
mod stack;

pub use identity::{Authenticator, TENANT_HEADER};
pub use stack::Edge;
