//! What every ledger must do. Each implementation's tests run all of it.

mod scans;

use std::{
    collections::BTreeMap,
    future::Future,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    Effect, Event, Fields, Filter, Ledger, LedgerError, Observation, Reservation, Reserved,
    Resource, State, Transition, Usage,
};
use crate::{
    ids::Ids,
    request::{Fingerprint, IngestConfigurationState, IngestProtocol, OperationId},
    tenancy::TenantId,
};

/// Runs the whole suite, each part on an empty ledger that `make` answers.
pub(super) async fn suite<L, F>(make: impl Fn() -> F)
where
    L: Ledger,
    F: Future<Output = L>,
{
    quota_is_the_count_of_rows_that_may_exist(&make().await).await;
    one_row_a_request_id(&make().await).await;
    a_rejected_request_id_can_be_used_again(&make().await).await;
    what_became_of_one_sending_says_nothing_about_the_next(&make().await).await;
    tenants_do_not_meet(&make().await).await;
    events_move_rows_and_illegal_ones_change_nothing(&make().await).await;
    concurrent_reservations_never_exceed_the_limit(Arc::new(make().await)).await;
    concurrent_retries_reserve_once(Arc::new(make().await)).await;
    a_tenant_finds_and_lists_its_own_rows_alone(&make().await).await;
    pages_hold_every_row_once_whatever_is_added_or_removed(&make().await).await;
    lists_are_filtered_by_stage_and_state(&make().await).await;
    what_was_seen_last_counts(&make().await).await;
    scans::what_two_walks_missed_is_told(Arc::new(make().await)).await;
}

/// Makes reservations with ids in order.
#[derive(Default)]
pub(super) struct Reservations(Ids);

impl Reservations {
    pub(super) fn make(&self, tenant: &str, request_id: Option<&str>, limit: u32) -> Reservation {
        let operation_id = self.0.next_operation_id(SystemTime::now());
        Reservation {
            operation_id,
            tenant: TenantId::parse(tenant).unwrap(),
            request_id: request_id.map_or_else(|| operation_id.to_string(), str::to_owned),
            fingerprint: Fingerprint::from([7; 16]),
            limit,
            fields: Fields {
                name: "studio".into(),
                stage_arn: "arn:aws:ivs:us-east-1:123456789012:stage/a".into(),
                user_id: String::new(),
                attributes: BTreeMap::from([("k".into(), "v".into())]),
                ingest_protocol: IngestProtocol::Rtmps,
                redundant_ingest: false,
                tags: BTreeMap::new(),
            },
        }
    }
}

pub(super) fn resource(operation_id: OperationId) -> Resource {
    Resource { arn: format!("arn:{operation_id}"), participant_id: "participant".into() }
}

async fn used(ledger: &impl Ledger, tenant: &str) -> u32 {
    ledger.usage(TenantId::parse(tenant).unwrap()).await.unwrap().total()
}

async fn quota_is_the_count_of_rows_that_may_exist(ledger: &impl Ledger) {
    let reservations = Reservations::default();
    let mut rows = Vec::new();
    for _ in 0..4 {
        let reservation = reservations.make("acme", None, 4);
        rows.push(reservation.operation_id);
        assert_eq!(ledger.reserve(reservation).await.unwrap(), Reserved::New);
    }
    let full = Reserved::OverQuota { used: 4 };
    assert_eq!(ledger.reserve(reservations.make("acme", None, 4)).await.unwrap(), full);

    // Neither sending, nor doubt, nor a delete under way returns a place.
    for row in &rows {
        ledger.apply(*row, Event::Send).await.unwrap();
    }
    ledger.apply(rows[0], Event::Ambiguous).await.unwrap();
    ledger.apply(rows[1], Event::Created(resource(rows[1]))).await.unwrap();
    ledger.apply(rows[2], Event::Created(resource(rows[2]))).await.unwrap();
    ledger.apply(rows[2], Event::Delete).await.unwrap();
    assert_eq!(ledger.reserve(reservations.make("acme", None, 4)).await.unwrap(), full);
    let usage = ledger.usage(TenantId::parse("acme").unwrap()).await.unwrap();
    let by_state = [State::InDoubt, State::Live, State::Deleting, State::Sending];
    assert_eq!(usage, Usage(by_state.map(|state| (state, 1)).into()));

    // Proof does.
    ledger.apply(rows[0], Event::Absent).await.unwrap();
    ledger.apply(rows[1], Event::Vanished).await.unwrap();
    ledger.apply(rows[2], Event::DeleteConfirmed).await.unwrap();
    ledger.apply(rows[3], Event::NotExecuted).await.unwrap();
    assert_eq!(used(ledger, "acme").await, 0);
    assert_eq!(ledger.reserve(reservations.make("acme", None, 1)).await.unwrap(), Reserved::New);
}

