//! The messages and the service that `build.rs` generates from `proto/`, with `Debug`
//! implementations that hide stream keys.

use std::fmt;

/// Package `ivs.ingest.v1`.
pub mod v1 {
    #![allow(
        missing_docs,
        unused_qualifications,
        clippy::all,
        clippy::pedantic,
        reason = "generated code"
    )]
    tonic::include_proto!("ivs.ingest.v1");
}

/// The encoded `FileDescriptorSet` of the API, custom options included.
pub const FILE_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/ingest_descriptor.bin"));

impl fmt::Debug for v1::IngestConfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IngestConfiguration")
            .field("arn", &self.arn)
            .field("name", &self.name)
            .field("stage_arn", &self.stage_arn)
            .field("ingest_protocol", &self.ingest_protocol())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for v1::RedundantIngestCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedundantIngestCredential")
            .field("participant_id", &self.participant_id)
            .finish_non_exhaustive()
    }
}
