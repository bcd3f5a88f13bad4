//! The scan corrects the ledger, and rebuilds a lost one.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use ivs_ingest_gateway::{
    clock::Clock,
    ids::Ids,
    ivs::Ivs,
    ledger::{Comparison, Event, Ledger, Resource},
    reconcile::{
        Completeness, Parts, Problem, Problems, ReconcileMetrics, Resolutions, Scan, ScanConfig,
    },
    request::RequestId,
    telemetry::Metrics,
    tenancy::{TenantId, tags::TenancyTags},
};
use ivs_realtime_emulator::{Fault, FaultKind, Operation, Settings};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::support::{Aws, Rows, create, create_with_tags, delete, pacers, request};

mod limits;

/// The time after which AWS shows everything, for tests that measure it.
const VISIBLE_AFTER: Duration = Duration::from_millis(500);

const CONFIG: ScanConfig = ScanConfig {
    interval: Duration::from_millis(20),
    calls_per_second: 10_000.0,
    retention: Duration::ZERO,
    visible_after: Duration::ZERO,
};

struct Scanning {
    metrics: ReconcileMetrics,
    problems: watch::Receiver<BTreeSet<Problem>>,
    completeness: watch::Receiver<Completeness>,
    _stop: DropGuard,
}

/// Scans with a ledger that knows everything.
async fn scan(rows: &Rows, ivs: Ivs) -> Scanning {
    rows.ledger.set_comparison(Comparison::NotNeeded).await.unwrap();
    // The first scan does not miss a row that changed in its first millisecond.
    tokio::time::sleep(Duration::from_millis(2)).await;
    start(rows, ivs, Duration::ZERO)
}

/// Scans. AWS shows everything after `visible_after`.
fn start(rows: &Rows, ivs: Ivs, visible_after: Duration) -> Scanning {
    start_with(rows, ivs, ScanConfig { visible_after, ..CONFIG })
}

fn start_with(rows: &Rows, ivs: Ivs, config: ScanConfig) -> Scanning {
    let registry = Metrics::default();
    let metrics = registry.register(ReconcileMetrics::register);
    let ledger = Arc::clone(&rows.ledger);
    let stop = CancellationToken::new();
    let pacers = pacers(&stop);
    let resolutions = Resolutions::default();
    let problems = Problems::default();
    let (sender, completeness) = watch::channel(Completeness::unknown());
    let parts = Parts {
        ledger,
        ivs,
        pacers,
        resolutions,
        completeness: completeness.clone(),
        problems: problems.clone(),
        metrics: metrics.clone(),
        clock: Clock::system(),
        ids: Ids::random(),
    };
    let scan = Scan::new(parts, config, sender);
    tokio::spawn(scan.run(stop.clone()));
    Scanning { metrics, problems: problems.subscribe(), completeness, _stop: stop.drop_guard() }
}

impl Scanning {
    async fn complete(&mut self) {
        self.completeness.wait_for(Completeness::is_complete).await.unwrap();
    }