async fn one_row_a_request_id(ledger: &impl Ledger) {
    let reservations = Reservations::default();
    let first = reservations.make("acme", Some("r"), 10);
    let operation_id = first.operation_id;
    let again = || reservations.make("acme", Some("r"), 10);
    assert_eq!(ledger.reserve(first).await.unwrap(), Reserved::New);
    let in_progress = Reserved::InProgress { operation_id };
    assert_eq!(ledger.reserve(again()).await.unwrap(), in_progress);
    let other = Reservation { fingerprint: Fingerprint::from([8; 16]), ..again() };
    assert_eq!(ledger.reserve(other.clone()).await.unwrap(), Reserved::FingerprintMismatch);

    ledger.apply(operation_id, Event::Send).await.unwrap();
    assert_eq!(ledger.reserve(again()).await.unwrap(), in_progress);
    ledger.apply(operation_id, Event::Ambiguous).await.unwrap();
    let sent_at = ledger.in_doubt(None, 1).await.unwrap()[0].sent_at;
    let in_doubt = Reserved::InDoubt { operation_id, sent_at };
    assert_eq!(ledger.reserve(again()).await.unwrap(), in_doubt);

    let resource = resource(operation_id);
    let replay = Reserved::Replay { operation_id, arn: resource.arn.clone() };
    ledger.apply(operation_id, Event::Found(resource)).await.unwrap();
    assert_eq!(ledger.reserve(again()).await.unwrap(), replay);
    assert_eq!(ledger.reserve(other).await.unwrap(), Reserved::FingerprintMismatch);
    // A full quota does not stand in the way of a replay.
    let full = Reservation { limit: 1, ..again() };
    assert_eq!(ledger.reserve(full).await.unwrap(), replay);
    // What was deleted is not made anew by a late retry.
    ledger.apply(operation_id, Event::Delete).await.unwrap();
    ledger.apply(operation_id, Event::DeleteConfirmed).await.unwrap();
    assert_eq!(ledger.reserve(again()).await.unwrap(), replay);
}

async fn what_became_of_one_sending_says_nothing_about_the_next(ledger: &impl Ledger) {
    let reservation = Reservations::default().make("acme", Some("r"), 1);
    let row = reservation.operation_id;
    let last_sent_at = async || ledger.in_doubt(None, 1).await.unwrap()[0].sent_at;
    ledger.reserve(reservation).await.unwrap();
    ledger.apply(row, Event::Send).await.unwrap();
    ledger.apply(row, Event::Ambiguous).await.unwrap();
    let first = last_sent_at().await;
    // Times are kept to the millisecond.
    tokio::time::sleep(Duration::from_millis(2)).await;

    let resent = ledger.apply_to_sending(row, first, Event::Resend).await.unwrap();
    assert_eq!(resent.unwrap().effect, Effect::SendCreate);
    assert_eq!(ledger.apply_to_sending(row, first, Event::Resend).await.unwrap(), None);
    ledger.apply(row, Event::Ambiguous).await.unwrap();
    let second = last_sent_at().await;
    assert!(second > first);
    for late in [Event::Resend, Event::Absent] {
        assert_eq!(ledger.apply_to_sending(row, first, late).await.unwrap(), None);
    }
    assert_eq!(last_sent_at().await, second);
    let absent = ledger.apply_to_sending(row, second, Event::Absent).await.unwrap();
    assert_eq!(absent.unwrap().state, State::Rejected);
}

async fn a_rejected_request_id_can_be_used_again(ledger: &impl Ledger) {
    let reservations = Reservations::default();
    for _ in 0..3 {
        let reservation = reservations.make("acme", Some("r"), 1);
        let row = reservation.operation_id;
        assert_eq!(ledger.reserve(reservation).await.unwrap(), Reserved::New);
        ledger.apply(row, Event::Send).await.unwrap();
        ledger.apply(row, Event::NotExecuted).await.unwrap();
    }
}

