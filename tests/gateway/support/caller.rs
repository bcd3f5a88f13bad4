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

use super::{Refusal, Replay, replay::CREATE, secrets::Secrets, stage_of};

/// HTTP/2 without tonic's own timers: the deadline that ends a call is the gateway's.
pub(crate) type Transport = Client<HttpConnector, tonic::body::Body>;

pub(crate) fn transport() -> Transport {
    let mut connector = HttpConnector::new();
    // Head and body are two writes: the second would wait 40 ms for the first to be acknowledged.
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).http2_only(true).build(connector)
}

/// A create in a stage of the tenant. Tests change what they are about.
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

    /// The message as a call of this caller's, to which metadata can be added.
    pub(crate) fn request<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("x-tenant-id", self.tenant.parse().unwrap());
        request
    }

    /// The default create of this caller's tenant, sent once.
    pub(crate) async fn create_one(&self) -> Result<CreateIngestConfigurationResponse, Refusal> {
        self.create(create(&self.tenant)).await
    }

    pub(crate) async fn create(
        &self,
        message: CreateIngestConfigurationRequest,
    ) -> Result<CreateIngestConfigurationResponse, Refusal> {
        self.send(self.request(message)).await.map(Response::into_inner)
    }

    /// Sends a create and remembers its keys: they may be nowhere else in the response,
    /// and nowhere at all in a rejection.
    pub(crate) async fn send(
        &self,
        request: Request<CreateIngestConfigurationRequest>,
    ) -> Result<Response<CreateIngestConfigurationResponse>, Refusal> {
        let replay = Replay::of(self.gateway, CREATE, &request);
        let answer = self.client.clone().create_ingest_configuration(request).await;
        let answer = answer.map_err(|status| self.refused(&status).of_call(replay))?;
        let mut rest = answer.get_ref().clone();
        if let Some(configuration) = &mut rest.ingest_configuration {
            self.secrets.learn(&std::mem::take(&mut configuration.stream_key));
            for credential in &mut configuration.redundant_ingest_credentials {
                self.secrets.learn(&std::mem::take(&mut credential.stream_key));
            }
        }
        self.secrets.said("a create's answer beside its keys", rest.encode_to_vec());
        self.secrets.said("a create's metadata", format!("{:?}", answer.metadata()));
        Ok(answer)
    }

    /// Converts a status, and records its texts for the search for secrets.
    pub(crate) fn refused(&self, status: &tonic::Status) -> Refusal {
        Refusal::of(status, &self.secrets)
    }
}
