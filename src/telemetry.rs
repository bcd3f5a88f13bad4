//! The record of a call, its line in the access log, and the registry of metrics.
//!
//! Stream keys must never come here.

mod call_record;
pub mod metrics;

pub use call_record::{AccessLogLine, CALL_ID_HEADER, CallRecord, start_logging};
pub use metrics::*;
