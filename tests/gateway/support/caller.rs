//! A client of the gateway that acts for one tenant.

use std::{net::SocketAddr, sync::Arc};

use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use ivs_ingest_gateway::proto::v1::{
    CreateIngestConfigurationRequest, CreateIngestConfigurationResponse, IngestProtocol,
    ingest_service_client::IngestServiceClient,
};
use prost::Message;
use tonic::{Request, Response};

use super::{Rejection, Replay, replay::CREATE, secrets::Secrets, stage_of};

/// An HTTP/2 client without tonic's timers, so that only the gateway ends a call at its
/// deadline.
pub(crate) type Transport = Client<HttpConnector, tonic::body::Body>;

pub(crate) fn transport() -> Transport {
    let mut connector = HttpConnector::new();
    // The body is a second write. With Nagle's algorithm it would wait 40 ms for the
    // acknowledgement of the headers.
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).http2_only(true).build(connector)
}

/// Returns a create in the stage of the tenant.
pub(crate) fn create(tenant: &str) -> CreateIngestConfigurationRequest {
    CreateIngestConfigurationRequest {
        stage_arn: stage_of(tenant),
        ingest_protocol: IngestProtocol::Rtmps.into(),
        ..Default::default()
    }
}

#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) client: IngestServiceClient<Transport>,
    pub(crate) gateway: SocketAddr,
    tenant: String,
    secrets: Arc<Secrets>,
}

impl Caller {
    pub(super) fn new(gateway: SocketAddr, tenant: &str, secrets: Arc<Secrets>) -> Self {
        let origin = format!("http://{gateway}").parse().unwrap();
        let client = IngestServiceClient::with_origin(transport(), origin);
        Self { client, gateway, tenant: tenant.to_owned(), secrets }
    }

    /// Returns the message as a request of this caller.
    pub(crate) fn request<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("x-tenant-id", self.tenant.parse().unwrap());
        request
    }

    /// Sends the default create of this caller's tenant.
    pub(crate) async fn create_one(&self) -> Result<CreateIngestConfigurationResponse, Rejection> {
        self.create(create(&self.tenant)).await
    }

    pub(crate) async fn create(
        &self,
        message: CreateIngestConfigurationRequest,
    ) -> Result<CreateIngestConfigurationResponse, Rejection> {
        self.send(self.request(message)).await.map(Response::into_inner)
    }

    /// Sends a create and records its stream keys. They may appear only in their fields of the
    /// response, and never in an error.
    pub(crate) async fn send(
        &self,
        request: Request<CreateIngestConfigurationRequest>,
    ) -> Result<Response<CreateIngestConfigurationResponse>, Rejection> {
        let replay = Replay::of(self.gateway, CREATE, &request);
        let response = self.client.clone().create_ingest_configuration(request).await;
        let response = response.map_err(|status| self.rejection(&status).of_call(replay))?;
        let mut rest = response.get_ref().clone();
        if let Some(configuration) = &mut rest.ingest_configuration {
            self.secrets.add_key(&std::mem::take(&mut configuration.stream_key));
            for credential in &mut configuration.redundant_ingest_credentials {
                self.secrets.add_key(&std::mem::take(&mut credential.stream_key));
            }
        }
        self.secrets.record("a create's response without its key fields", rest.encode_to_vec());
        self.secrets.record("a create's metadata", format!("{:?}", response.metadata()));
        Ok(response)
    }

    /// Returns the rejection in a status, and records it for the search for stream keys.
    pub(crate) fn rejection(&self, status: &tonic::Status) -> Rejection {
        Rejection::of(status, &self.secrets)
    }
}
