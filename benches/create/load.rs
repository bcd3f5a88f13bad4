//! Calls a subject and measures it during the calls.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    ops::Range,
    path::PathBuf,
    process,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use ivs_ingest_gateway::{
    clock::Clock,
    config::Config,
    ids::Ids,
    ivs::{AwsMetrics, NewConfiguration, Pacers, Sdk, Seams},
    ledger::{Fields, Leases, Ledger, Reservation, SendPermission, SqliteLedger},
    proto::v1::ingest_service_client::IngestServiceClient,
    request::{CreateIngestConfiguration, IngestProtocol},
    telemetry::Metrics,
    tenancy::TenantId,
};
use serde::{Deserialize, Serialize};
use tokio::{runtime, sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tonic::{
    Code, Request,
    transport::{Channel, Endpoint},
};

use crate::{
    Failure,
    counter::Counter,
    figures::percentile,
    gateway::{self, CONFIGURATIONS_A_TENANT, LIMITED_TENANT, configuration},
    message,
    subjects::{self, Subject},
};

const CONNECTIONS: usize = 8;

/// The longest time of a measurement. After it, no further calls are made.
const LONGEST_WINDOW: Duration = Duration::from_secs(40);

/// One measurement of one subject.
#[derive(Debug, clap::Args)]
pub(crate) struct Load {
    /// The measured subject.
    pub(crate) subject: Subject,
    /// The address to call: the subject's, or the upstream's if the subject is a caller.
    pub(crate) address: SocketAddr,
    /// The measured process. Default: this process.
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// Calls before the measured calls.
    #[arg(long)]
    pub(crate) warm_up: usize,
    /// Measured calls.
    #[arg(long)]
    pub(crate) requests: usize,
    /// Number of concurrent calls.
    #[arg(long)]
    pub(crate) concurrency: usize,
    /// The counter of user instructions, if any.
    #[arg(long)]
    pub(crate) counter: Option<Counter>,
    /// A file name that the counter may use.
    #[arg(long)]
    pub(crate) scratch: PathBuf,
}

/// The result of one measurement.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// CPU time of the subject's process, user and system, in microseconds per call.
    pub(crate) cpu_us: f64,
    pub(crate) calls_per_second: f64,
    pub(crate) p50_us: u64,
    pub(crate) p99_us: u64,
    /// User instructions per call, if they were counted.
    pub(crate) instructions: Option<f64>,
}

