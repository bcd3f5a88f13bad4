//! A crash leaves a thousand creates in doubt, half of which AWS executed. Measures the time
//! until the gateway serves again, and until each create is resolved.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use aws_sdk_ivsrealtime::{Client, config::retry::RetryConfig, types};
use ivs_ingest_gateway::{
    clock::Clock,
    ids::Ids,
    ledger::{Comparison, Fields, Leases, Ledger, Reservation, Reserved, SqliteLedger, State},
    request::{CreateIngestConfiguration, IngestProtocol},
    tenancy::TenantId,
    tenancy::tags::TenancyTags,
};
use ivs_realtime_emulator::Operation;
use tokio::task::JoinSet;

use crate::{
    aws::Aws,
    callers::Job,
    draws::Draws,
    gateway::{Gateway, GatewaySettings, until},
    number_from_environment, print,
};

const ROWS: usize = 1000;
const TENANTS: usize = 10;

/// Call rate of each operation, for the gateway and for the emulator.
const CALLS_PER_SECOND: f64 = 100.0;

/// Lists that the resolver may make at AWS: half of AWS's rate.
const AWS_LISTS_PER_SECOND: f64 = 2.5;
/// Reads of tags that the resolver may make at AWS: half of AWS's rate.
const AWS_TAG_READS_PER_SECOND: f64 = 5.0;

/// The numbers of lists and of reads of tags that the emulator received.
struct ProbeCalls {
    lists: u64,
    tag_reads: u64,
}

pub(crate) async fn recovery() {
    let seed = number_from_environment("CAMPAIGN_SEED", 1);
    let mut draws = Draws::of(seed, 0);
    let tenants: Vec<_> = (0..TENANTS).map(|tenant| (format!("tenant-{tenant}"), ROWS)).collect();
    let of_tenant = |(tenant, _): &(String, usize)| {
        (0..2).map(|stage| (format!("{tenant}-{stage}"), tenant.clone())).collect::<Vec<_>>()
    };
    let (aws, stages) = Aws::start(0.0, seed, tenants.iter().flat_map(of_tenant));
    let settings = GatewaySettings {
        calls_per_second: CALLS_PER_SECOND,
        attempt_timeout_ms: 4000,
        first_probe_ms: 1000,
        retry_after_ms: 5000,
        scan_interval_ms: 3_600_000,
        ..GatewaySettings::default()
    };
    let mut gateway = Gateway::new(&aws, &settings, &tenants, &mut draws);
    let jobs = (0..ROWS).map(|index| {
        let tenant = index % TENANTS;
        let id = format!("{seed}-{index}");
        Job::draw(&mut draws, &tenants[tenant].0, &stages[2 * tenant..][..2], id)
    });
    crash(&gateway, &aws, jobs.collect()).await;
    let sent = Instant::now();
    aws.control().set_rate(CALLS_PER_SECOND).unwrap();
    aws.control().clear_calls().unwrap();

    let began = Instant::now();
    gateway.start();
    gateway.ready().await;
    let ready = began.elapsed();
    until("every create at AWS is found", async || {
        gateway.ledger.count(&[State::Live]) == ROWS / 2
    })
    .await;
    let (found, to_find) = (began.elapsed(), ProbeCalls::of(&aws));
    gateway.resolved().await;
    let (resolved, to_resolve) = (began.elapsed(), ProbeCalls::of(&aws));
    let window_left = Duration::from_millis(settings.give_up_after_ms).saturating_sub(began - sent);
    gateway.stop().await;
    print(&format!(
        "\nrecovery: {ROWS} creates in doubt at the start, {} of them at AWS; \
         calls_per_second = {CALLS_PER_SECOND}\n\
         {:<30}{:>8.2} s\n{:<30}{:>8.2} s  {}\n{:<30}{:>8.2} s  {}\n\
         (absent creates stay in doubt until give_up_after_ms after they were sent: {:.1} s of \
         it were left)",
        ROWS / 2,
        "start to ready",
        ready.as_secs_f64(),
        "to the last existing create",
        found.as_secs_f64(),
        to_find.describe(),
        "to the last absent create",
        resolved.as_secs_f64(),
        to_resolve.describe(),
        window_left.as_secs_f64(),
    ));
    let rows = gateway.ledger.rows();
    for configuration in aws.configurations() {
        let live = rows.iter().find(|row| row.arn.as_deref() == Some(&configuration.arn)).unwrap();
        assert_eq!(live.request_id, configuration.tag("request-id"));
        assert_eq!(
            (live.tenant.as_str(), live.state),
            (configuration.tag("tenant"), State::Live as u8)
        );
    }
    assert_eq!(gateway.ledger.count(&[State::Rejected]), ROWS / 2);
    assert!(ready < Duration::from_secs(5), "{ready:?}");
}

