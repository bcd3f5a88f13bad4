//! Keeps the ledger true to AWS: resolves creates and deletes of unknown outcome, scans
//! what AWS has, and rebuilds a lost ledger.

mod metrics;
mod resolver;
mod scan;
mod ticker;

pub use metrics::ReconcileMetrics;
pub use resolver::{Resolution, Resolutions, Resolver};
pub use scan::{Scan, ScanConfig};
pub use ticker::Ticker;
