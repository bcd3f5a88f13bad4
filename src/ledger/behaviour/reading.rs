//! Reads of a tenant's rows, and observations of them at AWS.

use super::{Subject, TICK, acme, observation, resource};
use crate::{
    ledger::{Event, Filter, Ledger, Observation, Reservation, Reserved, Resource, State},
    request::{IngestConfigurationState, OperationId},
    tenancy::TenantId,
};

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

pub(super) async fn a_tenant_finds_and_lists_its_own_rows_alone(subject: &Subject<impl Ledger>) {
    let Subject { ledger, reservations, time } = subject;
    let mine = subject.live("acme").await;
    let others = subject.live("globex").await;
    subject.reserved("acme").await;
    let all = async |tenant| list(&**ledger, tenant, &Filter::default(), None, 100).await;
    let row = subject.found(mine).await.unwrap();
    assert_eq!((row.operation_id, row.row_state), (mine, State::Live));
    assert_eq!(Resource { arn: row.arn, participant_id: row.participant_id }, resource(mine));
    assert_eq!(row.fields, reservations.make("acme", None, 1).fields);
    assert_eq!((row.state, row.observed_at), (IngestConfigurationState::Inactive, time.now()));
    assert_eq!(subject.found(others).await, None);
    // A row without an ARN is not listed.
    assert_eq!(all("acme").await, [mine]);
    assert!(all("initech").await.is_empty());
    let rows = ledger.list(acme(), Filter::default(), None, 1).await.unwrap();
    assert_eq!(rows, [subject.found(mine).await.unwrap()]);

    subject.apply(mine, Event::Delete).await;
    assert_eq!(all("acme").await, [mine]);
    subject.apply(mine, Event::DeleteConfirmed).await;
    assert!(all("acme").await.is_empty());
    assert_eq!(subject.found(mine).await.unwrap().row_state, State::Deleted);
}

pub(super) async fn absent_texts_stay_absent(subject: &Subject<impl Ledger>) {
    let Subject { ledger, reservations, .. } = subject;
    let mut reservation: Reservation = reservations.make("acme", None, 1);
    let fields = &mut reservation.fields;
    (fields.name, fields.user_id, fields.stage_arn) = (String::new(), String::new(), None);
    let (row, fields) = (reservation.operation_id, fields.clone());
    assert_eq!(ledger.reserve(reservation).await.unwrap(), Reserved::New);
    subject.send(row).await;
    subject.apply(row, Event::Ambiguous).await;
    assert_eq!(ledger.in_doubt(None, 1).await.unwrap()[0].stage_arn, None);
    let resource = Resource { participant_id: None, ..resource(row) };
    subject.apply(row, Event::Found(resource)).await;
    let found = subject.found(row).await.unwrap();
    assert_eq!((found.fields, found.participant_id), (fields, None));
}

pub(super) async fn pages_hold_every_row_once_whatever_is_added_or_removed(
    subject: &Subject<impl Ledger>,
) {
    let ledger = &*subject.ledger;
    let mut rows = Vec::new();
    for _ in 0..7 {
        rows.push(subject.live("acme").await);
    }
    rows.reverse();
    let filter = Filter::default();
    let first = list(ledger, "acme", &filter, None, 3).await;
    assert_eq!(first, rows[..3]);
    subject.live("acme").await;
    subject.apply(rows[2], Event::Delete).await;
    subject.apply(rows[2], Event::DeleteConfirmed).await;
    let second = list(ledger, "acme", &filter, Some(rows[2]), 3).await;
    assert_eq!(second, rows[3..6]);
    assert_eq!(list(ledger, "acme", &filter, Some(rows[5]), 3).await, rows[6..]);
}

pub(super) async fn lists_are_filtered_by_stage_and_state(subject: &Subject<impl Ledger>) {
    let Subject { ledger, reservations, time } = subject;
    let moved = subject.live("acme").await;
    let active = subject.live("acme").await;
    let stage_arn = reservations.make("acme", None, 1).fields.stage_arn;
    let seen = |row, state, stage_arn: Option<String>| Observation {
        state,
        stage_arn,
        redundant_ingest: true,
        ..observation(row, time.now())
    };
    let unknown = ledger
        .observe(vec![
            seen(moved, IngestConfigurationState::Inactive, Some("elsewhere".into())),
            seen(active, IngestConfigurationState::Active, stage_arn),
            Observation { arn: "unknown".into(), ..observation(moved, time.now()) },
        ])
        .await
        .unwrap();
    assert_eq!(unknown, ["unknown"]);
    assert!(subject.found(moved).await.unwrap().fields.redundant_ingest);
    for (stage, state, expected) in [
        (None, None, vec![active, moved]),
        (Some("elsewhere"), None, vec![moved]),
        (None, Some(IngestConfigurationState::Active), vec![active]),
        (Some("elsewhere"), Some(IngestConfigurationState::Inactive), vec![moved]),
        (Some("elsewhere"), Some(IngestConfigurationState::Active), vec![]),
    ] {
        let filter = Filter { stage_arn: stage.map(str::to_owned), state };
        assert_eq!(list(&**ledger, "acme", &filter, None, 10).await, expected, "{filter:?}");
    }
    // An observation without a stage removes the stage from the row.
    assert!(ledger.observe(vec![observation(moved, time.now())]).await.unwrap().is_empty());
    assert_eq!(subject.found(moved).await.unwrap().fields.stage_arn, None);
}

/// Two concurrent readers of AWS may record their observations in the wrong order.
pub(super) async fn the_last_observation_counts(subject: &Subject<impl Ledger>) {
    let Subject { ledger, time, .. } = subject;
    let row = subject.live("acme").await;
    let (now, later) = (time.now(), time.now() + TICK);
    for (state, at) in
        [(IngestConfigurationState::Active, later), (IngestConfigurationState::Inactive, now)]
    {
        let seen = Observation { state, ..observation(row, at) };
        assert!(ledger.observe(vec![seen]).await.unwrap().is_empty());
    }
    let row = subject.found(row).await.unwrap();
    assert_eq!((row.state, row.observed_at), (IngestConfigurationState::Active, later));
}
