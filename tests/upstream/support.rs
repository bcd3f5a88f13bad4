//! An AWS client for a loopback upstream, an emulator, and a ledger.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use ivs_ingest_gateway::{
    clock::Clock,
    config::Upstream,
    ids::Ids,
    ivs::{AwsMetrics, CallError, Configuration, Ivs, NewConfiguration, Pacers, Sdk, Seams},
    ledger::{Event, Fields, Leases, Ledger, Reservation, Reserved, SendPermission, SqliteLedger},
    pacer::{Pacer, Permit},
    proto::v1,
    request::{CreateIngestConfiguration, OperationId},
    telemetry::Metrics,
    tenancy::TenantId,
    tenancy::tags::TenancyTags,
};
use ivs_realtime_emulator::{Background, ControlClient, Fault, FaultKind, Operation, Settings};
use tokio_util::sync::CancellationToken;

pub(crate) const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(400);

pub(crate) fn credentials() -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(Credentials::new("emulator", "emulator", None, None, "test"))
}

pub(crate) async fn ivs_at(url: &str) -> Ivs {
    ivs_with(url, credentials()).await
}

pub(crate) async fn ivs_with(url: &str, credentials: SharedCredentialsProvider) -> Ivs {
    // Fails if another test has installed the provider, which is sufficient.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let upstream = Upstream {
        region: Some("us-east-1".into()),
        endpoint_url: Some(url.to_owned()),
        calls_per_second: 1000.0,
        attempt_timeout: ATTEMPT_TIMEOUT,
        connect_timeout: ATTEMPT_TIMEOUT / 2,
        credentials_timeout: Duration::from_secs(30),
        stage_cache: Duration::ZERO,
        account_id: None,
    };
    let seams = Seams { credentials: Some(credentials), http_client: None, clock: Clock::system() };
    let metrics = Metrics::default().register(|registry| {
        AwsMetrics::register(registry, Pacers::new(upstream.calls_per_second))
    });
    Sdk::load(&upstream, seams).await.unwrap().client(metrics)
}

pub(crate) fn request(name: &str, stage_arn: &str) -> CreateIngestConfiguration {
    let message = v1::CreateIngestConfigurationRequest {
        name: name.to_owned(),
        stage_arn: stage_arn.to_owned(),
        ingest_protocol: v1::IngestProtocol::Rtmps.into(),
        ..Default::default()
    };
    CreateIngestConfiguration::parse(message, &BTreeMap::new()).unwrap()
}

/// Runs pacers until `stop` fires. Their rate is so high that no call waits.
pub(crate) fn pacers(stop: &CancellationToken) -> Pacers {
    let pacers = Pacers::new(10_000.0);
    tokio::spawn(pacers.clone().run(stop.clone()));
    pacers
}

/// A permit for one call, without a wait.
pub(crate) async fn permit<O>(pacer: impl FnOnce(Pacers) -> Pacer<O>) -> Permit<O> {
    pacer(Pacers::new(10_000.0)).internal_permit().await
}

/// Deletes a configuration at AWS, without the gateway.
pub(crate) async fn delete(ivs: &Ivs, arn: &str) {
    ivs.delete_ingest_configuration(permit(|pacers| pacers.delete).await, arn, false)
        .await
        .unwrap();
}

/// An emulator that runs until it is dropped.
pub(crate) struct Aws {
    emulator: Background,
    pub(crate) stage_arn: String,
}

impl Aws {
    pub(crate) fn start() -> Self {
        Self::with(Settings::for_tests())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let emulator = Background::start(settings).unwrap();
        let stage_arn = emulator.create_stage("acme-studio", BTreeMap::new());
        Self { emulator, stage_arn }
    }

    pub(crate) async fn ivs(&self) -> Ivs {
        ivs_at(&self.emulator.url()).await
    }

    pub(crate) fn control(&self) -> ControlClient {
        self.emulator.control()
    }

    /// Injects a fault into the next call of the operation.
    pub(crate) fn fault(&self, operation: Operation, kind: FaultKind) {
        self.control().add_fault(&Fault::new(kind).on(operation).times(1)).unwrap();
    }

    /// The ARNs of all configurations.
    pub(crate) fn arns(&self) -> Vec<String> {
        let state = self.control().state().unwrap();
        state.ingest_configurations.into_iter().map(|one| one.arn).collect()
    }

