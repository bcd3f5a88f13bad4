//! A recorded call, which other clients can repeat.

use std::net::SocketAddr;

use prost::Message;
use tonic::{
    Request,
    client::Grpc,
    metadata::{KeyAndValueRef, MetadataMap},
};
use tonic_prost::ProstCodec;

use super::{Transport, transport};

pub(crate) const CREATE: &str = "/ivs.ingest.v1.IngestService/CreateIngestConfiguration";

/// A call of any method, with its encoded message.
#[derive(Debug, Clone)]
pub(crate) struct Replay {
    pub(crate) address: SocketAddr,
    pub(crate) path: String,
    pub(crate) metadata: Vec<(String, String)>,
    pub(crate) message: Vec<u8>,
}

impl Replay {
    pub(crate) fn of<M: Message>(address: SocketAddr, path: &str, request: &Request<M>) -> Self {
        Self {
            address,
            path: path.to_owned(),
            metadata: pairs(request.metadata()),
            message: request.get_ref().encode_to_vec(),
        }
    }

    /// Returns a create of the tenant.
    pub(crate) fn create(address: SocketAddr, tenant: &str, message: &impl Message) -> Self {
        Self {
            address,
            path: CREATE.to_owned(),
            metadata: vec![("x-tenant-id".to_owned(), tenant.to_owned())],
            message: message.encode_to_vec(),
        }
    }

    /// Calls a method that does not exist, with that call id, and ignores the response.
    pub(crate) async fn call_unknown_method(&self, call_id: &str) {
        let origin = format!("http://{}", self.address).parse().unwrap();
        let mut grpc: Grpc<Transport> = Grpc::with_origin(transport(), origin);
        grpc.ready().await.unwrap();
        let mut request = Request::new(());
        request.metadata_mut().insert("x-request-id", call_id.parse().unwrap());
        let path = "/ivs.ingest.v1.IngestService/NoSuchMethod".parse().unwrap();
        let _ = grpc.unary(request, path, ProstCodec::<(), ()>::default()).await;
    }
}

fn pairs(metadata: &MetadataMap) -> Vec<(String, String)> {
    let text = |entry| match entry {
        KeyAndValueRef::Ascii(key, value) => {
            Some((key.to_string(), value.to_str().unwrap().to_owned()))
        }
        KeyAndValueRef::Binary(..) => None,
    };
    metadata.iter().filter_map(text).collect()
}
