//! Calls that the generated client of the service cannot make.

use prost::Message;
use tonic::{Request, Status, Streaming, client::Grpc};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_client::HealthClient};
use tonic_prost::ProstCodec;
use tonic_reflection::pb::{v1, v1alpha};

use crate::support::{Gateway, Transport, transport};

fn origin(gateway: &Gateway) -> http::Uri {
    format!("http://{}", gateway.address).parse().unwrap()
}

/// Calls the method at that path with any message, and ignores the response message.
pub(crate) async fn call<M: Message + 'static>(
    gateway: &Gateway,
    path: &str,
    request: Request<M>,
) -> Result<(), Status> {
    let mut grpc: Grpc<Transport> = Grpc::with_origin(transport(), origin(gateway));
    grpc.ready().await.unwrap();
    let codec = ProstCodec::<M, ()>::default();
    grpc.unary(request, path.parse().unwrap(), codec).await.map(drop)
}

/// Sends the metadata of a create without ever sending its message.
pub(super) async fn create_without_end(gateway: &Gateway) -> Result<(), Status> {
    let mut grpc: Grpc<Transport> = Grpc::with_origin(transport(), origin(gateway));
    grpc.ready().await.unwrap();
    let codec = ProstCodec::<(), ()>::default();
    let path = "/ivs.ingest.v1.IngestService/CreateIngestConfiguration".parse().unwrap();
    let messages = Request::new(tokio_stream::pending::<()>());
    grpc.client_streaming(messages, path, codec).await.map(drop)
}

/// Returns the name of the status from the health service.
pub(super) async fn check_health(gateway: &Gateway, service: &str) -> Result<String, Status> {
    let mut client = HealthClient::with_origin(transport(), origin(gateway));
    let response = client.check(HealthCheckRequest { service: service.to_owned() }).await?;
    Ok(response.into_inner().status().as_str_name().to_owned())
}

/// A watch of a service's health: the first status, and the stream of further ones.
pub(super) struct Watched {
    pub(super) first: String,
    pub(super) rest: Streaming<HealthCheckResponse>,
}

pub(super) async fn watch_health(gateway: &Gateway, service: &str) -> Result<Watched, Status> {
    let mut client = HealthClient::with_origin(transport(), origin(gateway));
    let request = HealthCheckRequest { service: service.to_owned() };
    let mut rest = client.watch(request).await?.into_inner();
    let first = rest.message().await?.unwrap().status().as_str_name().to_owned();
    Ok(Watched { first, rest })
}

/// Defines a function for one version of reflection. It returns whether the server knows a
/// symbol.
macro_rules! reflection {
    ($name:ident, $version:ident) => {
        pub(super) async fn $name(gateway: &Gateway, symbol: &str) -> Result<bool, Status> {
            use $version::{
                ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
                server_reflection_request::MessageRequest,
                server_reflection_response::MessageResponse,
            };
            let mut client = ServerReflectionClient::with_origin(transport(), origin(gateway));
            let message_request = Some(MessageRequest::FileContainingSymbol(symbol.to_owned()));
            let request = ServerReflectionRequest { host: String::new(), message_request };
            let responses = client.server_reflection_info(tokio_stream::once(request)).await?;
            let response = responses.into_inner().message().await?.unwrap();
            let found = response.message_response.unwrap();
            Ok(matches!(found, MessageResponse::FileDescriptorResponse(_)))
        }
    };
}

reflection!(knows_v1, v1);
// grpcurl up to 1.8.7 speaks only this one.
reflection!(knows_v1alpha, v1alpha);