    /// Waits for that number of further complete scans.
    async fn scans(&self, count: u64) {
        let until = self.metrics.scans.get() + count;
        while self.metrics.scans.get() < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn live(aws: &Aws, rows: &Rows, ivs: &Ivs, tenant: &str) -> String {
    let request = request("studio", &aws.stage_arn);
    let tags = rows.sending(tenant, &request).await;
    let made = create(ivs, &request, &tags).await.unwrap();
    let resource = Resource { arn: made.arn.clone(), participant_id: made.participant_id };
    rows.ledger.apply(tags.operation_id, Event::Created(resource)).await.unwrap();
    made.arn
}

#[tokio::test]
async fn a_lost_ledger_is_rebuilt_from_aws_alone() {
    let (aws, old) = (Aws::start(), Rows::new());
    let ivs = aws.ivs().await;
    for (tenant, count) in [("acme", 120), ("globex", 7)] {
        for _ in 0..count {
            live(&aws, &old, &ivs, tenant).await;
        }
    }
    let new = Rows::new();
    // Faults make the scan skip configurations, so it leaves rows and an incomplete ledger.
    let failing = Fault::new(FaultKind::Error500Before).on(Operation::GetIngestConfiguration);
    aws.control().add_fault(&failing.with_probability(0.3)).unwrap();
    let mut scanning = start(&new, ivs, VISIBLE_AFTER);
    while new.used("acme").await == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(new.ledger.comparison().await.unwrap(), Comparison::TwoScans);
    aws.control().clear_faults().unwrap();
    scanning.complete().await;
    assert_eq!(new.ledger.comparison().await.unwrap(), Comparison::NotNeeded);
    assert_eq!((new.used("acme").await, new.used("globex").await), (120, 7));
    let arns = aws.arns();
    let owners = new.ledger.owners(arns.clone()).await.unwrap();
    assert_eq!(owners, old.ledger.owners(arns).await.unwrap());
}

/// The first list does not show what was created just before the start.
#[tokio::test]
async fn a_new_ledger_is_incomplete_until_aws_lists_everything() {
    let (aws, old, new) = (Aws::start(), Rows::new(), Rows::new());
    let ivs = aws.ivs().await;
    aws.control().set_visibility_delay(VISIBLE_AFTER / 2).unwrap();
    aws.fault(Operation::ListIngestConfigurations, FaultKind::Error500Before);
    live(&aws, &old, &ivs, "acme").await;
    let began = Instant::now();
    let mut scanning = start(&new, ivs, VISIBLE_AFTER);
    scanning.complete().await;
    assert!(began.elapsed() >= VISIBLE_AFTER);
    assert_eq!(new.used("acme").await, 1);
}

/// After a crash, one scan suffices, unless it shows that the ledger is an older copy.
#[tokio::test]
async fn a_ledger_that_was_not_closed_is_compared_with_aws_once() {
    let (aws, rows) = (Aws::start(), Rows::new());
    let ivs = aws.ivs().await;
    live(&aws, &rows, &ivs, "acme").await;
    rows.ledger.set_comparison(Comparison::OneScan).await.unwrap();
    start(&rows, ivs.clone(), VISIBLE_AFTER).complete().await;
    assert_eq!(aws.calls(Operation::ListIngestConfigurations), 1);

    live(&aws, &Rows::new(), &ivs, "acme").await;
    rows.ledger.set_comparison(Comparison::OneScan).await.unwrap();
    let began = Instant::now();
    let mut scanning = start(&rows, ivs, VISIBLE_AFTER);
    // A start after a crash would need two scans too.
    while rows.ledger.comparison().await.unwrap() != Comparison::TwoScans {
        assert!(!scanning.completeness.borrow().is_complete());
        tokio::task::yield_now().await;
    }
    scanning.complete().await;
    assert!(began.elapsed() >= VISIBLE_AFTER);
    assert_eq!(rows.used("acme").await, 2);
}

/// One unreadable configuration may be foreign, and does not stop the rebuild.
#[tokio::test]
async fn an_unreadable_configuration_is_skipped() {
    let (aws, old, new) = (Aws::start(), Rows::new(), Rows::new());
    let ivs = aws.ivs().await;
    let unreadable = live(&aws, &old, &ivs, "globex").await;
    live(&aws, &old, &ivs, "acme").await;
    let denied = Fault::new(FaultKind::Error500Before).on(Operation::ListTagsForResource);
    aws.control().add_fault(&denied.about(&unreadable)).unwrap();
    let began = Instant::now();
    let mut scanning = start(&new, ivs, VISIBLE_AFTER);
    scanning.complete().await;
    // A short outage must not hide configurations of the gateway.
    assert!(began.elapsed() >= VISIBLE_AFTER * 5, "{:?}", began.elapsed());
    assert_eq!((new.used("acme").await, new.used("globex").await), (1, 0));
    assert!(scanning.metrics.unreadable.get() >= 2);
    aws.control().clear_faults().unwrap();
    while new.used("globex").await == 0 {
        tokio::task::yield_now().await;
    }
}

/// Without the permission to read tags, every configuration would count as foreign.
#[tokio::test]
async fn configurations_are_not_skipped_while_no_tags_can_be_read() {
    let (aws, old, new) = (Aws::start(), Rows::new(), Rows::new());
    let ivs = aws.ivs().await;
    live(&aws, &old, &ivs, "acme").await;
    live(&aws, &old, &ivs, "globex").await;
    let denied = Fault::error(403, "AccessDeniedException").on(Operation::ListTagsForResource);
    aws.control().add_fault(&denied).unwrap();
    let mut scanning = start(&new, ivs, Duration::from_millis(10));
    scanning.scans(3).await;
    assert!(!scanning.completeness.borrow().is_complete());
    aws.control().clear_faults().unwrap();
    scanning.complete().await;
    assert_eq!((new.used("acme").await, new.used("globex").await), (1, 1));
}

/// A configuration of the gateway must not keep the ledger incomplete forever.
#[tokio::test]
async fn an_own_configuration_that_cannot_be_read_is_adopted_from_the_list() {
    let (aws, old, new) = (Aws::start(), Rows::new(), Rows::new());
    let ivs = aws.ivs().await;
    let unreadable = live(&aws, &old, &ivs, "acme").await;
    let denied = Fault::error(403, "AccessDeniedException").on(Operation::GetIngestConfiguration);
    aws.control().add_fault(&denied.about(&unreadable)).unwrap();
    let mut scanning = start(&new, ivs, VISIBLE_AFTER / 5);
    scanning.problems.wait_for(|it| it.contains(&Problem::OwnUnreadable)).await.unwrap();
    scanning.complete().await;
    let row = new.ledger.find(TenantId::parse("acme").unwrap(), unreadable).await.unwrap().unwrap();
    assert_eq!((row.fields.name.as_str(), new.used("acme").await), ("studio", 1));
}

/// A list of another account or region is empty.
#[tokio::test]
async fn an_account_that_has_nothing_releases_nothing() {
    for count in [2, 11] {
        release_nothing(count).await;
    }
}

async fn release_nothing(count: u32) {
    let (aws, elsewhere, rows) = (Aws::start(), Aws::start(), Rows::new());
    let ivs = aws.ivs().await;
    for _ in 0..count {
        live(&aws, &rows, &ivs, "acme").await;
    }
    let mut scanning = scan(&rows, elsewhere.ivs().await).await;
    scanning.scans(4).await;
    assert_eq!(rows.used("acme").await, count);
    assert_eq!(
        (scanning.metrics.missing.get(), scanning.metrics.vanished.get()),
        (i64::from(count), 0)
    );
    assert_eq!(*scanning.problems.borrow(), [Problem::MostAreMissing].into());
    // The ledger knows nothing about that account.
    scanning.completeness.wait_for(|it| !it.is_complete()).await.unwrap();
}

/// Another gateway may serve that account: its configurations carry the gateway's tags.
#[tokio::test]
async fn the_configurations_of_another_account_are_not_adopted() {
    let settings = Settings { account_id: "999999999999".into(), ..Settings::for_tests() };
    let (aws, elsewhere) = (Aws::start(), Aws::with(settings));
    let (rows, of_elsewhere) = (Rows::new(), Rows::new());
    live(&aws, &rows, &aws.ivs().await, "acme").await;
    for _ in 0..3 {
        live(&elsewhere, &of_elsewhere, &elsewhere.ivs().await, "globex").await;
    }
    let mut scanning = scan(&rows, elsewhere.ivs().await).await;
    scanning.problems.wait_for(|it| it.contains(&Problem::OtherAccount)).await.unwrap();
    let lists = || elsewhere.calls(Operation::ListIngestConfigurations);
    let until = lists() + 4;
    while lists() < until {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!((rows.used("acme").await, rows.used("globex").await), (1, 0));
    assert!(!scanning.completeness.borrow().is_complete());
}

#[tokio::test]
async fn a_configuration_that_no_longer_exists_is_released_after_two_scans() {
    let (aws, rows) = (Aws::start(), Rows::new());
    let ivs = aws.ivs().await;
    let gone = live(&aws, &rows, &ivs, "acme").await;
    live(&aws, &rows, &ivs, "acme").await;
    let scanning = scan(&rows, ivs.clone()).await;
    scanning.scans(3).await;
    assert_eq!(rows.used("acme").await, 2);
    delete(&ivs, &gone).await;
    scanning.scans(4).await;
    assert_eq!(rows.used("acme").await, 1);
    assert_eq!(scanning.metrics.vanished.get(), 1);
}

/// AWS may not show a new configuration to every operation yet.
#[tokio::test]
async fn a_new_configuration_is_not_released() {
    let (aws, rows) = (Aws::start(), Rows::new());
    let ivs = aws.ivs().await;
    let gone = live(&aws, &rows, &ivs, "acme").await;
    delete(&ivs, &gone).await;
    rows.ledger.set_comparison(Comparison::NotNeeded).await.unwrap();
    let scanning = start(&rows, ivs, Duration::from_hours(1));
    scanning.scans(3).await;
    assert_eq!((rows.used("acme").await, scanning.metrics.missing.get()), (1, 0));
}

/// A list that omits existing configurations releases nothing.
#[tokio::test]
async fn an_empty_list_releases_nothing() {
    let (aws, rows) = (Aws::start(), Rows::new());
    let ivs = aws.ivs().await;
    aws.control().set_visibility_delay(Duration::from_hours(1)).unwrap();
    live(&aws, &rows, &ivs, "acme").await;
    let scanning = scan(&rows, ivs).await;
    scanning.scans(3).await;
    assert_eq!((rows.used("acme").await, scanning.metrics.vanished.get()), (1, 0));
    assert!(aws.calls(Operation::GetIngestConfiguration) > 0);
}

#[tokio::test]
async fn foreign_configurations_stay_unchanged() {
    let (aws, rows) = (Aws::start(), Rows::new());
    let ivs = aws.ivs().await;
    live(&aws, &rows, &ivs, "acme").await;
    let name = "foreign";
    let foreign = request(name, &aws.stage_arn);
    let tags = [("team".to_owned(), "other".to_owned())].into();
    create_with_tags(&ivs, &foreign, tags).await.unwrap();
    let scanning = scan(&rows, ivs).await;
    scanning.scans(3).await;
    assert_eq!(rows.used("acme").await, 1);
    assert_eq!(aws.arns().len(), 2);
    // The stream key of a foreign configuration is never read.
    assert_eq!(aws.calls(Operation::GetIngestConfiguration), 0);
}

#[tokio::test]
async fn a_duplicate_configuration_is_deleted() {
    let (aws, rows) = (Aws::start(), Rows::new());
    let ivs = aws.ivs().await;
    let request = request("studio", &aws.stage_arn);
    let tags = rows.sending("acme", &request).await;
    let made = create(&ivs, &request, &tags).await.unwrap();
    let resource = Resource { arn: made.arn.clone(), participant_id: made.participant_id };
    rows.ledger.apply(tags.operation_id, Event::Created(resource)).await.unwrap();
    create(&ivs, &request, &tags).await.unwrap();
    let scanning = scan(&rows, ivs.clone()).await;
    for duplicates in 1..=2 {
        scanning.scans(2).await;
        assert_eq!(aws.arns(), [made.arn.as_str()]);
        assert_eq!((rows.used("acme").await, scanning.metrics.orphans.get()), (1, duplicates));
        // A later scan deletes one too.
        create(&ivs, &request, &tags).await.unwrap();
    }
}

/// Simulates a ledger that was lost before lists showed the first configuration. A caller
/// may hold the key of that configuration.
#[tokio::test]
async fn a_configuration_whose_key_a_caller_may_hold_is_not_deleted() {
    let (aws, rows) = (Aws::start(), Rows::new());
    let ivs = aws.ivs().await;
    let request = request("studio", &aws.stage_arn);
    let tags = rows.sending("acme", &request).await;
    let first = TenancyTags {
        operation_id: Ids::random().next_operation_id(SystemTime::now()),
        request_id: Some(RequestId::parse(tags.operation_id.to_string()).unwrap()),
        ..tags.clone()
    };
    create(&ivs, &request, &first).await.unwrap();
    let made = create(&ivs, &request, &tags).await.unwrap();
    let resource = Resource { arn: made.arn, participant_id: made.participant_id };
    rows.ledger.apply(tags.operation_id, Event::Created(resource)).await.unwrap();
    let scanning = scan(&rows, ivs).await;
    scanning.scans(2).await;
    assert_eq!(aws.arns().len(), 2);
    assert_eq!(scanning.metrics.orphans.get(), 1);
    // It has a row, so its tenant can delete it.
    assert_eq!(rows.used("acme").await, 2);
}

#[tokio::test]
async fn ended_rows_are_deleted() {
    let (aws, rows) = (Aws::start(), Rows::new());
    let ivs = aws.ivs().await;
    let tags = rows.sending("acme", &request("studio", &aws.stage_arn)).await;
    rows.ledger.apply(tags.operation_id, Event::NotExecuted).await.unwrap();
    let scanning = scan(&rows, ivs).await;
    scanning.scans(2).await;
    let applied = rows.ledger.apply(tags.operation_id, Event::NotExecuted).await;
    assert!(applied.is_err());
}
