//! The scan corrects the ledger, and rebuilds a lost one.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use ivs_ingest_gateway::{
    clock::Clock,
    ids::Ids,
    ivs::Ivs,
    ledger::{Event, Ledger, Resource},
    reconcile::{Parts, ReconcileMetrics, Resolutions, Scan, ScanConfig},
    request::RequestId,
    telemetry::Metrics,
    tenancy::tags::TenancyTags,
};
use ivs_realtime_emulator::{Fault, FaultKind, Operation};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::support::{Aws, Rows, create, create_with_tags, delete, pacers, request};

struct Scanning {
    metrics: ReconcileMetrics,
    complete: watch::Receiver<bool>,
    _stop: DropGuard,
}

fn scan(rows: &Rows, ivs: Ivs, is_complete: bool) -> Scanning {
    let config = ScanConfig {
        interval: Duration::from_millis(20),
        calls_per_second: 10_000.0,
        retention: Duration::ZERO,
    };
    let registry = Metrics::default();
    let metrics = registry.register(ReconcileMetrics::register);
    let ledger = Arc::clone(&rows.ledger);
    let stop = CancellationToken::new();
    let pacers = pacers(&stop);
    let resolutions = Resolutions::default();
    let parts = Parts {
        ledger,
        ivs,
        pacers,
        resolutions,
        metrics: metrics.clone(),
        clock: Clock::system(),
    };
    let scan = Scan::new(parts, config);
    let (sender, complete) = watch::channel(is_complete);
    tokio::spawn(scan.run(sender, stop.clone()));
    Scanning { metrics, complete, _stop: stop.drop_guard() }
}

impl Scanning {
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
    assert!(!new.ledger.is_rebuilt().await.unwrap());
    // Faults interrupt the first scan, so it leaves rows and an incomplete ledger.
    let failing = Fault::new(FaultKind::Error500Before).on(Operation::GetIngestConfiguration);
    aws.control().add_fault(&failing.with_probability(0.05)).unwrap();
    let mut scanning = scan(&new, ivs, false);
    while new.used("acme").await == 0 {
        tokio::task::yield_now().await;
    }
    assert!(!new.ledger.is_rebuilt().await.unwrap());
    aws.control().clear_faults().unwrap();
    scanning.complete.wait_for(|complete| *complete).await.unwrap();
    assert!(new.ledger.is_rebuilt().await.unwrap());
    assert_eq!((new.used("acme").await, new.used("globex").await), (120, 7));
    let arns = aws.arns();
    let owners = new.ledger.owners(arns.clone()).await.unwrap();
    assert_eq!(owners, old.ledger.owners(arns).await.unwrap());
}

#[tokio::test]
async fn an_empty_ledger_is_incomplete_before_the_first_scan() {
    let (aws, rows) = (Aws::start(), Rows::new());
    aws.fault(Operation::ListIngestConfigurations, FaultKind::Error500Before);
    let mut scanning = scan(&rows, aws.ivs().await, false);
    assert!(!*scanning.complete.borrow());
    scanning.complete.wait_for(|complete| *complete).await.unwrap();
    assert!(aws.calls(Operation::ListIngestConfigurations) >= 2);
}

#[tokio::test]
async fn a_configuration_that_no_longer_exists_is_released_after_two_scans() {
    let (aws, rows) = (Aws::start(), Rows::new());
    let ivs = aws.ivs().await;
    let gone = live(&aws, &rows, &ivs, "acme").await;
    live(&aws, &rows, &ivs, "acme").await;
    let scanning = scan(&rows, ivs.clone(), true);
    scanning.scans(3).await;
    assert_eq!(rows.used("acme").await, 2);
    delete(&ivs, &gone).await;
    scanning.scans(4).await;
    assert_eq!(rows.used("acme").await, 1);
    assert_eq!(scanning.metrics.vanished.get(), 1);
}

/// A list that omits existing configurations releases nothing.
#[tokio::test]
async fn an_empty_list_releases_nothing() {
    let (aws, rows) = (Aws::start(), Rows::new());
    let ivs = aws.ivs().await;
    aws.control().set_visibility_delay(Duration::from_hours(1)).unwrap();
    live(&aws, &rows, &ivs, "acme").await;
    let scanning = scan(&rows, ivs, true);
    scanning.scans(5).await;
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
    let scanning = scan(&rows, ivs, true);
    scanning.scans(3).await;
    assert_eq!(rows.used("acme").await, 1);
    assert_eq!(aws.arns().len(), 2);
    // The scan reads the foreign configuration once, and remembers it.
    assert_eq!(aws.calls(Operation::GetIngestConfiguration), 1);
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
    let scanning = scan(&rows, ivs, true);
    scanning.scans(2).await;
    assert_eq!(aws.arns(), [made.arn]);
    assert_eq!((rows.used("acme").await, scanning.metrics.orphans.get()), (1, 1));
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
    let scanning = scan(&rows, ivs, true);
    scanning.scans(2).await;
    assert_eq!(aws.arns().len(), 2);
    assert!(scanning.metrics.orphans.get() >= 1);
}

#[tokio::test]
async fn ended_rows_are_deleted() {
    let (aws, rows) = (Aws::start(), Rows::new());
    let ivs = aws.ivs().await;
    let tags = rows.sending("acme", &request("studio", &aws.stage_arn)).await;
    rows.ledger.apply(tags.operation_id, Event::NotExecuted).await.unwrap();
    let scanning = scan(&rows, ivs, true);
    scanning.scans(2).await;
    let applied = rows.ledger.apply(tags.operation_id, Event::NotExecuted).await;
    assert!(applied.is_err());
}
