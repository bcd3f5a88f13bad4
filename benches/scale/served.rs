//! Runs the gateway's binary on each ledger and calls it through gRPC.

use std::{collections::BTreeMap, fs, net::SocketAddr, path::PathBuf, time::Instant};

use ivs_ingest_gateway::proto::v1::{
    GetIngestConfigurationRequest, GetQuotaRequest, IngestConfigurationView,
    ListIngestConfigurationsRequest, ingest_service_client::IngestServiceClient,
};
use tonic::{
    Request,
    transport::{Channel, Endpoint},
};

use crate::{
    Failure,
    fill::Filled,
    gateway,
    measure::{Latency, Pair, Size, alternate, elapsed_ns, resident_kib},
    process::{Running, free_address, start},
    rows::{self, CONFIGURATIONS, Random},
};

/// Starts of each gateway in one round. A single start proves little, because its time
/// depends on the other load of the machine.
const STARTS: usize = 5;

/// A call of the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Call {
    List,
    GetBasic,
    GetQuota,
}

/// The result of one round.
pub(crate) struct Sample {
    /// The time from the start of the process to its log line "serving".
    pub(crate) start_ns: Pair<u64>,
    pub(crate) resident_kib: Pair<u64>,
    pub(crate) calls: BTreeMap<Call, Pair<Latency>>,
}

/// A running gateway.
struct Started {
    process: Running,
    start_ns: u64,
    client: Client,
    tenants: usize,
    random: Random,
}

/// Starts a gateway on each ledger and calls them.
pub(crate) async fn measure(
    filled: &Pair<Filled>,
    calls: usize,
    seed: usize,
    upstream: SocketAddr,
) -> Result<Sample, Failure> {
    let start_ns = start_alone(filled, seed, upstream).await?;
    let started = Pair {
        small: Started::start(&filled.small, seed, upstream).await?,
        large: Started::start(&filled.large, seed, upstream).await?,
    };
    let list = alternate(filled, calls, async |size| started.of(size).list().await).await?;
    let get = alternate(filled, calls, async |size| started.of(size).get().await).await?;
    let quota = alternate(filled, calls, async |size| started.of(size).quota().await).await?;
    let Pair { small, large } = &started;
    Ok(Sample {
        start_ns,
        resident_kib: Pair {
            small: resident_kib(small.process.0.id())?,
            large: resident_kib(large.process.0.id())?,
        },
        calls: [(Call::List, list), (Call::GetBasic, get), (Call::GetQuota, quota)].into(),
    })
}

/// Starts the gateways in turn, each alone, and returns the median start time of each.
async fn start_alone(
    filled: &Pair<Filled>,
    seed: usize,
    upstream: SocketAddr,
) -> Result<Pair<u64>, Failure> {
    let mut starts_ns = Pair::<Vec<u64>>::default();
    for _ in 0..STARTS {
        for size in [Size::Small, Size::Large] {
            let started = Started::start(filled.of(size), seed, upstream).await?;
            starts_ns.of_mut(size).push(started.start_ns);
        }
    }
    starts_ns.try_map(|starts_ns| Ok(Latency::of(starts_ns)?.p50_ns))
}

type Client = IngestServiceClient<Channel>;

/// The methods that call the gateway return the latency in nanoseconds.
impl Started {
    async fn start(filled: &Filled, seed: usize, upstream: SocketAddr) -> Result<Self, Failure> {
        let Filled { path, tenants, .. } = filled;
        let folder = path.with_extension("served");
        fs::create_dir_all(&folder)?;
        let address = free_address()?;
        let configuration = gateway::configuration(address, upstream, path);
        let binary = PathBuf::from(env!("CARGO_BIN_EXE_ivs-ingest-gateway"));
        let command = gateway::command(binary, &folder, &configuration)?;
        let started = Instant::now();
        let process = start(command, |log| log.contains("\"serving\""))?;
        let start_ns = elapsed_ns(started);
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
        let client = IngestServiceClient::new(endpoint.connect().await?);
        Ok(Self { process, start_ns, client, tenants: *tenants, random: Random::new(seed) })
    }

    async fn list(&self) -> Result<u64, Failure> {
        let request = ListIngestConfigurationsRequest {
            page_size: i32::try_from(CONFIGURATIONS)?,
            ..ListIngestConfigurationsRequest::default()
        };
        let request = of_tenant(request, self.random.below(self.tenants))?;
        let started = Instant::now();
        let page = self.client.clone().list_ingest_configurations(request).await?;
        let latency_ns = elapsed_ns(started);
        expect(page.into_inner().ingest_configurations.len() == CONFIGURATIONS, latency_ns)
    }

    async fn get(&self) -> Result<u64, Failure> {
        let row = self.random.below(self.tenants * CONFIGURATIONS);
        let arn = rows::arn(row);
        let view = IngestConfigurationView::Basic.into();
        let request = GetIngestConfigurationRequest { arn: arn.clone(), view };
        let request = of_tenant(request, rows::tenant_of(row, self.tenants))?;
        let started = Instant::now();
        let response = self.client.clone().get_ingest_configuration(request).await?;
        let latency_ns = elapsed_ns(started);
        let found = response.into_inner().ingest_configuration;
        expect(found.is_some_and(|found| found.arn == arn), latency_ns)
    }

    async fn quota(&self) -> Result<u64, Failure> {
        let request = of_tenant(GetQuotaRequest {}, self.random.below(self.tenants))?;
        let started = Instant::now();
        let response = self.client.clone().get_quota(request).await?;
        let latency_ns = elapsed_ns(started);
        let used = response.into_inner().ingest_configurations.map(|quota| quota.used);
        expect(used == i32::try_from(CONFIGURATIONS).ok(), latency_ns)
    }
}

fn of_tenant<T>(message: T, tenant: usize) -> Result<Request<T>, Failure> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("x-tenant-id", gateway::tenant(tenant).parse()?);
    Ok(request)
}

fn expect<T>(is_right: bool, value: T) -> Result<T, Failure> {
    if is_right { Ok(value) } else { Err("a response differs from the ledger".into()) }
}
