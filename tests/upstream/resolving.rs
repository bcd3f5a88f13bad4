//! The resolver resolves in-doubt creates from the lists of AWS.

use std::{sync::Arc, time::Duration};

use ivs_ingest_gateway::{
    clock::Clock,
    config::ResolutionTimes,
    ids::Ids,
    ivs::Ivs,
    ledger::{Event, Leases, Ledger, SqliteLedger, State},
    reconcile::{
        Completeness, DeleteResolver, Parts, Problems, ReconcileMetrics, Resolution, Resolutions,
        Resolver,
    },
    telemetry::Metrics,
};
use ivs_realtime_emulator::{Fault, FaultKind, Operation, PublishState};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::support::{Aws, Rows, create, delete, pacers, request};

/// Time limit of a wait for a resolution. No test reaches it.
const TIMEOUT: Duration = Duration::from_secs(30);

fn times(retry_after_ms: u64, give_up_after_ms: u64) -> ResolutionTimes {
    ResolutionTimes {
        first_probe: Duration::from_millis(20),
        retry_after: Duration::from_millis(retry_after_ms),
        give_up_after: Duration::from_millis(give_up_after_ms),
    }
}

/// Runs the resolvers until the guard is dropped.
fn resolve(
    rows: &Rows,
    ivs: Ivs,
    times: ResolutionTimes,
) -> (Resolutions, ReconcileMetrics, DropGuard) {
    resolve_while(rows, ivs, times, &watch::Sender::new(Completeness::Complete))
}

fn resolve_while(
    rows: &Rows,
    ivs: Ivs,
    times: ResolutionTimes,
    completeness: &watch::Sender<Completeness>,
) -> (Resolutions, ReconcileMetrics, DropGuard) {
    let resolutions = Resolutions::default();
    let registry = Metrics::default();
    let metrics = registry.register(ReconcileMetrics::register);
    let ledger = Arc::clone(&rows.ledger);
    let stop = CancellationToken::new();
    let pacers = pacers(&stop);
    let parts = Parts {
        ledger,
        ivs,
        pacers,
        resolutions: resolutions.clone(),
        completeness: completeness.subscribe(),
        problems: Problems::default(),
        metrics: metrics.clone(),
        clock: Clock::system(),
        ids: Ids::random(),
    };
    let deletes = DeleteResolver::new(parts.clone(), times.retry_after, 1000.0);
    tokio::spawn(deletes.run(stop.clone()));
    let resolver = Resolver::new(parts, times, 1000.0);
    tokio::spawn(resolver.run(stop.clone()));
    (resolutions, metrics, stop.drop_guard())
}

#[tokio::test]
async fn a_configuration_is_found_by_its_tag_among_similar_ones() {
    let (aws, rows) = (Aws::start(), Rows::new());
    let ivs = aws.ivs().await;
    let request = request("studio", &aws.stage_arn);
    // Three creates with equal list entries: one succeeded, one lost its response, one was
    // never executed.
    let acknowledged = rows.sending("acme", &request).await;
    let lost = rows.ambiguous("acme", &request).await;
    let never = rows.ambiguous("globex", &request).await;
    let made = create(&ivs, &request, &acknowledged).await.unwrap();
    rows.ledger.apply(acknowledged.operation_id, Event::Created(resource(&made))).await.unwrap();
    aws.fault(Operation::CreateIngestConfiguration, FaultKind::DropAfter);
    create(&ivs, &request, &lost).await.unwrap_err();

    let (resolutions, metrics, _stop) = resolve(&rows, ivs, times(60_000, 900_000));
    let resolution = resolutions.resolution(lost.operation_id, TIMEOUT).await.unwrap();
    let Resolution::Live(found) = resolution else { panic!("{resolution:?}") };
    assert_ne!(found.arn, made.arn);
    assert!(aws.arns().contains(&found.arn));
    assert_eq!(rows.in_doubt().await, [never.operation_id]);
    assert_eq!((rows.used("acme").await, rows.used("globex").await), (2, 1));
    assert_eq!(metrics.adopted.get(), 1);
}

