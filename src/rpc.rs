//! The gRPC service: parses the message, calls the handler, and converts the result.

mod convert;
pub mod status;

use tonic::{Request, Response, Status};

use crate::{
    error::Error,
    handlers::{CallContext, Handlers},
    proto::v1::{
        CreateIngestConfigurationRequest, CreateIngestConfigurationResponse,
        DeleteIngestConfigurationRequest, DeleteIngestConfigurationResponse,
        GetIngestConfigurationRequest, GetIngestConfigurationResponse, GetQuotaRequest,
        GetQuotaResponse, ListIngestConfigurationsRequest, ListIngestConfigurationsResponse,
        UpdateIngestConfigurationRequest, UpdateIngestConfigurationResponse,
        ingest_service_server::IngestService,
    },
    request::{
        CreateIngestConfiguration, DeleteIngestConfiguration, GetIngestConfiguration,
        ListIngestConfigurations, UpdateIngestConfiguration, Violations,
    },
};

/// The service, on one worker.
#[derive(Clone)]
pub struct Rpc {
    handlers: Handlers,
}

impl Rpc {
    /// Returns the service of these handlers.
    #[must_use]
    pub const fn new(handlers: Handlers) -> Self {
        Self { handlers }
    }
}

#[tonic::async_trait]
impl IngestService for Rpc {
    async fn create_ingest_configuration(
        &self,
        request: Request<CreateIngestConfigurationRequest>,
    ) -> Result<Response<CreateIngestConfigurationResponse>, Status> {
        let (context, message) = open(request)?;
        let extra_tags = &context.tenant().settings.extra_tags;
        let create = parsed(&context, CreateIngestConfiguration::parse(message, extra_tags))?;
        respond(&context, self.handlers.create_ingest_configuration(&context, create).await)
    }

    async fn get_ingest_configuration(
        &self,
        request: Request<GetIngestConfigurationRequest>,
    ) -> Result<Response<GetIngestConfigurationResponse>, Status> {
        let (context, message) = open(request)?;
        let get = parsed(&context, GetIngestConfiguration::parse(message))?;
        respond(&context, self.handlers.get_ingest_configuration(&context, get).await)
    }

    async fn list_ingest_configurations(
        &self,
        request: Request<ListIngestConfigurationsRequest>,
    ) -> Result<Response<ListIngestConfigurationsResponse>, Status> {
        let (context, message) = open(request)?;
        let list = parsed(&context, ListIngestConfigurations::parse(message))?;
        respond(&context, self.handlers.list_ingest_configurations(&context, list).await)
    }

    async fn update_ingest_configuration(
        &self,
        request: Request<UpdateIngestConfigurationRequest>,
    ) -> Result<Response<UpdateIngestConfigurationResponse>, Status> {
        let (context, message) = open(request)?;
        let update = parsed(&context, UpdateIngestConfiguration::parse(message))?;
        respond(&context, self.handlers.update_ingest_configuration(&context, update).await)
    }

    async fn delete_ingest_configuration(
        &self,
        request: Request<DeleteIngestConfigurationRequest>,
    ) -> Result<Response<DeleteIngestConfigurationResponse>, Status> {
        let (context, message) = open(request)?;
        let delete = parsed(&context, DeleteIngestConfiguration::parse(message))?;
        respond(&context, self.handlers.delete_ingest_configuration(&context, delete).await)
    }

    async fn get_quota(
        &self,
        request: Request<GetQuotaRequest>,
    ) -> Result<Response<GetQuotaResponse>, Status> {
        let (context, GetQuotaRequest {}) = open(request)?;
        respond(&context, self.handlers.get_quota(&context).await)
    }
}

/// Takes the context that the edge added to the call. A call without one was not
/// authenticated, and is rejected.
fn open<M>(request: Request<M>) -> Result<(CallContext, M), Status> {
    let (_, mut extensions, message) = request.into_parts();
    let context = extensions.remove().ok_or_else(|| status::of(&Error::Internal))?;
    Ok((context, message))
}

fn parsed<T>(context: &CallContext, parsed: Result<T, Violations>) -> Result<T, Status> {
    parsed.map_err(|violations| rejected(context, &Error::InvalidFields(violations)))
}

fn respond<T, M: From<T>>(
    context: &CallContext,
    result: Result<T, Error>,
) -> Result<Response<M>, Status> {
    match result {
        Ok(value) => Ok(Response::new(M::from(value))),
        Err(error) => Err(rejected(context, &error)),
    }
}

fn rejected(context: &CallContext, error: &Error) -> Status {
    context.record().failed(error.reason(), error.aws_request_id());
    status::of(error)
}
