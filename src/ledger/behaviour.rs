//! The behaviour that every ledger must have. The tests of each engine run the whole suite,
//! which covers every method of the trait.

mod adopting;
mod creates;
mod reading;
mod reconciling;
mod scans;

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use super::{
    Adoption, Event, Fields, Leases, Ledger, Observation, Reservation, Reserved, Resource, Row,
};
use crate::{
    clock::Clock,
    ids::Ids,
    request::{Fingerprint, IngestConfigurationState, IngestProtocol, OperationId},
    tenancy::TenantId,
};

pub(super) const LEASES: Leases =
    Leases { reserved: Duration::from_mins(1), sending: Duration::from_secs(10) };

/// The account of the ARNs.
const ACCOUNT: &str = "123456789012";

/// Times are kept to the millisecond.
const TICK: Duration = Duration::from_millis(1);

/// Runs the whole suite, each case on an empty ledger that `make` returns.
pub(super) async fn suite<L, F>(make: impl Fn(Leases, Clock) -> F)
where
    L: Ledger,
    F: Future<Output = L>,
{
    let subject = async || {
        let time = Time::default();
        let ledger = Arc::new(make(LEASES, time.clock()).await);
        Subject { ledger, reservations: Reservations::default(), time }
    };
    creates::quota_is_the_count_of_rows_that_may_exist(&subject().await).await;
    creates::one_row_per_request_id(&subject().await).await;
    creates::a_rejected_request_id_can_be_used_again(&subject().await).await;
    creates::tenants_are_independent(&subject().await).await;
    creates::a_sending_is_permitted_once(&subject().await).await;
    creates::a_conclusion_about_one_sending_says_nothing_about_the_next(&subject().await).await;
    creates::events_move_rows_and_illegal_ones_change_nothing(&subject().await).await;
    creates::concurrent_reservations_never_exceed_the_limit(&subject().await).await;
    creates::concurrent_retries_reserve_once(&subject().await).await;
    creates::concurrent_sendings_are_permitted_once(&subject().await).await;
    reading::a_tenant_finds_and_lists_its_own_rows_alone(&subject().await).await;
    reading::absent_texts_stay_absent(&subject().await).await;
    reading::pages_hold_every_row_once_whatever_is_added_or_removed(&subject().await).await;
    creates::a_resent_create_stays_in_doubt(&subject().await).await;
    reading::lists_are_filtered_by_stage_and_state(&subject().await).await;
    reading::the_last_observation_counts(&subject().await).await;
    reconciling::expired_creates_are_taken_over(&subject().await).await;
    reconciling::each_state_has_its_own_lease(&subject().await).await;
    reconciling::a_step_of_the_wall_clock_expires_no_lease(&subject().await).await;
    reconciling::deletes_without_an_outcome_are_found(&subject().await).await;
    reconciling::creates_in_doubt_are_listed_in_order(&subject().await).await;
    reconciling::an_arn_has_the_row_that_owns_it(&subject().await).await;
    reconciling::ended_rows_are_pruned(&subject().await).await;
    reconciling::a_new_ledger_needs_a_comparison_until_that_has_ended(&subject().await).await;
    reconciling::a_ledger_is_bound_to_one_upstream(&subject().await).await;
    reconciling::a_ledger_is_bound_to_the_account_of_its_configurations(&subject().await).await;
    reconciling::a_ledger_without_rows_is_bound_to_the_account_that_aws_lists(&subject().await)
        .await;
    reconciling::live_rows_are_counted(&subject().await).await;
    adopting::a_configuration_without_a_row_gets_one(&subject().await).await;
    adopting::the_row_of_a_create_gets_its_configuration(&subject().await).await;
    adopting::a_deleted_configuration_that_aws_lists_is_live_again(&subject().await).await;
    adopting::a_create_under_way_records_its_own_configuration(&subject().await).await;
    adopting::a_second_configuration_of_a_create_has_its_own_row(&subject().await).await;
    adopting::a_duplicate_without_a_returned_key_gets_no_row(&subject().await).await;
    adopting::a_request_id_of_another_create_displaces(&subject().await).await;
    adopting::a_configuration_takes_its_request_id_from_a_create_in_doubt(&subject().await).await;
    adopting::an_arn_has_one_row(&subject().await).await;
    scans::a_row_that_two_scans_missed_is_returned(&subject().await).await;
}

/// Clocks that a case moves.
#[derive(Clone)]
pub(super) struct Time {
    wall_ms: Arc<AtomicU64>,
    monotonic_ms: Arc<AtomicU64>,
}

impl Default for Time {
    fn default() -> Self {
        Self { wall_ms: Arc::new(AtomicU64::new(1_800_000_000_000)), monotonic_ms: Arc::default() }
    }
}

impl Time {
    pub(super) fn clock(&self) -> Clock {
        let (time, monotonic_ms, started) =
            (self.clone(), Arc::clone(&self.monotonic_ms), Instant::now());
        let passed = move || Duration::from_millis(monotonic_ms.load(Ordering::Relaxed));
        Clock::with_both(move || time.now(), move || started + passed())
    }

