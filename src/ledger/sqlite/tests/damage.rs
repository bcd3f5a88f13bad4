//! A damaged file, and other programs that use the file.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    thread,
    time::Duration,
};

use rusqlite::Connection;

use super::{super::*, open, open_error};
use crate::{
    ledger::{Event, Ledger, Reserved, behaviour::Reservations, behaviour::resource},
    tenancy::TenantId,
};

const PAGE: u64 = 4096;

/// Writes rows that fill many pages, and closes the ledger.
async fn fill(path: &Path) {
    let reservations = Reservations::default();
    let (ledger, _) = open(path);
    for index in 0..200 {
        let reservation = reservations.make("acme", Some(&format!("request-{index}")), 1000);
        let id = reservation.operation_id;
        assert_eq!(ledger.reserve(reservation).await.unwrap(), Reserved::New);
        let _ = ledger.send(id).await.unwrap();
        ledger.apply(id, Event::Created(resource(id))).await.unwrap();
    }
}

/// Overwrites the pages of the file after the first `kept`.
fn damage(path: &Path, kept: u64) {
    let file = File::options().write(true).open(path).unwrap();
    let size = file.metadata().unwrap().len();
    for page in kept..size / PAGE {
        file.write_all_at(&[0xff; 256], page * PAGE).unwrap();
    }
}

#[tokio::test]
async fn a_damaged_page_is_found_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    fill(&path).await;
    let pages = fs::metadata(&path).unwrap().len() / PAGE;
    damage(&path, pages - 1);
    let error = open_error(&path);
    assert!(error.contains("is damaged ("), "{error}");
    let shown = path.display().to_string();
    assert!(error.contains(&format!("move it, {shown}-wal and {shown}-shm away")));
    fs::write(&path, "no database, but a text of some length that fills a header: ".repeat(9))
        .unwrap();
    let error = open_error(&path);
    assert!(error.contains("is damaged (file is not a database)"), "{error}");
}

/// Without the entry, the same `request_id` would be executed again.
#[tokio::test]
async fn a_lost_index_entry_is_found_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    fill(&path).await;
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA writable_schema = ON").unwrap();
    let sql = "SELECT rootpage, sql FROM sqlite_schema WHERE name = 'request_ids'";
    let (root, definition): (i64, String) =
        connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    connection.execute("DELETE FROM sqlite_schema WHERE name = 'request_ids'", []).unwrap();
    drop(connection);
    let connection = Connection::open(&path).unwrap();
    // Not in the index, which this connection does not know.
    connection
        .execute("UPDATE ingest_configurations SET request_id = 'x' WHERE rowid = 7", [])
        .unwrap();
    connection.execute_batch("PRAGMA writable_schema = ON").unwrap();
    connection
        .execute(
            "INSERT INTO sqlite_schema VALUES
               ('index', 'request_ids', 'ingest_configurations', ?1, ?2)",
            rusqlite::params![root, definition],
        )
        .unwrap();
    drop(connection);
    let error = open_error(&path);
    assert!(error.contains("is damaged ("), "{error}");
}

#[tokio::test]
async fn a_ledger_that_is_damaged_while_it_is_open_is_not_used_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    fill(&path).await;
    let (ledger, _) = open(&path);
    let acme = || TenantId::parse("acme").unwrap();
    damage(&path, 1);
    let failed = ledger.usage(acme()).await.unwrap_err();
    assert!(matches!(failed, LedgerError::Damaged(_)), "{failed}");
    // Also by the other connection, which may have the page in its memory.
    let reserved = ledger.reserve(Reservations::default().make("acme", None, 1000)).await;
    assert!(matches!(reserved, Err(LedgerError::Damaged(_))), "{reserved:?}");
    assert!(matches!(ledger.check_writable().await, Err(LedgerError::Damaged(_))));
}

#[tokio::test]
async fn the_write_lock_of_another_program_is_awaited() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let (ledger, _) = open(&path);
    let other = Connection::open(&path).unwrap();
    let (locked, is_locked) = tokio::sync::oneshot::channel();
    let other = thread::spawn(move || {
        other.execute_batch("BEGIN IMMEDIATE; UPDATE about SET comparison = comparison").unwrap();
        locked.send(()).unwrap();
        thread::sleep(Duration::from_millis(100));
        other.execute_batch("COMMIT").unwrap();
    });
    is_locked.await.unwrap();
    let reservation = Reservations::default().make("acme", None, 1);
    assert_eq!(ledger.reserve(reservation).await.unwrap(), Reserved::New);
    other.join().unwrap();
}
