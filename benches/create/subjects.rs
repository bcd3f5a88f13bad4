//! The programs that the gateway is compared with.

use std::{net::SocketAddr, thread, time::SystemTime};

use aws_config::{BehaviorVersion, Region};
use aws_sdk_ivsrealtime::{
    Client,
    config::{Credentials, SharedCredentialsProvider},
    types::{self, IngestConfiguration},
};
use clap::ValueEnum;
use ivs_ingest_gateway::proto::v1::{
    self, CreateIngestConfigurationRequest, CreateIngestConfigurationResponse,
    DeleteIngestConfigurationRequest, DeleteIngestConfigurationResponse,
    GetIngestConfigurationRequest, GetIngestConfigurationResponse, GetQuotaRequest,
    GetQuotaResponse, ListIngestConfigurationsRequest, ListIngestConfigurationsResponse,
    UpdateIngestConfigurationRequest, UpdateIngestConfigurationResponse,
    ingest_service_server::{IngestService, IngestServiceServer},
};
use tokio::{net::TcpSocket, runtime};
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

use crate::{Failure, gateway::REGION};

/// A measured program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
#[value(rename_all = "verbatim")]
pub(crate) enum Subject {
    /// A bare tonic handler with these messages.
    A,
    /// A bare tonic handler that only returns `RESOURCE_EXHAUSTED`.
    R,
    /// A bare create of the AWS SDK with its defaults: a process that only calls.
    B,
    /// A naive forwarder: A calls B.
    C,
    /// C with one current-thread runtime per core.
    D,
    /// The gateway's own SDK client on a current-thread runtime: B with the gateway's tuning.
    E,
    /// The gateway with everything on.
    G,
    /// Another build of the gateway, given with `--beside`.
    H,
    /// The gateway rejects a tenant that is over its request rate.
    Rate,
    /// The gateway rejects a create whose predicted wait exceeds its deadline.
    Budget,
    /// The gateway rejects a call without a credential.
    Auth,
}

impl Subject {
    /// The subjects of a run without `--only`.
    pub(crate) const DEFAULT: [Self; 10] = [
        Self::A,
        Self::R,
        Self::B,
        Self::C,
        Self::D,
        Self::E,
        Self::G,
        Self::Rate,
        Self::Budget,
        Self::Auth,
    ];

    /// Returns whether the subject only calls AWS, and so needs no load generator.
    pub(crate) const fn is_caller(self) -> bool {
        matches!(self, Self::B | Self::E)
    }

    /// The title of the subject in the table.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::A => "A  bare tonic handler",
            Self::R => "R  A that only rejects",
            Self::B => "B  bare SDK create",
            Self::C => "C  naive forwarder",
            Self::D => "D  C, one runtime per core",
            Self::E => "E  the gateway's SDK client",
            Self::G => "G  the gateway",
            Self::H => "H  the gateway of --beside",
            Self::Rate => "   rejection, request rate",
            Self::Budget => "   rejection, AWS's budget",
            Self::Auth => "   rejection, no credential",
        }
    }
}

/// Serves A, R, C or D until the process is killed.
pub(crate) fn serve(
    subject: Subject,
    listen: SocketAddr,
    upstream: SocketAddr,
) -> Result<(), Failure> {
    if subject != Subject::D {
        let handler = match subject {
            Subject::R => Handler::Rejects,
            Subject::C => Handler::Forwards(upstream),
            _ => Handler::Responds,
        };
        return runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?
            .block_on(serve_here(listen, handler));
    }
    let cores = thread::available_parallelism()?.get();
    let workers: Vec<_> = (0..cores)
        .map(|_| {
            thread::spawn(move || {
                runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?
                    .block_on(serve_here(listen, Handler::Forwards(upstream)))
            })
        })
        .collect();
    for worker in workers {
        worker.join().map_err(|_| "a worker panicked")??;
    }
    Ok(())
}

/// The behaviour of a handler of creates.
enum Handler {
    Responds,
    Rejects,
    /// Forwards the create to this upstream.
    Forwards(SocketAddr),
}

async fn serve_here(listen: SocketAddr, handler: Handler) -> Result<(), Failure> {
    let rejects = matches!(handler, Handler::Rejects);
    let sdk = match handler {
        Handler::Forwards(upstream) => Some(default_client(upstream).await),
        Handler::Responds | Handler::Rejects => None,
    };
    let socket = TcpSocket::new_v4()?;
    // The kernel distributes the connections over the runtimes.
    socket.set_reuseport(true)?;
    socket.bind(listen)?;
    let incoming = TcpIncoming::from(socket.listen(1024)?).with_nodelay(Some(true));
    let service = IngestServiceServer::new(Naive { sdk, rejects });
    Server::builder().add_service(service).serve_with_incoming(incoming).await?;
    Ok(())
}