async fn tenants_do_not_meet(ledger: &impl Ledger) {
    let reservations = Reservations::default();
    for tenant in ["acme", "globex"] {
        let reservation = reservations.make(tenant, Some("r"), 1);
        assert_eq!(ledger.reserve(reservation).await.unwrap(), Reserved::New);
        assert_eq!(used(ledger, tenant).await, 1);
    }
    assert_eq!(used(ledger, "initech").await, 0);
}

async fn events_move_rows_and_illegal_ones_change_nothing(ledger: &impl Ledger) {
    let reservations = Reservations::default();
    let reservation = reservations.make("acme", None, 1);
    let row = reservation.operation_id;
    let absent = ledger.apply(row, Event::Send).await;
    assert!(matches!(absent, Err(LedgerError::NoSuchRow(id)) if id == row));
    ledger.reserve(reservation).await.unwrap();
    let illegal = ledger.apply(row, Event::Created(resource(row))).await;
    assert!(matches!(illegal, Err(LedgerError::Illegal(_))), "{illegal:?}");
    let created = Event::Created(resource(row));
    for (event, state, effect) in [
        (Event::Send, State::Sending, Effect::SendCreate),
        (created.clone(), State::Live, Effect::TellLive),
    ] {
        assert_eq!(ledger.apply(row, event.clone()).await.unwrap(), Transition { state, effect });
        let again = Transition { state, effect: Effect::None };
        assert_eq!(ledger.apply(row, event).await.unwrap(), again);
    }
}

/// A live row of the tenant.
async fn live(ledger: &impl Ledger, reservations: &Reservations, tenant: &str) -> OperationId {
    let reservation = reservations.make(tenant, None, 1000);
    let row = reservation.operation_id;
    ledger.reserve(reservation).await.unwrap();
    ledger.apply(row, Event::Send).await.unwrap();
    ledger.apply(row, Event::Created(resource(row))).await.unwrap();
    row
}

async fn list(
    ledger: &impl Ledger,
    tenant: &str,
    filter: &Filter,
    before: Option<OperationId>,
    limit: u32,
) -> Vec<OperationId> {
    let tenant = TenantId::parse(tenant).unwrap();
    let rows = ledger.list(tenant, filter.clone(), before, limit).await.unwrap();
    rows.into_iter().map(|row| row.operation_id).collect()
}

async fn a_tenant_finds_and_lists_its_own_rows_alone(ledger: &impl Ledger) {
    let reservations = Reservations::default();
    let mine = live(ledger, &reservations, "acme").await;
    let others = live(ledger, &reservations, "globex").await;
    ledger.reserve(reservations.make("acme", None, 1000)).await.unwrap();
    let acme = TenantId::parse("acme").unwrap();
    let find = async |row| ledger.find(acme.clone(), resource(row).arn).await.unwrap();
    let row = find(mine).await.unwrap();
    assert_eq!((row.operation_id, row.row_state), (mine, State::Live));
    assert_eq!(row.fields, reservations.make("acme", None, 1).fields);
    assert_eq!(find(others).await, None);
    // What has no ARN yet is not there to be listed.
    assert_eq!(list(ledger, "acme", &Filter::default(), None, 100).await, [mine]);
    assert!(list(ledger, "initech", &Filter::default(), None, 100).await.is_empty());

    ledger.apply(mine, Event::Delete).await.unwrap();
    assert_eq!(list(ledger, "acme", &Filter::default(), None, 100).await, [mine]);
    ledger.apply(mine, Event::DeleteConfirmed).await.unwrap();
    assert!(list(ledger, "acme", &Filter::default(), None, 100).await.is_empty());
    assert_eq!(find(mine).await.unwrap().row_state, State::Deleted);
}