    pub(crate) fn calls(&self, operation: Operation) -> u64 {
        self.control().calls_of(operation).unwrap().calls
    }
}

/// A ledger in a temporary folder.
pub(crate) struct Rows {
    pub(crate) ledger: Arc<SqliteLedger>,
    ids: Ids,
    _folder: Option<tempfile::TempDir>,
}

impl Rows {
    pub(crate) fn new() -> Self {
        Self::with_lease(Duration::from_mins(1))
    }

    pub(crate) fn with_lease(lease: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let leases = Leases { reserved: lease, sending: lease };
        let path = folder.path().join("ledger.db");
        let (ledger, _) = SqliteLedger::open(&path, leases, Clock::system()).unwrap();
        Self { _folder: Some(folder), ..Self::of(ledger) }
    }

    pub(crate) fn of(ledger: SqliteLedger) -> Self {
        Self { ledger: Arc::new(ledger), ids: Ids::random(), _folder: None }
    }

    /// Adds a row in `SENDING`, and returns the tags of its create.
    pub(crate) async fn sending(
        &self,
        tenant: &str,
        request: &CreateIngestConfiguration,
    ) -> TenancyTags {
        self.permitted(tenant, request).await.0
    }

    /// Inserts a row like [`Self::sending`], and also returns its permission to send.
    async fn permitted(
        &self,
        tenant: &str,
        request: &CreateIngestConfiguration,
    ) -> (TenancyTags, SendPermission) {
        let operation_id = self.ids.next_operation_id(std::time::SystemTime::now());
        let tenant = TenantId::parse(tenant).unwrap();
        let fingerprint = request.fingerprint();
        let reservation = Reservation {
            operation_id,
            tenant: tenant.clone(),
            request_id: operation_id.to_string(),
            fingerprint,
            limit: 1000,
            fields: Fields {
                name: request.name.as_str().into(),
                stage_arn: request.stage_arn.as_ref().map(|arn| arn.as_str().into()),
                user_id: request.user_id.as_str().into(),
                attributes: BTreeMap::new(),
                ingest_protocol: request.ingest_protocol,
                redundant_ingest: false,
                tags: BTreeMap::new(),
            },
        };
        assert_eq!(self.ledger.reserve(reservation).await.unwrap(), Reserved::New);
        let permission = self.ledger.send(operation_id).await.unwrap().unwrap();
        (TenancyTags { tenant, operation_id, request_id: None, fingerprint }, permission)
    }

    pub(crate) async fn ambiguous(
        &self,
        tenant: &str,
        request: &CreateIngestConfiguration,
    ) -> TenancyTags {
        let tags = self.sending(tenant, request).await;
        self.ledger.apply(tags.operation_id, Event::Ambiguous).await.unwrap();
        tags
    }

    /// The number of rows that count against the tenant's quota.
    pub(crate) async fn used(&self, tenant: &str) -> u32 {
        self.ledger.usage(TenantId::parse(tenant).unwrap()).await.unwrap().total()
    }

    pub(crate) async fn in_doubt(&self) -> Vec<OperationId> {
        let in_doubt = self.ledger.in_doubt(None, 1000).await.unwrap();
        in_doubt.into_iter().map(|create| create.operation_id).collect()
    }
}

/// Creates a configuration at AWS with the tags of the row.
pub(crate) async fn create(
    ivs: &Ivs,
    request: &CreateIngestConfiguration,
    tags: &TenancyTags,
) -> Result<Configuration, CallError> {
    create_with_tags(ivs, request, tags.write(&request.tags, &BTreeMap::new())).await
}

/// Creates a configuration with any tags. The permission comes from a row in a separate
/// ledger, because the tests also make creates that their ledger does not permit.
pub(crate) async fn create_with_tags(
    ivs: &Ivs,
    request: &CreateIngestConfiguration,
    tags: HashMap<String, String>,
) -> Result<Configuration, CallError> {
    let (_, permission) = Rows::new().permitted("acme", request).await;
    let new = NewConfiguration { request, tags };
    let created = ivs
        .create_ingest_configuration(permit(|pacers| pacers.create).await, permission, new)
        .await;
    created.map(|created| created.value)
}
