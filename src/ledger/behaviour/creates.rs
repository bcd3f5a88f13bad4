//! A create from its reservation to its outcome.

use std::sync::Arc;

use super::{Subject, TICK, acme, resource};
use crate::{
    ledger::{Event, Ledger, LedgerError, Reservation, Reserved, State, Transition, Usage},
    request::Fingerprint,
};

pub(super) async fn quota_is_the_count_of_rows_that_may_exist(subject: &Subject<impl Ledger>) {
    let Subject { ledger, reservations, .. } = subject;
    let mut rows = Vec::new();
    for _ in 0..4 {
        let reservation = reservations.make("acme", None, 4);
        rows.push(reservation.operation_id);
        assert_eq!(ledger.reserve(reservation).await.unwrap(), Reserved::New);
    }
    let full = Reserved::OverQuota { used: 4 };
    assert_eq!(ledger.reserve(reservations.make("acme", None, 4)).await.unwrap(), full);

    // Creates that are sent or in doubt, and running deletes, keep their quota.
    for row in &rows {
        subject.send(*row).await;
    }
    subject.apply(rows[0], Event::Ambiguous).await;
    subject.apply(rows[1], Event::Created(resource(rows[1]))).await;
    subject.apply(rows[2], Event::Created(resource(rows[2]))).await;
    subject.apply(rows[2], Event::Delete).await;
    assert_eq!(ledger.reserve(reservations.make("acme", None, 4)).await.unwrap(), full);
    let usage = ledger.usage(acme()).await.unwrap();
    let by_state = [State::InDoubt, State::Live, State::Deleting, State::Sending];
    assert_eq!(usage, Usage(by_state.map(|state| (state, 1)).into()));

    // Proof that nothing exists releases it.
    subject.apply(rows[0], Event::Absent).await;
    subject.apply(rows[1], Event::Vanished).await;
    subject.apply(rows[2], Event::DeleteConfirmed).await;
    subject.apply(rows[3], Event::NotExecuted).await;
    assert_eq!(subject.used("acme").await, 0);
    assert_eq!(ledger.reserve(reservations.make("acme", None, 1)).await.unwrap(), Reserved::New);
}

pub(super) async fn one_row_per_request_id(subject: &Subject<impl Ledger>) {
    let Subject { ledger, reservations, time } = subject;
    let first = reservations.make("acme", Some("r"), 10);
    let operation_id = first.operation_id;
    let again = || reservations.make("acme", Some("r"), 10);
    assert_eq!(ledger.reserve(first).await.unwrap(), Reserved::New);
    let in_progress = Reserved::InProgress { operation_id };
    assert_eq!(ledger.reserve(again()).await.unwrap(), in_progress);
    let other = Reservation { fingerprint: Fingerprint::from([8; 16]), ..again() };
    assert_eq!(ledger.reserve(other.clone()).await.unwrap(), Reserved::FingerprintMismatch);

    time.pass(TICK);
    let sent_at = time.now();
    subject.send(operation_id).await;
    assert_eq!(ledger.reserve(again()).await.unwrap(), in_progress);
    time.pass(TICK);
    subject.apply(operation_id, Event::Ambiguous).await;
    let in_doubt = Reserved::InDoubt { operation_id, sent_at, used: 1 };
    assert_eq!(ledger.reserve(again()).await.unwrap(), in_doubt);

    let resource = resource(operation_id);
    let replay = Reserved::Replay { operation_id, arn: resource.arn.clone() };
    subject.apply(operation_id, Event::Found(resource)).await;
    assert_eq!(ledger.reserve(again()).await.unwrap(), replay);
    assert_eq!(ledger.reserve(other).await.unwrap(), Reserved::FingerprintMismatch);
    // A full quota does not prevent a replay.
    let full = Reservation { limit: 1, ..again() };
    assert_eq!(ledger.reserve(full).await.unwrap(), replay);
    // A late retry does not create a deleted configuration anew.
    subject.apply(operation_id, Event::Delete).await;
    subject.apply(operation_id, Event::DeleteConfirmed).await;
    let Reserved::Replay { arn, .. } = replay else { unreachable!() };
    let deleted = Reserved::Deleted { operation_id, arn };
    assert_eq!(ledger.reserve(again()).await.unwrap(), deleted);
}

/// A create that was sent twice stays in doubt, even if AWS has not executed the last sending.
pub(super) async fn a_resent_create_stays_in_doubt(subject: &Subject<impl Ledger>) {
    let Subject { ledger, time, .. } = subject;
    for end in [Event::NotExecuted, Event::Throttled] {
        let row = subject.sending("acme").await;
        let sent_at = time.now();
        subject.apply(row, Event::Ambiguous).await;
        time.pass(TICK);
        assert!(ledger.resend(row, row.to_string(), sent_at).await.unwrap().is_some());
        let transition = ledger.apply(row, end).await.unwrap();
        assert_eq!(transition, Transition { state: State::InDoubt, changed: true });
    }
    assert_eq!(subject.used("acme").await, 2);
}

pub(super) async fn a_rejected_request_id_can_be_used_again(subject: &Subject<impl Ledger>) {
    let Subject { ledger, reservations, .. } = subject;
    for _ in 0..3 {
        let reservation = reservations.make("acme", Some("r"), 1);
        let row = reservation.operation_id;
        assert_eq!(ledger.reserve(reservation).await.unwrap(), Reserved::New);
        subject.send(row).await;
        subject.apply(row, Event::NotExecuted).await;
    }
}

