//! The limits of each tenant that need no ledger: how often it may call, and how
//! much at once. All in memory; a refusal costs no disk and no AWS call.
//!
//! Called by `server` before a request's body is read, and by `operations` for
//! the create rate. The count of configurations is the ledger's.

mod gcra;
mod tenants;

pub use gcra::{Gcra, TooSoon};
pub use tenants::{CreatePermit, InFlight, Spent, Tenant, Tenants};
