mod agreement;
mod damage;
mod driven;
mod durability;
mod lock_file;
mod plans;

use std::{cell::RefCell, fs, sync::Arc};

use super::{open::SCHEMA_VERSION, *};
use crate::{
    ledger::{
        Event, Ledger, State,
        behaviour::{self, LEASES, Reservations, resource},
    },
    tenancy::TenantId,
};

fn open(path: &Path) -> (SqliteLedger, Expired) {
    SqliteLedger::open(path, LEASES, Clock::system()).unwrap()
}

fn open_error(path: &Path) -> String {
    SqliteLedger::open(path, LEASES, Clock::system()).err().unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behaves_as_every_ledger_does() {
    let folder = tempfile::tempdir().unwrap();
    let count = RefCell::new(0);
    behaviour::suite(async |leases, clock| {
        *count.borrow_mut() += 1;
        let path = folder.path().join(format!("{}.db", count.borrow()));
        SqliteLedger::open(&path, leases, clock).unwrap().0
    })
    .await;
}

#[tokio::test]
async fn only_the_owner_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/ledger.db");
    let _open = open(&path);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let entries = fs::read_dir(path.parent().unwrap()).unwrap();
    let files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 4, "{files:?}");
    assert!(files.iter().all(|file| mode(file) == 0o600), "{files:?}");
    assert_eq!(mode(path.parent().unwrap()), 0o700);
}

/// Every change whose method has returned is there after a restart. A create that the stop
/// interrupted is rejected if it was never sent, and in doubt if it may have been.
#[tokio::test]
async fn a_restart_keeps_every_change_and_expires_every_lease() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/ledger.db");
    let reservations = Reservations::default();
    let (ledger, recovered) = open(&path);
    assert_eq!(recovered, Expired::default());
    let mut rows = Vec::new();
    for _ in 0..4 {
        let reservation = reservations.make("acme", None, 10);
        rows.push(reservation.operation_id);
        ledger.reserve(reservation).await.unwrap();
    }
    for row in &rows[1..] {
        assert!(ledger.send(*row).await.unwrap().is_some());
    }
    ledger.apply(rows[2], Event::Ambiguous).await.unwrap();
    ledger.apply(rows[3], Event::Created(resource(rows[3]))).await.unwrap();
    drop(ledger);

    let (ledger, recovered) = open(&path);
    assert_eq!(recovered, Expired { rejected: 1, in_doubt: 1 });
    let usage = ledger.usage(TenantId::parse("acme").unwrap()).await.unwrap();
    assert_eq!(usage.0, [(State::InDoubt, 2), (State::Live, 1)].into());
    drop(ledger);
    let (_, recovered) = open(&path);
    assert_eq!(recovered, Expired::default());
}

#[test]
fn one_gateway_per_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let (ledger, _) = open(&path);
    let error = SqliteLedger::open(&path, LEASES, Clock::system()).err().unwrap();
    assert!(matches!(error, OpenError::InUse(_)), "{error}");
    drop(ledger);
    open(&path);
}

#[test]
fn rejects_a_file_that_a_newer_gateway_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    drop(open(&path));
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
    drop(connection);
    let error = open_error(&path);
    assert!(error.contains("schema version 2") && error.contains("newer gateway"), "{error}");
}

#[test]
fn reports_a_path_that_it_cannot_use() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a-file");
    fs::write(&file, "x").unwrap();
    let error = open_error(&file.join("ledger.db"));
    assert!(error.contains("ledger.url must name a file"), "{error}");
    let error = open_error(folder.path());
    assert!(error.contains(folder.path().to_str().unwrap()), "{error}");
}

/// Callers on 500 tasks share flushes, and the writer responds to each of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn responds_to_every_caller() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(&folder.path().join("ledger.db"));
    let ledger = Arc::new(ledger);
    let reservations = Reservations::default();
    let tasks: Vec<_> = (0..500)
        .map(|_| {
            let ledger = Arc::clone(&ledger);
            let reservation = reservations.make("acme", None, 1000);
            tokio::spawn(async move {
                let row = reservation.operation_id;
                ledger.reserve(reservation).await.unwrap();
                assert!(ledger.send(row).await.unwrap().is_some());
                ledger.apply(row, Event::Created(resource(row))).await.unwrap().state
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), State::Live);
    }
}

/// Without a change to record, no other statement of the resolver's round would fail.
#[tokio::test]
async fn a_ledger_that_cannot_be_written_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(&folder.path().join("ledger.db"));
    ledger.check_writable().await.unwrap();
    let read_only =
        |connection: &Connection, _| Ok(connection.pragma_update(None, "query_only", "ON")?);
    ledger.write(WhenFull::Wait, read_only).await.unwrap();
    assert!(matches!(ledger.check_writable().await, Err(LedgerError::Unavailable(_))));
}

#[tokio::test]
async fn a_panic_of_a_thread_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(&folder.path().join("ledger.db"));
    let panicked = ledger.panicked();
    let panics = ledger.write::<()>(WhenFull::Wait, |_, _| panic!("planted"));
    assert!(matches!(panics.await, Err(LedgerError::Unavailable(_))));
    panicked.cancelled().await;
}