#[tokio::test]
async fn a_create_without_a_stage_is_found_on_any_page() {
    let (aws, rows) = (Aws::start(), Rows::new());
    let ivs = aws.ivs().await;
    let others = request("other", &aws.stage_arn);
    for _ in 0..250 {
        let tags = rows.sending("acme", &others).await;
        let made = create(&ivs, &others, &tags).await.unwrap();
        rows.ledger.apply(tags.operation_id, Event::Created(resource(&made))).await.unwrap();
    }
    let request = request("studio", "");
    let row = rows.ambiguous("acme", &request).await;
    let made = create(&ivs, &request, &row).await.unwrap();
    let (resolutions, _, _stop) = resolve(&rows, ivs, times(60_000, 900_000));
    let resolution = resolutions.resolution(row.operation_id, TIMEOUT).await.unwrap();
    assert_eq!(resolution, Resolution::Live(resource(&made)));
    assert!(aws.calls(Operation::ListIngestConfigurations) >= 3);
}

/// One read of the ledger returns at most 1,000 creates in doubt.
#[tokio::test]
async fn a_create_is_found_behind_a_thousand_others() {
    let (aws, rows) = (Aws::start(), Arc::new(Rows::new()));
    let ivs = aws.ivs().await;
    let mut ambiguous = tokio::task::JoinSet::new();
    for _ in 0..1000 {
        let (rows, request) = (Arc::clone(&rows), request("other", &aws.stage_arn));
        ambiguous.spawn(async move { rows.ambiguous("acme", &request).await });
    }
    ambiguous.join_all().await;
    let request = request("studio", &aws.stage_arn);
    let last = rows.ambiguous("globex", &request).await;
    let made = create(&ivs, &request, &last).await.unwrap();
    let (resolutions, _, _stop) = resolve(&rows, ivs, times(60_000, 900_000));
    let resolution = resolutions.resolution(last.operation_id, TIMEOUT).await.unwrap();
    assert_eq!(resolution, Resolution::Live(resource(&made)));
}

#[tokio::test]
async fn absence_takes_several_probes_beyond_the_window() {
    let (aws, rows) = (Aws::start(), Rows::new());
    let row = rows.ambiguous("acme", &request("studio", &aws.stage_arn)).await;
    let (resolutions, _, _stop) = resolve(&rows, aws.ivs().await, times(100, 300));
    let started = std::time::Instant::now();
    assert_eq!(resolutions.resolution(row.operation_id, TIMEOUT).await, Some(Resolution::Gone));
    assert!(started.elapsed() >= Duration::from_millis(280), "{:?}", started.elapsed());
    assert!(aws.calls(Operation::ListIngestConfigurations) >= 3);
    assert_eq!(rows.used("acme").await, 0);
}

/// The credentials may be those of another account.
#[tokio::test]
async fn nothing_is_absent_while_the_ledger_is_incomplete() {
    let (aws, rows) = (Aws::start(), Rows::new());
    let row = rows.ambiguous("acme", &request("studio", &aws.stage_arn)).await.operation_id;
    let sent_at = rows.ledger.in_doubt(None, 1).await.unwrap()[0].sent_at;
    let completeness = watch::Sender::new(Completeness::unknown());
    let (resolutions, _, _stop) = resolve_while(&rows, aws.ivs().await, times(1, 2), &completeness);
    while aws.calls(Operation::ListIngestConfigurations) < 6 {
        tokio::task::yield_now().await;
    }
    assert!(!resolutions.may_resend(row, sent_at));
    assert_eq!(rows.used("acme").await, 1);
    completeness.send_replace(Completeness::Complete);
    assert_eq!(resolutions.resolution(row, TIMEOUT).await, Some(Resolution::Gone));
}

/// AWS may reject the filter by a stage that was deleted after the create.
#[tokio::test]
async fn a_create_whose_stage_was_deleted_is_found() {
    let (aws, rows) = (Aws::start(), Rows::new());
    let ivs = aws.ivs().await;
    let request = request("studio", &aws.stage_arn);
    let row = rows.ambiguous("acme", &request).await;
    let made = create(&ivs, &request, &row).await.unwrap();
    let absent = Fault::error(404, "ResourceNotFoundException");
    let absent = absent.on(Operation::ListIngestConfigurations).about(&aws.stage_arn);
    aws.control().add_fault(&absent).unwrap();
    let (resolutions, _, _stop) = resolve(&rows, ivs, times(1000, 2000));
    let resolution = resolutions.resolution(row.operation_id, TIMEOUT).await.unwrap();
    assert_eq!(resolution, Resolution::Live(resource(&made)));
}

