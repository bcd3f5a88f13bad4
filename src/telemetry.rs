//! The record of a call, its line in the access log, and the registry of metrics.
//!
//! It imports no module of the gateway: it stores plain values. It must never contain stream
//! keys.

mod access_log;
mod call_record;
mod logging;
mod metrics;

pub use access_log::AccessLogLine;
pub use call_record::{CALL_ID_HEADER, CallRecord};
pub use logging::start_logging;
pub use metrics::Metrics;