impl Load {
    /// Measures, and prints the [`Sample`] as JSON.
    #[expect(clippy::print_stdout, reason = "the parent process reads it")]
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let runtime = if self.subject == Subject::B {
            runtime::Builder::new_multi_thread().enable_all().build()?
        } else {
            runtime::Builder::new_current_thread().enable_all().build()?
        };
        let sample = runtime.block_on(async {
            match self.subject {
                Subject::B => self.sdk().await,
                Subject::E => self.gateways_sdk().await,
                _ => self.grpc().await,
            }
        })?;
        println!("{}", serde_json::to_string(&sample)?);
        Ok(())
    }

    async fn sdk(&self) -> Result<Sample, Failure> {
        let sdk = subjects::default_client(self.address).await;
        let call = move |number| {
            let sdk = sdk.clone();
            async move {
                let request = message::create(&gateway::tenant(0), number);
                subjects::forward(&sdk, request).await.map(drop)
            }
        };
        self.measure(call).await
    }

    async fn gateways_sdk(&self) -> Result<Sample, Failure> {
        let text = configuration(self.address, self.address, &self.scratch);
        let upstream = Config::parse(&text, "the benchmark's configuration", [])?.upstream;
        let pacers = Pacers::new(1e6);
        let metrics =
            Metrics::default().register(|registry| AwsMetrics::register(registry, pacers.clone()));
        let credentials = Some(subjects::credentials());
        let seams = Seams { credentials, http_client: None, clock: Clock::system() };
        let ivs = Sdk::load(&upstream, seams).await?.client(metrics);
        // A create needs a permission of the ledger. All are acquired before the measurement.
        let permissions = Arc::new(Mutex::new(self.permissions().await?));
        tokio::spawn(pacers.clone().run(CancellationToken::new()));
        let call = move |number| {
            let (ivs, pacers) = (ivs.clone(), pacers.clone());
            let permission = permissions.lock().unwrap_or_else(PoisonError::into_inner).pop();
            async move {
                let permission = permission.ok_or("more calls than permissions")?;
                let request = message::create(&gateway::tenant(0), number);
                let request = CreateIngestConfiguration::parse(request, &BTreeMap::new())
                    .map_err(|violations| format!("{violations:?}"))?;
                let tags = request.tags.as_map().clone().into_iter().collect();
                let new = NewConfiguration { request: &request, tags };
                let permit = pacers.create.internal_permit().await;
                let created = ivs.create_ingest_configuration(permit, permission, new).await;
                created.map(drop).map_err(|error| format!("{error:?}").into())
            }
        };
        self.measure(call).await
    }

    /// A permission for each call.
    async fn permissions(&self) -> Result<Vec<SendPermission>, Failure> {
        let lease = Duration::from_hours(1);
        let leases = Leases { reserved: lease, sending: lease };
        let path = self.scratch.join("permissions.db");
        let (ledger, _) = SqliteLedger::open(&path, leases, Clock::system())?;
        let (ledger, ids) = (Arc::new(ledger), Ids::random());
        let mut tasks = JoinSet::new();
        // The ledger's writer rejects jobs when 4,096 are waiting.
        let permits = Arc::new(Semaphore::new(1000));
        for _ in 0..self.warm_up + self.requests {
            let operation_id = ids.next_operation_id(SystemTime::now());
            let reservation = Reservation {
                operation_id,
                tenant: TenantId::parse("acme")?,
                request_id: operation_id.to_string(),
                fingerprint: [0; 16].into(),
                limit: u32::MAX,
                fields: Fields {
                    name: String::new(),
                    stage_arn: None,
                    user_id: String::new(),
                    attributes: BTreeMap::new(),
                    ingest_protocol: IngestProtocol::Rtmps,
                    redundant_ingest: false,
                    tags: BTreeMap::new(),
                },
            };
            let ledger = Arc::clone(&ledger);
            let permit = Arc::clone(&permits).acquire_owned().await?;
            tasks.spawn(async move {
                let _permit = permit;
                ledger.reserve(reservation).await?;
                ledger.send(operation_id).await
            });
        }
        let permissions: Result<Vec<_>, _> = tasks.join_all().await.into_iter().collect();
        Ok(permissions?.into_iter().flatten().collect())
    }

    async fn grpc(&self) -> Result<Sample, Failure> {
        let mut clients = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            let endpoint = Endpoint::from_shared(format!("http://{}", self.address))?;
            clients.push(IngestServiceClient::new(endpoint.connect().await?));
        }
        let tenants = (self.warm_up + self.requests).div_ceil(CONFIGURATIONS_A_TENANT);
        if matches!(self.subject, Subject::G | Subject::H) {
            // Makes the gateway look up every tenant's stage before the measurement.
            let clients = clients.clone();
            let look_up = move |tenant| {
                let mut request = message::create(&gateway::tenant(tenant), tenant);
                request.validate_only = true;
                let request = addressed(request, Some(&gateway::tenant(tenant)));
                send(clients[tenant % CONNECTIONS].clone(), request, Code::Ok)
            };
            drive(look_up, 0..tenants, self.concurrency).await?;
        }
        let subject = self.subject;
        let call = move |number: usize| {
            let tenant = gateway::tenant(number % tenants);
            let first = gateway::tenant(0);
            let request =
                message::create(if subject == Subject::Budget { &first } else { &tenant }, number);
            let (sender, expected) = match subject {
                Subject::R => (Some(tenant.as_str()), Code::ResourceExhausted),
                Subject::Rate => (Some(LIMITED_TENANT), Code::ResourceExhausted),
                Subject::Budget => (Some(first.as_str()), Code::ResourceExhausted),
                Subject::Auth => (None, Code::Unauthenticated),
                _ => (Some(tenant.as_str()), Code::Ok),
            };
            send(clients[number % CONNECTIONS].clone(), addressed(request, sender), expected)
        };
        if subject == Subject::Rate {
            // Uses up the one call of the tenant's rate. The call fails because the stage
            // belongs to another tenant.
            call(0).await.err().ok_or("the tenant's rate was used up before the first call")?;
        }
        if subject == Subject::Budget {
            // Uses up the one permit of AWS's budget.
            call(0).await.err().ok_or("AWS's budget was used up before the first call")?;
        }
        self.measure(call).await
    }

    async fn measure<F>(
        &self,
        call: impl Fn(usize) -> F + Clone + Send + 'static,
    ) -> Result<Sample, Failure>
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        drive(call.clone(), 0..self.warm_up, self.concurrency).await?;
        let pid = self.pid.unwrap_or_else(process::id);
        let counting = self.counter.map(|counter| counter.start(pid, &self.scratch)).transpose()?;
        let cpu_before = cpu_ns(pid)?;
        let started = Instant::now();
        let window = self.warm_up..self.warm_up + self.requests;
        let mut latencies = drive(call, window, self.concurrency).await?;
        let seconds = started.elapsed().as_secs_f64();
        let cpu = cpu_ns(pid)? - cpu_before;
        let instructions = counting.map(crate::counter::Counting::stop).transpose()?;

        latencies.sort_unstable();
        let at = |percent| percentile(&latencies, percent).ok_or("nothing was measured");
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
        let each = |total: u64| total as f64 / latencies.len() as f64;
        Ok(Sample {
            cpu_us: each(cpu) / 1e3,
            calls_per_second: 1.0 / (seconds * each(1)),
            p50_us: at(50)?,
            p99_us: at(99)?,
            instructions: instructions.map(each),
        })
    }
}