/// Absence is a conclusion about one sending. It permits a second sending, but not a third.
#[tokio::test]
async fn a_proof_of_absence_permits_one_resend() {
    let (aws, rows) = (Aws::start(), Rows::new());
    let row = rows.ambiguous("acme", &request("studio", &aws.stage_arn)).await.operation_id;
    let last_sent_at = async || rows.ledger.in_doubt(None, 1).await.unwrap()[0].sent_at;
    let first = last_sent_at().await;
    let (resolutions, _, _stop) = resolve(&rows, aws.ivs().await, times(50, 900_000));
    assert!(!resolutions.may_resend(row, first));
    while !resolutions.may_resend(row, first) {
        tokio::task::yield_now().await;
    }
    assert!(rows.ledger.resend(row, row.to_string(), first).await.unwrap().is_some());
    rows.ledger.apply(row, Event::Ambiguous).await.unwrap();
    assert!(!resolutions.may_resend(row, last_sent_at().await));
}

#[tokio::test]
async fn a_configuration_that_is_listed_late_is_found_late() {
    let (aws, rows) = (Aws::start(), Rows::new());
    let ivs = aws.ivs().await;
    aws.control().set_visibility_delay(Duration::from_millis(400)).unwrap();
    let request = request("studio", &aws.stage_arn);
    let row = rows.ambiguous("acme", &request).await;
    let made = create(&ivs, &request, &row).await.unwrap();
    let (resolutions, _, _stop) = resolve(&rows, ivs, times(2000, 4000));
    let resolution = resolutions.resolution(row.operation_id, TIMEOUT).await.unwrap();
    assert_eq!(resolution, Resolution::Live(resource(&made)));
}

#[tokio::test]
async fn probes_that_fail_prove_nothing() {
    let (aws, rows) = (Aws::start(), Rows::new());
    let ivs = aws.ivs().await;
    let request = request("studio", &aws.stage_arn);
    let row = rows.ambiguous("acme", &request).await;
    let made = create(&ivs, &request, &row).await.unwrap();
    // The create is older than the window. The first three lists and the first read of tags
    // fail.
    for (operation, kind) in [
        (Operation::ListIngestConfigurations, FaultKind::Error500Before),
        (Operation::ListIngestConfigurations, FaultKind::DropBefore),
        (Operation::ListIngestConfigurations, FaultKind::Truncate),
        (Operation::ListTagsForResource, FaultKind::Error503Before),
    ] {
        aws.fault(operation, kind);
    }
    let (resolutions, _, _stop) = resolve(&rows, ivs, times(1, 2));
    let resolution = resolutions.resolution(row.operation_id, TIMEOUT).await.unwrap();
    assert_eq!(resolution, Resolution::Live(resource(&made)));
}

/// In an outage the probes become rare, and each gives up after three lists or reads of tags.
#[tokio::test]
async fn probes_that_fail_use_few_calls() {
    let (lists, tags) = (Operation::ListIngestConfigurations, Operation::ListTagsForResource);
    for (failing, most_lists, most) in [(lists, 3, 0), (tags, 1, 3)] {
        let (aws, rows) = (Aws::start(), Rows::new());
        let ivs = aws.ivs().await;
        let request = request("studio", &aws.stage_arn);
        let row = rows.ambiguous("acme", &request).await;
        for _ in 0..5 {
            create(&ivs, &request, &row).await.unwrap();
        }
        let fault = Fault::new(FaultKind::Error500Before).on(failing);
        aws.control().add_fault(&fault).unwrap();
        let (_resolutions, _, _stop) = resolve(&rows, ivs, times(60_000, 900_000));
        tokio::time::sleep(Duration::from_millis(400)).await;
        let (tags, lists) = (aws.calls(tags), aws.calls(lists));
        // After 20, 60, 140 and 300 ms.
        assert!((1..=5 * most_lists).contains(&lists), "{lists}");
        assert!(tags <= most * lists, "{tags} reads in {lists} probes");
    }
}

