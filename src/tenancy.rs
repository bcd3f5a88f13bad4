//! Tenants: their ids, settings, limits, tags at AWS and stages.
//!
//! Used by `edge` and `handlers`. This module knows neither AWS nor the configuration file:
//! its callers pass the lookup of a stage and the settings.

mod gcra;
mod id;
mod limits;
mod metrics;
mod registry;
mod settings;
mod stages;
pub mod tags;
mod tenant;

pub use gcra::{Gcra, TooSoon};
pub use id::{InvalidTenantId, MAX_TENANT_ID_CHARACTERS, TenantId};
pub use limits::{Admitted, Enforcement, Limit, LimitExceeded, RateLimit};
pub use metrics::LimitCounts;
pub use registry::{TenantError, Tenants};
pub use settings::{Rate, TenancySettings, TenantSettings};
pub use stages::{OwnershipError, Stage, StageOwnership};
pub use tenant::{CallKind, ConcurrencyPermit, CreatePermit, RateUsage, Tenant};
