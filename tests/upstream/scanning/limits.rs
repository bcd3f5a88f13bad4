//! The numbers and times that bound a scan.

use super::*;

/// Ten rows are released in any case, and more only if AWS lists half of all rows.
#[tokio::test]
async fn most_rows_are_not_released() {
    for (rows, gone, is_released) in [
        (1, 1, true),
        (2, 2, false),
        (12, 10, true),
        (12, 11, false),
        (21, 11, false),
        (22, 11, true),
    ] {
        release(rows, gone, is_released).await;
    }
}

async fn release(count: u32, gone: u32, is_released: bool) {
    let (aws, rows) = (Aws::start(), Rows::new());
    let ivs = aws.ivs().await;
    for number in 0..count {
        let arn = live(&aws, &rows, &ivs, "acme").await;
        if number < gone {
            delete(&ivs, &arn).await;
        }
    }
    let scanning = scan(&rows, ivs).await;
    scanning.scans(4).await;
    let released = if is_released { gone } else { 0 };
    assert_eq!(rows.used("acme").await, count - released, "{gone} of {count}");
    assert_eq!(scanning.metrics.vanished.get(), u64::from(released), "{gone} of {count}");
    assert_eq!(scanning.problems.borrow().is_empty(), is_released, "{gone} of {count}");
}

/// The gateway knows none of the configurations of another account.
#[tokio::test]
async fn an_account_of_foreign_configurations_releases_nothing() {
    let (aws, elsewhere, rows) = (Aws::start(), Aws::start(), Rows::new());
    for _ in 0..2 {
        live(&aws, &rows, &aws.ivs().await, "acme").await;
    }
    let ivs = elsewhere.ivs().await;
    let tags = [("team".to_owned(), "other".to_owned())].into();
    create_with_tags(&ivs, &request("foreign", &elsewhere.stage_arn), tags).await.unwrap();
    let scanning = scan(&rows, ivs).await;
    scanning.scans(4).await;
    assert_eq!((rows.used("acme").await, scanning.metrics.vanished.get()), (2, 0));
}

/// A configuration that AWS does not list is released only after a read that does not find it.
#[tokio::test]
async fn a_read_that_fails_releases_nothing() {
    let (aws, rows) = (Aws::start(), Rows::new());
    let ivs = aws.ivs().await;
    let gone = live(&aws, &rows, &ivs, "acme").await;
    delete(&ivs, &gone).await;
    let failing = Fault::new(FaultKind::Error500Before).on(Operation::GetIngestConfiguration);
    aws.control().add_fault(&failing).unwrap();
    let scanning = scan(&rows, ivs).await;
    scanning.scans(5).await;
    assert_eq!((rows.used("acme").await, scanning.metrics.missing.get()), (1, 1));
    aws.control().clear_faults().unwrap();
    while rows.used("acme").await > 0 {
        tokio::task::yield_now().await;
    }
}

/// Each page is tried three times. A scan that fails is repeated after a pause, which doubles.
#[tokio::test]
async fn a_page_is_retried_twice() {
    let (aws, rows) = (Aws::start(), Rows::new());
    let failing = Fault::new(FaultKind::Error500Before).on(Operation::ListIngestConfigurations);
    aws.control().add_fault(&failing.times(6)).unwrap();
    rows.ledger.set_comparison(Comparison::OneScan).await.unwrap();
    let began = Instant::now();
    start(&rows, aws.ivs().await, Duration::ZERO).complete().await;
    // Two failed scans: 200 and 400 ms. Six would be 12 s.
    let took = began.elapsed();
    assert!((600..6000).contains(&took.as_millis()), "{took:?}");
}

/// In an outage every call fails after the time-out, so the scan ends after ten failures. A
/// configuration that is gone, or that the gateway may not read, says nothing about the others.
#[tokio::test]
async fn an_outage_ends_a_scan_and_other_failures_do_not() {
    for operation in [Operation::ListTagsForResource, Operation::GetIngestConfiguration] {
        fail_all(operation).await;
    }
}

async fn fail_all(operation: Operation) {
    let (aws, old, new) = (Aws::start(), Rows::new(), Rows::new());
    let ivs = aws.ivs().await;
    for _ in 0..12 {
        live(&aws, &old, &ivs, "acme").await;
    }
    let replace = |fault: Fault| {
        aws.control().clear_faults().unwrap();
        aws.control().add_fault(&fault.on(operation)).unwrap();
    };
    replace(Fault::new(FaultKind::Error500Before));
    new.ledger.set_comparison(Comparison::NotNeeded).await.unwrap();
    let scanning = start(&new, ivs, Duration::from_mins(1));
    while aws.calls(Operation::ListIngestConfigurations) < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Two scans have ended.
    assert!(scanning.metrics.unreadable.get() >= 20, "{:?}", scanning.metrics.unreadable);
    assert_eq!(scanning.metrics.scans.get(), 0);
    replace(Fault::error(403, "AccessDeniedException"));
    scanning.scans(1).await;
    replace(Fault::error(404, "ResourceNotFoundException"));
    scanning.scans(2).await;
    assert_eq!(new.used("acme").await, 0);
    aws.control().clear_faults().unwrap();
    scanning.scans(2).await;
    assert_eq!(new.used("acme").await, 12);
}