    pub(super) fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.wall_ms.load(Ordering::Relaxed))
    }

    /// Lets time pass.
    pub(super) fn pass(&self, duration: Duration) {
        self.monotonic_ms
            .fetch_add(u64::try_from(duration.as_millis()).unwrap(), Ordering::Relaxed);
        self.step(duration);
    }

    /// Sets the wall clock forward.
    pub(super) fn step(&self, duration: Duration) {
        self.wall_ms.fetch_add(u64::try_from(duration.as_millis()).unwrap(), Ordering::Relaxed);
    }
}

/// Makes reservations with ids in order.
#[derive(Default)]
pub(super) struct Reservations(Ids);

impl Reservations {
    pub(super) fn make(&self, tenant: &str, request_id: Option<&str>, limit: u32) -> Reservation {
        let operation_id = self.0.next_operation_id(Time::default().now());
        Reservation {
            operation_id,
            tenant: TenantId::parse(tenant).unwrap(),
            request_id: request_id.map_or_else(|| operation_id.to_string(), str::to_owned),
            fingerprint: Fingerprint::from([7; 16]),
            limit,
            fields: Fields {
                name: "studio".into(),
                stage_arn: Some("arn:aws:ivs:us-east-1:123456789012:stage/a".into()),
                user_id: "camera".into(),
                attributes: BTreeMap::from([("k".into(), "v".into())]),
                ingest_protocol: IngestProtocol::Rtmps,
                redundant_ingest: false,
                tags: BTreeMap::from([("t".into(), "u".into())]),
            },
        }
    }
}

pub(super) fn resource(operation_id: OperationId) -> Resource {
    Resource {
        arn: format!("arn:aws:ivs:us-east-1:{ACCOUNT}:ingest-configuration/{operation_id}"),
        participant_id: Some("participant".into()),
    }
}

/// The configuration of the create, seen inactive and without a stage.
fn observation(operation_id: OperationId, at: SystemTime) -> Observation {
    Observation {
        arn: resource(operation_id).arn,
        state: IngestConfigurationState::Inactive,
        stage_arn: None,
        redundant_ingest: false,
        at,
    }
}

/// The configuration that the create of that reservation made.
fn adoption(reservation: Reservation) -> Adoption {
    let Reservation { operation_id, tenant, request_id, fingerprint, fields, .. } = reservation;
    let resource = resource(operation_id);
    let new_id = Ids::random().next_operation_id(Time::default().now());
    let ledger_is_complete = true;
    Adoption {
        operation_id,
        tenant,
        request_id,
        fingerprint,
        resource,
        fields,
        new_id,
        ledger_is_complete,
    }
}

fn acme() -> TenantId {
    TenantId::parse("acme").unwrap()
}

/// A ledger, empty at first, with the source of its reservations and its clock.
struct Subject<L> {
    ledger: Arc<L>,
    reservations: Reservations,
    time: Time,
}

impl<L: Ledger> Subject<L> {
    async fn reserved(&self, tenant: &str) -> OperationId {
        let reservation = self.reservations.make(tenant, None, 1000);
        let row = reservation.operation_id;
        assert_eq!(self.ledger.reserve(reservation).await.unwrap(), Reserved::New);
        row
    }

    async fn send(&self, row: OperationId) {
        let permission = self.ledger.send(row).await.unwrap().unwrap();
        assert_eq!(permission.operation_id(), row);
    }

    async fn apply(&self, row: OperationId, event: Event) {
        assert!(self.ledger.apply(row, event).await.unwrap().changed);
    }

    async fn sending(&self, tenant: &str) -> OperationId {
        let row = self.reserved(tenant).await;
        self.send(row).await;
        row
    }

    async fn in_doubt(&self, tenant: &str) -> OperationId {
        let row = self.sending(tenant).await;
        self.apply(row, Event::Ambiguous).await;
        row
    }

    async fn live(&self, tenant: &str) -> OperationId {
        let row = self.sending(tenant).await;
        self.apply(row, Event::Created(resource(row))).await;
        row
    }

    async fn deleted(&self, tenant: &str) -> OperationId {
        let row = self.live(tenant).await;
        self.apply(row, Event::Delete).await;
        self.apply(row, Event::DeleteConfirmed).await;
        row
    }

    async fn used(&self, tenant: &str) -> u32 {
        self.ledger.usage(TenantId::parse(tenant).unwrap()).await.unwrap().total()
    }

    /// The tenant acme's row of the create.
    async fn found(&self, row: OperationId) -> Option<Row> {
        self.ledger.find(acme(), resource(row).arn).await.unwrap()
    }

    async fn all_in_doubt(&self) -> Vec<OperationId> {
        let creates = self.ledger.in_doubt(None, 1000).await.unwrap();
        creates.into_iter().map(|create| create.operation_id).collect()
    }
}