/// Makes these calls with that concurrency, and returns the time of each in microseconds.
/// The first failure ends the measurement.
async fn drive<F>(
    call: impl Fn(usize) -> F + Clone + Send + 'static,
    numbers: Range<usize>,
    concurrency: usize,
) -> Result<Vec<u64>, Failure>
where
    F: Future<Output = Result<(), Failure>> + Send + 'static,
{
    let next = Arc::new(AtomicUsize::new(numbers.start));
    let until = Instant::now() + LONGEST_WINDOW;
    let callers: Vec<_> = (0..concurrency)
        .map(|_| {
            let (next, call) = (Arc::clone(&next), call.clone());
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let started = Instant::now();
                    if number >= numbers.end || started > until {
                        return Ok::<_, Failure>(latencies);
                    }
                    call(number).await?;
                    latencies.push(u64::try_from(started.elapsed().as_micros())?);
                }
            })
        })
        .collect();
    let mut latencies = Vec::with_capacity(numbers.len());
    for caller in callers {
        latencies.append(&mut caller.await??);
    }
    Ok(latencies)
}

fn addressed<T>(message: T, tenant: Option<&str>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(tenant) = tenant.and_then(|tenant| tenant.parse().ok()) {
        request.metadata_mut().insert("x-tenant-id", tenant);
    }
    request
}

async fn send(
    mut client: IngestServiceClient<Channel>,
    request: Request<ivs_ingest_gateway::proto::v1::CreateIngestConfigurationRequest>,
    expected: Code,
) -> Result<(), Failure> {
    match client.create_ingest_configuration(request).await {
        Ok(_) if expected == Code::Ok => Ok(()),
        Err(status) if status.code() == expected => Ok(()),
        Ok(_) => Err("the subject did not reject a call that it must reject".into()),
        Err(status) => Err(format!("unexpected response: {status}").into()),
    }
}

/// Returns the CPU time of a process so far, user and system, in nanoseconds. It sums the
/// threads, because /proc/PID/stat counts in ticks of 10 ms. Ended threads are missing, but
/// the threads of the subjects do not end.
fn cpu_ns(pid: u32) -> Result<u64, Failure> {
    let mut total = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        let on_cpu = text.split_whitespace().next().ok_or("an empty schedstat")?;
        total += on_cpu.parse::<u64>()?;
    }
    Ok(total)
}
