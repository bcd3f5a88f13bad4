//! Tenants: their ids, their limits, their tags at AWS and their stages.

mod gcra;
mod id;
mod registry;
mod stages;
pub mod tags;

pub use gcra::{Gcra, TooSoon};
pub use id::{InvalidTenantId, MAX_TENANT_ID_CHARACTERS, TenantId};
pub use registry::{CreatePermit, InFlight, Spent, Tenant, Tenants};
pub use stages::Stages;
