//! The ledger's file after a kill and after a power cut. A kill keeps everything that was
//! written, so a copy of the files represents it. A power cut may also lose writes after the
//! last flush: any part of the log after the last change whose method has returned.

use std::{collections::BTreeMap, fs};

use rusqlite::{Connection, OpenFlags};

use super::{super::*, open as open_ledger};
use crate::ledger::{
    Event, Ledger, State,
    behaviour::{Reservations, resource},
};

const CREATES: usize = 3;

/// The bytes of a frame of the log: a page and its header.
const FRAME: usize = 4096 + 24;

/// The states of all rows.
type Rows = BTreeMap<[u8; 16], State>;

/// The files after a change, and the rows that they must have.
struct Snapshot {
    database: Vec<u8>,
    log: Vec<u8>,
    rows: Rows,
}

/// Makes changes, each of which is a transaction. Returns the files after each of them.
async fn snapshots(path: &Path) -> Vec<Snapshot> {
    let (ledger, _) = open_ledger(path);
    let reservations = Reservations::default();
    let mut rows = Rows::new();
    let mut snapshots = Vec::new();
    for number in 0..CREATES {
        let reservation = reservations.make("acme", None, 1000);
        let id = reservation.operation_id;
        ledger.reserve(reservation).await.unwrap();
        let mut changed = |state| {
            rows.insert(id.ulid().to_bytes(), state);
            let log = fs::read(path.with_extension("db-wal")).unwrap();
            snapshots.push(Snapshot { database: fs::read(path).unwrap(), log, rows: rows.clone() });
        };
        changed(State::Reserved);
        assert!(ledger.send(id).await.unwrap().is_some());
        changed(State::Sending);
        let (event, state) = match number % 3 {
            0 => (Event::Created(resource(id)), State::Live),
            1 => (Event::Ambiguous, State::InDoubt),
            _ => (Event::NotExecuted, State::Rejected),
        };
        ledger.apply(id, event).await.unwrap();
        changed(state);
    }
    snapshots
}

/// Returns the rows that SQLite finds in the files.
fn recovered(folder: &Path, database: &[u8], log: &[u8]) -> Rows {
    let path = folder.join("cut.db");
    let _ = fs::remove_file(path.with_extension("db-shm"));
    fs::write(&path, database).unwrap();
    fs::write(path.with_extension("db-wal"), log).unwrap();
    let connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    let check: String =
        connection.pragma_query_value(None, "integrity_check", |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let sql = "SELECT operation_id, state FROM ingest_configurations";
    let mut statement = connection.prepare(sql).unwrap();
    let rows =
        statement.query_map([], |row| Ok((row.get(0)?, State::from_code(row.get(1)?).unwrap())));
    rows.unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn a_kill_keeps_every_change() {
    let folder = tempfile::tempdir().unwrap();
    for snapshot in snapshots(&folder.path().join("ledger.db")).await {
        assert_eq!(recovered(folder.path(), &snapshot.database, &snapshot.log), snapshot.rows);
    }
}

/// SQLite flushes the log before `commit` returns, because `synchronous` is `FULL`. What was
/// written since is cut at each frame and within frames, is filled with zeros from there, or
/// has a hole.
#[tokio::test]
async fn a_power_cut_keeps_every_change_and_no_part_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let snapshots = snapshots(&folder.path().join("ledger.db")).await;
    let mut cuts = 0;
    for [flushed, next] in snapshots.array_windows() {
        assert_eq!(flushed.database, next.database, "a checkpoint");
        let (from, to) = (flushed.log.len(), next.log.len());
        let mut check = |log: &[u8], expected: &Rows| {
            let rows = recovered(folder.path(), &flushed.database, log);
            assert_eq!(rows, *expected, "a log of {} bytes, from {from} to {to}", log.len());
            cuts += 1;
        };
        for frame in (from..to).step_by(FRAME) {
            for cut in [frame, frame + 1, frame + FRAME / 2, frame + FRAME - 1] {
                check(&next.log[..cut], &flushed.rows);
                let mut zeroed = next.log.clone();
                zeroed[cut..].fill(0);
                check(&zeroed, &flushed.rows);
            }
            let mut hole = next.log.clone();
            hole[frame..frame + FRAME].fill(0);
            check(&hole, &flushed.rows);
        }
        check(&next.log, &next.rows);
        // Without the end of what was flushed, the last change is lost.
        let lost = recovered(folder.path(), &flushed.database, &flushed.log[..from - 1]);
        assert_ne!(lost, flushed.rows);
    }
    assert!(cuts > 200, "{cuts}");
}

#[test]
fn a_commit_flushes_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let (_lock, connection) = open::open(&folder.path().join("ledger.db")).unwrap();
    let synchronous: u8 =
        connection.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
    let mode: String =
        connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!((synchronous, mode.as_str()), (2, "wal"));
}