/// A configuration of the gateway that cannot be read may be one that the ledger does not know.
#[tokio::test]
async fn the_ledger_is_incomplete_while_an_own_configuration_is_unreadable() {
    for fault in
        [Fault::new(FaultKind::Error500Before), Fault::error(404, "ResourceNotFoundException")]
    {
        let (aws, old, new) = (Aws::start(), Rows::new(), Rows::new());
        let ivs = aws.ivs().await;
        live(&aws, &old, &ivs, "acme").await;
        aws.control().add_fault(&fault.on(Operation::GetIngestConfiguration)).unwrap();
        new.ledger.set_comparison(Comparison::OneScan).await.unwrap();
        let mut scanning = start(&new, ivs, Duration::ZERO);
        scanning.scans(2).await;
        assert!(!scanning.completeness.borrow().is_complete());
        aws.control().clear_faults().unwrap();
        scanning.complete().await;
        assert_eq!(new.used("acme").await, 1);
    }
}

/// Rejected callers learn when the comparison can end: after a list of the known configurations.
#[tokio::test]
async fn the_earliest_end_includes_the_time_of_a_list() {
    let (aws, rows) = (Aws::start(), Rows::new());
    for number in 0..100 {
        let tags = rows.sending("acme", &request("studio", &aws.stage_arn)).await;
        let resource = Resource { arn: format!("arn-{number}"), participant_id: None };
        rows.ledger.apply(tags.operation_id, Event::Created(resource)).await.unwrap();
    }
    rows.ledger.set_comparison(Comparison::OneScan).await.unwrap();
    // Two pages at two calls a second: the list may have a configuration more.
    let config = ScanConfig { calls_per_second: 2.0, ..CONFIG };
    let before = Instant::now();
    let mut scanning = start_with(&rows, aws.ivs().await, config);
    scanning.completeness.changed().await.unwrap();
    let Completeness::Incomplete { not_before, .. } = *scanning.completeness.borrow() else {
        panic!("the comparison has ended")
    };
    let second = Duration::from_secs(1);
    assert!((before + second..=Instant::now() + second).contains(&not_before));
}

/// The scans after the comparison leave nine tenths of the rate to callers.
#[tokio::test]
async fn a_scan_uses_a_tenth_of_the_rate() {
    let (aws, rows) = (Aws::start(), Rows::new());
    rows.ledger.set_comparison(Comparison::NotNeeded).await.unwrap();
    let (interval, calls_per_second) = (Duration::ZERO, 100.0);
    let config = ScanConfig { interval, calls_per_second, ..CONFIG };
    let began = Instant::now();
    let scanning = start_with(&rows, aws.ivs().await, config);
    scanning.scans(6).await;
    // The first call need not wait, and each other one waits for 100 ms.
    assert!(began.elapsed() >= Duration::from_millis(500), "{:?}", began.elapsed());
}

/// Ended rows keep their `request_id` for the retention, and then all of them are deleted.
#[tokio::test]
async fn ended_rows_are_deleted_after_the_retention() {
    let (aws, rows) = (Aws::start(), Arc::new(Rows::new()));
    rows.ledger.set_comparison(Comparison::NotNeeded).await.unwrap();
    // One more than one job deletes.
    let mut ending = tokio::task::JoinSet::new();
    for _ in 0..501 {
        let (rows, request) = (Arc::clone(&rows), request("studio", &aws.stage_arn));
        ending.spawn(async move {
            let row = rows.sending("acme", &request).await.operation_id;
            rows.ledger.apply(row, Event::NotExecuted).await.unwrap();
            row
        });
    }
    let ended = ending.join_all().await;
    let hour = Duration::from_hours(1);
    let kept = ScanConfig { retention: hour, interval: hour, ..CONFIG };
    let again = async |row| rows.ledger.apply(row, Event::NotExecuted).await;
    let scanning = start_with(&rows, aws.ivs().await, kept);
    scanning.scans(1).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(again(ended[0]).await.is_ok());

    let scanning = start_with(&rows, aws.ivs().await, ScanConfig { interval: hour, ..CONFIG });
    scanning.scans(1).await;
    for row in ended {
        while again(row).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
}