impl ProbeCalls {
    fn of(aws: &Aws) -> Self {
        let lists = aws.calls(Operation::ListIngestConfigurations);
        let tag_reads = aws.calls(Operation::ListTagsForResource);
        assert_eq!(lists.throttled + tag_reads.throttled, 0, "the gateway exceeded the rate");
        Self { lists: lists.calls, tag_reads: tag_reads.calls }
    }

    #[expect(clippy::cast_precision_loss, reason = "the numbers are small")]
    fn describe(&self) -> String {
        let Self { lists, tag_reads } = self;
        let at_aws =
            *lists as f64 / AWS_LISTS_PER_SECOND + *tag_reads as f64 / AWS_TAG_READS_PER_SECOND;
        format!("{lists} lists and {tag_reads} reads of tags: {at_aws:.0} s at AWS's 5 a second")
    }
}

/// Leaves the ledger as a crash does after every create was sent. AWS executes every second
/// create.
async fn crash(gateway: &Gateway, aws: &Aws, jobs: Vec<Job>) {
    let lease = Duration::from_mins(1);
    let leases = Leases { reserved: lease, sending: lease };
    let (ledger, _) = SqliteLedger::open(gateway.ledger.path(), leases, Clock::system()).unwrap();
    // Otherwise the gateway would first compare the ledger with AWS.
    ledger.set_comparison(Comparison::NotNeeded).await.unwrap();
    let ledger = Arc::new(ledger);
    let ids = Arc::new(Ids::random());
    let client = aws.client(Some(RetryConfig::disabled()), Duration::from_secs(30));
    let mut sending = JoinSet::new();
    for (index, job) in jobs.into_iter().enumerate() {
        let (ledger, ids, client) = (Arc::clone(&ledger), Arc::clone(&ids), client.clone());
        sending.spawn(async move {
            let tenant = TenantId::parse(&job.tenant).unwrap();
            let message = job.request;
            let request = CreateIngestConfiguration::parse(message, &BTreeMap::new()).unwrap();
            let tags = TenancyTags {
                tenant,
                operation_id: ids.next_operation_id(SystemTime::now()),
                request_id: request.request_id.clone(),
                fingerprint: request.fingerprint(),
            };
            send(&ledger, &request, &tags).await;
            if index % 2 == 0 {
                create(&client, &request, &tags).await;
            }
        });
    }
    sending.join_all().await;
}

async fn send(ledger: &SqliteLedger, request: &CreateIngestConfiguration, tags: &TenancyTags) {
    let reservation = Reservation {
        operation_id: tags.operation_id,
        tenant: tags.tenant.clone(),
        request_id: tags.request_id.as_ref().unwrap().to_string(),
        fingerprint: tags.fingerprint,
        limit: u32::MAX,
        fields: Fields {
            name: request.name.as_str().to_owned(),
            stage_arn: request.stage_arn.as_ref().map(|arn| arn.as_str().to_owned()),
            user_id: request.user_id.as_str().to_owned(),
            attributes: request.attributes.as_map().clone(),
            ingest_protocol: request.ingest_protocol,
            redundant_ingest: request.redundant_ingest,
            tags: request.tags.as_map().clone(),
        },
    };
    assert_eq!(ledger.reserve(reservation).await.unwrap(), Reserved::New);
    assert!(ledger.send(tags.operation_id).await.unwrap().is_some());
}

async fn create(client: &Client, request: &CreateIngestConfiguration, tags: &TenancyTags) {
    let protocol = match request.ingest_protocol {
        IngestProtocol::Rtmp => types::IngestProtocol::Rtmp,
        IngestProtocol::Rtmps => types::IngestProtocol::Rtmps,
    };
    let attributes = request.attributes.as_map().clone();
    client
        .create_ingest_configuration()
        .name(request.name.as_str())
        .stage_arn(request.stage_arn.as_ref().map_or("", |arn| arn.as_str()))
        .user_id(request.user_id.as_str())
        .set_attributes(Some(attributes.into_iter().collect()))
        .ingest_protocol(protocol)
        .insecure_ingest(request.insecure_ingest)
        .redundant_ingest(request.redundant_ingest)
        .set_tags(Some(tags.write(&request.tags, &BTreeMap::new())))
        .send()
        .await
        .unwrap();
}