#[tokio::test]
async fn the_active_configuration_of_a_create_is_its_own() {
    let (aws, rows) = (Aws::start(), Rows::new());
    let ivs = aws.ivs().await;
    let request = request("studio", &aws.stage_arn);
    let row = rows.ambiguous("acme", &request).await;
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(create(&ivs, &request, &row).await.unwrap().arn);
    }
    for arn in &made[1..] {
        aws.control().set_state(arn, PublishState::Active).unwrap();
    }
    let (resolutions, metrics, _stop) = resolve(&rows, ivs, times(60_000, 900_000));
    let resolution = resolutions.resolution(row.operation_id, TIMEOUT).await.unwrap();
    let Resolution::Live(kept) = resolution else { panic!("{resolution:?}") };
    assert!(made[1..].contains(&kept.arn));
    // A caller may hold the key of each of the others. The scan gives them rows.
    assert_eq!((metrics.orphans.get(), aws.calls(Operation::DeleteIngestConfiguration)), (0, 0));
}

/// A resolver without a pause would fill the log.
#[tokio::test]
async fn a_ledger_that_fails_is_accessed_again_after_a_pause() {
    let lease = Duration::from_mins(1);
    let leases = Leases { reserved: lease, sending: lease };
    let (ledger, mut jobs) = SqliteLedger::new(leases, Clock::system());
    let (aws, rows) = (Aws::start(), Rows::of(ledger));
    let (_resolutions, _, _stop) = resolve(&rows, aws.ivs().await, times(50, 900_000));
    let mut failed = 0;
    let fail_all = async {
        while jobs.next_group().await.is_some() {
            failed += 1;
        }
    };
    assert!(tokio::time::timeout(Duration::from_millis(200), fail_all).await.is_err());
    assert_eq!(failed, 1);
}

/// The read finds the configuration, or not.
#[tokio::test]
async fn a_delete_whose_task_has_ended_is_resolved_by_a_read() {
    for (exists, state) in [(true, State::Live), (false, State::Deleted)] {
        let (aws, rows) = (Aws::start(), Rows::with_lease(Duration::ZERO));
        let ivs = aws.ivs().await;
        let request = request("studio", &aws.stage_arn);
        let row = rows.sending("acme", &request).await;
        let made = create(&ivs, &request, &row).await.unwrap();
        for event in [Event::Created(resource(&made)), Event::Delete] {
            rows.ledger.apply(row.operation_id, event).await.unwrap();
        }
        if !exists {
            delete(&ivs, &made.arn).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        let (_resolutions, _, _stop) = resolve(&rows, ivs, times(1, 900_000));
        let find = async || rows.ledger.find(row.tenant.clone(), made.arn.clone()).await.unwrap();
        while find().await.unwrap().row_state != state {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_late_response_resolves_the_create() {
    let (aws, rows) = (Aws::start(), Rows::new());
    let ivs = aws.ivs().await;
    let request = request("studio", &aws.stage_arn);
    let row = rows.ambiguous("acme", &request).await;
    let made = create(&ivs, &request, &row).await.unwrap();
    let created = Event::Created(resource(&made));
    let transition = rows.ledger.apply(row.operation_id, created).await.unwrap();
    assert_eq!(transition.state, State::Live);
    let (resolutions, metrics, _stop) = resolve(&rows, ivs, times(1, 2));
    // The wait wakes the resolver, which finds no row to resolve.
    let wait = Duration::from_millis(100);
    assert_eq!(resolutions.resolution(row.operation_id, wait).await, None);
    assert_eq!(metrics.resolved.get(), 0);
    assert_eq!(rows.used("acme").await, 1);
}

fn resource(made: &ivs_ingest_gateway::ivs::Configuration) -> ivs_ingest_gateway::ledger::Resource {
    ivs_ingest_gateway::ledger::Resource {
        arn: made.arn.clone(),
        participant_id: made.participant_id.clone(),
    }
}