pub(super) async fn tenants_are_independent(subject: &Subject<impl Ledger>) {
    let Subject { ledger, reservations, .. } = subject;
    for tenant in ["acme", "globex"] {
        let reservation = reservations.make(tenant, Some("r"), 1);
        assert_eq!(ledger.reserve(reservation).await.unwrap(), Reserved::New);
        assert_eq!(subject.used(tenant).await, 1);
    }
    assert_eq!(subject.used("initech").await, 0);
}

pub(super) async fn a_sending_is_permitted_once(subject: &Subject<impl Ledger>) {
    let Subject { ledger, reservations, .. } = subject;
    let unknown = reservations.make("acme", None, 1).operation_id;
    let absent = ledger.send(unknown).await;
    assert!(matches!(absent, Err(LedgerError::NoSuchRow(id)) if id == unknown));

    let row = subject.reserved("acme").await;
    subject.send(row).await;
    assert_eq!(ledger.send(row).await.unwrap(), None);
    // A throttled create is sent with another permission.
    subject.apply(row, Event::Throttled).await;
    subject.send(row).await;
    subject.apply(row, Event::NotExecuted).await;
    assert!(matches!(ledger.send(row).await, Err(LedgerError::Illegal(_))));
}

pub(super) async fn a_conclusion_about_one_sending_says_nothing_about_the_next(
    subject: &Subject<impl Ledger>,
) {
    let Subject { ledger, time, .. } = subject;
    let first = time.now();
    let row = subject.in_doubt("acme").await;
    time.pass(TICK);
    let second = time.now();
    let permission = ledger.resend(row, row.to_string(), first).await.unwrap().unwrap();
    assert_eq!(permission.operation_id(), row);
    assert_eq!(subject.all_in_doubt().await, []);
    // No permission for a row that is being sent, or that was sent again since.
    assert_eq!(ledger.resend(row, row.to_string(), first).await.unwrap(), None);
    assert_eq!(ledger.resend(row, row.to_string(), second).await.unwrap(), None);
    subject.apply(row, Event::Ambiguous).await;
    assert_eq!(ledger.resend(row, row.to_string(), first).await.unwrap(), None);
    let absent = ledger.apply_to_sending(row, first, Event::Absent).await.unwrap();
    assert_eq!(absent, None);
    assert_eq!(ledger.in_doubt(None, 1).await.unwrap()[0].sent_at, second);

    let absent = ledger.apply_to_sending(row, second, Event::Absent).await.unwrap();
    assert_eq!(absent, Some(Transition { state: State::Rejected, changed: true }));
    assert_eq!(subject.used("acme").await, 0);
    // The row was resolved since.
    let found = ledger.apply_to_sending(row, second, Event::Found(resource(row))).await.unwrap();
    assert_eq!(found, None);
    assert_eq!(subject.used("acme").await, 0);
    assert_eq!(ledger.resend(row, row.to_string(), second).await.unwrap(), None);
}

pub(super) async fn events_move_rows_and_illegal_ones_change_nothing(
    subject: &Subject<impl Ledger>,
) {
    let Subject { ledger, reservations, .. } = subject;
    let unknown = reservations.make("acme", None, 1).operation_id;
    let absent = ledger.apply(unknown, Event::Cancel).await;
    assert!(matches!(absent, Err(LedgerError::NoSuchRow(id)) if id == unknown));

    let row = subject.reserved("acme").await;
    let created = Event::Created(resource(row));
    let illegal = ledger.apply(row, created.clone()).await;
    assert!(matches!(illegal, Err(LedgerError::Illegal(_))), "{illegal:?}");
    assert_eq!(subject.found(row).await, None);
    subject.send(row).await;
    let steps = [
        (Event::Throttled, State::Reserved),
        (Event::Cancel, State::Rejected),
        (created, State::Live),
        (Event::Delete, State::Deleting),
        (Event::DeleteRefused, State::Live),
        (Event::Vanished, State::Deleted),
    ];
    for (event, state) in steps {
        for changed in [true, false] {
            let transition = ledger.apply(row, event.clone()).await.unwrap();
            assert_eq!(transition, Transition { state, changed }, "{}", event.name());
        }
    }
}

pub(super) async fn concurrent_reservations_never_exceed_the_limit(subject: &Subject<impl Ledger>) {
    let Subject { ledger, reservations, .. } = subject;
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let ledger = Arc::clone(ledger);
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
    assert_eq!(subject.used("acme").await, 7);
}

pub(super) async fn concurrent_retries_reserve_once(subject: &Subject<impl Ledger>) {
    let Subject { ledger, reservations, .. } = subject;
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let ledger = Arc::clone(ledger);
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
    assert_eq!((new, subject.used("acme").await), (1, 1));
}

pub(super) async fn concurrent_sendings_are_permitted_once(subject: &Subject<impl Ledger>) {
    let row = subject.reserved("acme").await;
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let ledger = Arc::clone(&subject.ledger);
            tokio::spawn(async move { ledger.send(row).await.unwrap() })
        })
        .collect();
    let mut permissions = Vec::new();
    for task in tasks {
        permissions.extend(task.await.unwrap());
    }
    assert_eq!(permissions.len(), 1);
}
