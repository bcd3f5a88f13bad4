/// Requests, parsed: typed values, or all that is wrong with them at once.
pub mod ingest;
pub mod proto;
/// The tags by which AWS itself remembers whose a configuration is.
pub mod tags;
pub mod tenant;