async fn pages_hold_every_row_once_whatever_is_added_or_removed(ledger: &impl Ledger) {
    let reservations = Reservations::default();
    let mut rows = Vec::new();
    for _ in 0..7 {
        rows.push(live(ledger, &reservations, "acme").await);
    }
    rows.reverse();
    let filter = Filter::default();
    let first = list(ledger, "acme", &filter, None, 3).await;
    assert_eq!(first, rows[..3]);
    live(ledger, &reservations, "acme").await;
    ledger.apply(rows[2], Event::Delete).await.unwrap();
    ledger.apply(rows[2], Event::DeleteConfirmed).await.unwrap();
    let second = list(ledger, "acme", &filter, Some(rows[2]), 3).await;
    assert_eq!(second, rows[3..6]);
    assert_eq!(list(ledger, "acme", &filter, Some(rows[5]), 3).await, rows[6..]);
}

async fn lists_are_filtered_by_stage_and_state(ledger: &impl Ledger) {
    let reservations = Reservations::default();
    let (moved, active) =
        (live(ledger, &reservations, "acme").await, live(ledger, &reservations, "acme").await);
    let stage_arn = reservations.make("acme", None, 1).fields.stage_arn;
    let seen = |row, state, stage_arn: &str| Observation {
        arn: resource(row).arn,
        state,
        stage_arn: stage_arn.to_owned(),
        redundant_ingest: true,
        at: SystemTime::now(),
    };
    let unknown = ledger
        .observe(vec![
            seen(moved, IngestConfigurationState::Inactive, "elsewhere"),
            seen(active, IngestConfigurationState::Active, &stage_arn),
            Observation {
                arn: "of nobody".into(),
                ..seen(moved, IngestConfigurationState::Active, "")
            },
        ])
        .await
        .unwrap();
    assert_eq!(unknown, ["of nobody"]);
    for (stage, state, expected) in [
        (None, None, vec![active, moved]),
        (Some("elsewhere"), None, vec![moved]),
        (None, Some(IngestConfigurationState::Active), vec![active]),
        (Some("elsewhere"), Some(IngestConfigurationState::Inactive), vec![moved]),
        (Some("elsewhere"), Some(IngestConfigurationState::Active), vec![]),
    ] {
        let filter = Filter { stage_arn: stage.map(str::to_owned), state };
        assert_eq!(list(ledger, "acme", &filter, None, 10).await, expected, "{filter:?}");
    }
}

/// Two who look at AWS at once may write in the other order.
async fn what_was_seen_last_counts(ledger: &impl Ledger) {
    let reservations = Reservations::default();
    let row = live(ledger, &reservations, "acme").await;
    let now = SystemTime::now();
    let seen = |state, at| Observation {
        arn: resource(row).arn,
        state,
        stage_arn: String::new(),
        redundant_ingest: false,
        at,
    };
    let later = now + Duration::from_secs(1);
    for (state, at) in
        [(IngestConfigurationState::Active, later), (IngestConfigurationState::Inactive, now)]
    {
        assert!(ledger.observe(vec![seen(state, at)]).await.unwrap().is_empty());
    }
    let acme = TenantId::parse("acme").unwrap();
    let row = ledger.find(acme, resource(row).arn).await.unwrap().unwrap();
    assert_eq!(row.state, IngestConfigurationState::Active);
}

async fn concurrent_reservations_never_exceed_the_limit(ledger: Arc<impl Ledger>) {
    let reservations = Reservations::default();
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let ledger = Arc::clone(&ledger);
            let reservation = reservations.make("acme", None, 7);
            tokio::spawn(async move { ledger.reserve(reservation).await.unwrap() })
        })
        .collect();
    let mut new = 0;
    for task in tasks {
        match task.await.unwrap() {
            Reserved::New => new += 1,
            refused => assert_eq!(refused, Reserved::OverQuota { used: 7 }),
        }
    }
    assert_eq!(new, 7);
    assert_eq!(used(&*ledger, "acme").await, 7);
}

async fn concurrent_retries_reserve_once(ledger: Arc<impl Ledger>) {
    let reservations = Reservations::default();
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let ledger = Arc::clone(&ledger);
            let reservation = reservations.make("acme", Some("the-same"), 100);
            tokio::spawn(async move { ledger.reserve(reservation).await.unwrap() })
        })
        .collect();
    let mut new = 0;
    for task in tasks {
        match task.await.unwrap() {
            Reserved::New => new += 1,
            joined => assert!(matches!(joined, Reserved::InProgress { .. }), "{joined:?}"),
        }
    }
    assert_eq!((new, used(&*ledger, "acme").await), (1, 1));
}
