//! The gRPC service: unwraps the message, calls the operation, wraps the answer.
//! With `front`, the only place that knows tonic.

mod convert;
pub mod status;

use tonic::{Request, Response, Status};

use crate::{
    edge::Caller,
    error::Error,
    handlers::Handlers,
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
        ListIngestConfigurations, UpdateIngestConfiguration,
    },
    telemetry::CallRecord,
};

/// The service, on one worker.
#[derive(Clone)]
pub struct Rpc {
    handlers: Handlers,
}

impl Rpc {
    /// The service of these operations.
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
        let (call, message) = Call::of(request)?;
        let Call { caller, record } = &call;
        let parsed =
            CreateIngestConfiguration::parse(message, &caller.tenant().settings.extra_tags);
        let answer = match parsed {
            Ok(create) => self.handlers.create_ingest_configuration(caller, create, record).await,
            Err(violations) => Err(Error::InvalidFields(violations)),
        };
        call.answer(answer)
    }

    async fn get_ingest_configuration(
        &self,
        request: Request<GetIngestConfigurationRequest>,
    ) -> Result<Response<GetIngestConfigurationResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let answer = match GetIngestConfiguration::parse(message) {
            Ok(get) => {
                self.handlers.get_ingest_configuration(&call.caller, get, &call.record).await
            }
            Err(violations) => Err(Error::InvalidFields(violations)),
        };
        call.answer(answer)
    }

    async fn list_ingest_configurations(
        &self,
        request: Request<ListIngestConfigurationsRequest>,
    ) -> Result<Response<ListIngestConfigurationsResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let answer = match ListIngestConfigurations::parse(message) {
            Ok(list) => self.handlers.list_ingest_configurations(&call.caller, list).await,
            Err(violations) => Err(Error::InvalidFields(violations)),
        };
        call.answer(answer)
    }

    async fn update_ingest_configuration(
        &self,
        request: Request<UpdateIngestConfigurationRequest>,
    ) -> Result<Response<UpdateIngestConfigurationResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let answer = match UpdateIngestConfiguration::parse(message) {
            Ok(update) => {
                self.handlers.update_ingest_configuration(&call.caller, update, &call.record).await
            }
            Err(violations) => Err(Error::InvalidFields(violations)),
        };
        call.answer(answer)
    }

    async fn delete_ingest_configuration(
        &self,
        request: Request<DeleteIngestConfigurationRequest>,
    ) -> Result<Response<DeleteIngestConfigurationResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let answer = match DeleteIngestConfiguration::parse(message) {
            Ok(delete) => {
                self.handlers.delete_ingest_configuration(&call.caller, delete, &call.record).await
            }
            Err(violations) => Err(Error::InvalidFields(violations)),
        };
        call.answer(answer)
    }

    async fn get_quota(
        &self,
        request: Request<GetQuotaRequest>,
    ) -> Result<Response<GetQuotaResponse>, Status> {
        let (call, GetQuotaRequest {}) = Call::of(request)?;
        let answer = self.handlers.get_quota(&call.caller).await;
        call.answer(answer)
    }
}

/// Who calls, and the record of the call.
struct Call {
    caller: Caller,
    record: CallRecord,
}

impl Call {
    /// Takes what `front` decided about the call. Without it there is no caller.
    fn of<M>(request: Request<M>) -> Result<(Self, M), Status> {
        let (_, mut extensions, message) = request.into_parts();
        match (extensions.remove(), extensions.remove()) {
            (Some(caller), Some(record)) => Ok((Self { caller, record }, message)),
            _ => Err(status::of(&Error::Internal)),
        }
    }

    fn answer<T, M: From<T>>(self, result: Result<T, Error>) -> Result<Response<M>, Status> {
        match result {
            Ok(value) => Ok(Response::new(M::from(value))),
            Err(error) => {
                self.record.failed(&error);
                Err(status::of(&error))
            }
        }
    }
}