/// Returns an SDK client as in the SDK's documentation.
pub(crate) async fn default_client(upstream: SocketAddr) -> Client {
    let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .region(Region::new(REGION))
        .credentials_provider(credentials())
        .endpoint_url(format!("http://{upstream}"))
        .load()
        .await;
    Client::new(&config)
}

pub(crate) fn credentials() -> SharedCredentialsProvider {
    let key = "benchmark";
    SharedCredentialsProvider::new(Credentials::new(key, key, None, None, key))
}

/// Sends the create and returns the response of AWS.
pub(crate) async fn forward(
    sdk: &Client,
    request: CreateIngestConfigurationRequest,
) -> Result<IngestConfiguration, Failure> {
    let output = sdk
        .create_ingest_configuration()
        .name(request.name)
        .stage_arn(request.stage_arn)
        .user_id(request.user_id)
        .set_attributes(Some(request.attributes.into_iter().collect()))
        .ingest_protocol(types::IngestProtocol::Rtmps)
        .set_tags(Some(request.tags.into_iter().collect()))
        .send()
        .await?;
    output.ingest_configuration.ok_or_else(|| "AWS returned no configuration".into())
}

/// The service of subject A, of R if it rejects, and of C and D if it has an SDK client.
struct Naive {
    sdk: Option<Client>,
    rejects: bool,
}

#[tonic::async_trait]
impl IngestService for Naive {
    async fn create_ingest_configuration(
        &self,
        request: Request<CreateIngestConfigurationRequest>,
    ) -> Result<Response<CreateIngestConfigurationResponse>, Status> {
        if self.rejects {
            return Err(Status::resource_exhausted("try again later"));
        }
        let request = request.into_inner();
        let configuration = match &self.sdk {
            None => made_up(request),
            Some(sdk) => forward(sdk, request)
                .await
                .map(convert)
                .map_err(|error| Status::unknown(error.to_string()))?,
        };
        Ok(Response::new(CreateIngestConfigurationResponse {
            ingest_configuration: Some(configuration),
            replayed: false,
        }))
    }

    async fn get_ingest_configuration(
        &self,
        _: Request<GetIngestConfigurationRequest>,
    ) -> Result<Response<GetIngestConfigurationResponse>, Status> {
        Err(Status::unimplemented("not measured"))
    }

    async fn list_ingest_configurations(
        &self,
        _: Request<ListIngestConfigurationsRequest>,
    ) -> Result<Response<ListIngestConfigurationsResponse>, Status> {
        Err(Status::unimplemented("not measured"))
    }

    async fn update_ingest_configuration(
        &self,
        _: Request<UpdateIngestConfigurationRequest>,
    ) -> Result<Response<UpdateIngestConfigurationResponse>, Status> {
        Err(Status::unimplemented("not measured"))
    }

    async fn delete_ingest_configuration(
        &self,
        _: Request<DeleteIngestConfigurationRequest>,
    ) -> Result<Response<DeleteIngestConfigurationResponse>, Status> {
        Err(Status::unimplemented("not measured"))
    }

    async fn get_quota(
        &self,
        _: Request<GetQuotaRequest>,
    ) -> Result<Response<GetQuotaResponse>, Status> {
        Err(Status::unimplemented("not measured"))
    }
}

fn made_up(request: CreateIngestConfigurationRequest) -> v1::IngestConfiguration {
    v1::IngestConfiguration {
        arn: format!("arn:aws:ivs:{REGION}:123456789012:ingest-configuration/C00000000000"),
        name: request.name,
        ingest_protocol: request.ingest_protocol,
        stream_key: "rt_123456789012_us-east-1_Abcdefghijkl_0123456789abcdef0123456789abcdef"
            .to_owned(),
        stage_arn: request.stage_arn,
        participant_id: "Abcdefghijkl".to_owned(),
        state: v1::IngestConfigurationState::Inactive.into(),
        user_id: request.user_id,
        attributes: request.attributes,
        tags: request.tags,
        ingest_endpoint: "rtmps://tenant.example:443/app/".to_owned(),
        create_time: Some(SystemTime::now().into()),
        ..v1::IngestConfiguration::default()
    }
}

fn convert(aws: IngestConfiguration) -> v1::IngestConfiguration {
    v1::IngestConfiguration {
        arn: aws.arn,
        name: aws.name.unwrap_or_default(),
        ingest_protocol: v1::IngestProtocol::Rtmps.into(),
        stream_key: aws.stream_key,
        stage_arn: aws.stage_arn,
        participant_id: aws.participant_id,
        state: v1::IngestConfigurationState::Inactive.into(),
        user_id: aws.user_id.unwrap_or_default(),
        attributes: aws.attributes.unwrap_or_default().into_iter().collect(),
        tags: aws.tags.unwrap_or_default().into_iter().collect(),
        create_time: Some(SystemTime::now().into()),
        ..v1::IngestConfiguration::default()
    }
}
