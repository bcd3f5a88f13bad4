//! A ledger without threads, whose store the test runs.

use std::time::Duration;

use rusqlite::Connection;
use tokio::{task::JoinHandle, time::Instant};

use super::{super::*, LEASES};
use crate::{
    ledger::{
        Event, Ledger, Reserved, State,
        behaviour::{Reservations, Time, resource},
    },
    tenancy::TenantId,
};

/// The name of a create whose transaction cannot commit.
const POISON: &str = "poison";

/// Violates a deferred foreign key, so that every statement succeeds and the commit fails.
const FAILING_COMMIT: &str = "
    CREATE TABLE parents (id INTEGER PRIMARY KEY);
    CREATE TABLE children (parent REFERENCES parents DEFERRABLE INITIALLY DEFERRED);
    CREATE TRIGGER fails AFTER INSERT ON ingest_configurations WHEN NEW.name = 'poison'
    BEGIN INSERT INTO children VALUES (1); END;";

/// The time that a group takes.
const FLUSH: Duration = Duration::from_hours(1);

/// Runs the groups on the runtime of the test, in its time, until the ledger is dropped.
/// Returns the number of jobs of each group that writes.
fn drive(mut store: Store, mut queues: Queues) -> JoinHandle<Vec<usize>> {
    tokio::spawn(async move {
        let mut groups = Vec::new();
        while let Some(group) = queues.next_group().await {
            let jobs = match &group {
                Group::Write(jobs) => Some(jobs.len()),
                Group::Read(_) => None,
            };
            if let Some(jobs) = jobs {
                tokio::time::sleep(FLUSH).await;
                groups.push(jobs);
            }
            store.run(group, commit);
        }
        groups
    })
}

#[tokio::test(start_paused = true)]
async fn a_store_is_driven_by_a_task_in_paused_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let time = Time::default();
    let (store, expired) = Store::open(&path, &LEASES, &time.clock()).unwrap();
    assert_eq!(expired, Expired::default());
    Connection::open(&path).unwrap().execute_batch(FAILING_COMMIT).unwrap();
    let (ledger, queues) = SqliteLedger::new(LEASES, time.clock());
    let driver = drive(store, queues);
    let reservations = Reservations::default();
    let reservation = |name: &str| {
        let mut reservation = reservations.make("acme", None, 10);
        reservation.fields.name = name.to_owned();
        reservation
    };

    // The result arrives after the commit.
    let started = Instant::now();
    let first = reservation("studio");
    let row = first.operation_id;
    assert_eq!(ledger.reserve(first).await.unwrap(), Reserved::New);
    assert_eq!(started.elapsed(), FLUSH);

    // One group: its commit fails, and so does each of its jobs.
    let (permission, poisoned, usage) = tokio::join!(
        ledger.send(row),
        ledger.reserve(reservation(POISON)),
        ledger.usage(TenantId::parse("acme").unwrap()),
    );
    assert!(matches!(permission, Err(LedgerError::Unavailable(_))), "{permission:?}");
    assert!(matches!(poisoned, Err(LedgerError::Unavailable(_))), "{poisoned:?}");
    assert_eq!(usage.unwrap().0, [(State::Reserved, 1)].into());

    // The group left nothing behind, and the next one commits.
    let usage = ledger.usage(TenantId::parse("acme").unwrap()).await.unwrap();
    assert_eq!(usage.0, [(State::Reserved, 1)].into());
    assert_eq!(ledger.send(row).await.unwrap().unwrap().operation_id(), row);
    time.pass(LEASES.sending * 2);
    assert_eq!(ledger.expire().await.unwrap(), Expired { rejected: 0, in_doubt: 1 });
    assert!(ledger.apply(row, Event::Found(resource(row))).await.unwrap().changed);
    assert_eq!(started.elapsed(), FLUSH * 5);
    drop(ledger);
    assert_eq!(driver.await.unwrap(), [1, 2, 1, 1, 1]);
}

/// A caller that stops waiting loses the result. The change is made regardless.
#[tokio::test(start_paused = true)]
async fn jobs_without_a_caller_run_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let time = Time::default();
    let (store, _) = Store::open(&folder.path().join("ledger.db"), &LEASES, &time.clock()).unwrap();
    let (ledger, queues) = SqliteLedger::new(LEASES, time.clock());
    let reservations = Reservations::default();
    let reservation = reservations.make("acme", None, 1);
    let row = reservation.operation_id;
    // Each is polled once, which puts its job into the queue.
    for gone in [
        tokio::time::timeout(Duration::ZERO, async { drop(ledger.reserve(reservation).await) })
            .await,
        tokio::time::timeout(Duration::ZERO, async { drop(ledger.send(row).await) }).await,
    ] {
        assert!(gone.is_err());
    }
    let driver = drive(store, queues);
    assert_eq!(ledger.send(row).await.unwrap(), None);
    drop(ledger);
    assert_eq!(driver.await.unwrap(), [3]);
}
