//! The comparison that a file needs, which the lock file beside it decides.

use std::{fs, os::unix::fs::symlink};

use super::{super::*, open, open_error};
use crate::ledger::{Comparison, Ledger, Upstream};

/// Opens the ledger, and returns the comparison that it needs. Ends it as a crash does unless `closes`.
async fn comparison(path: &Path, closes: bool) -> Comparison {
    let (ledger, _) = open(path);
    let comparison = ledger.comparison().await.unwrap();
    ledger.set_comparison(Comparison::NotNeeded).await.unwrap();
    if closes {
        drop(ledger);
    } else {
        crash(path, ledger);
    }
    comparison
}

/// Ends the ledger without the record that it was closed, and leaves its WAL.
fn crash(path: &Path, mut ledger: SqliteLedger) {
    let wal = path.with_extension("db-wal");
    let content = fs::read(&wal).unwrap();
    ledger.queues = None;
    let threads = ledger.threads.take().unwrap();
    threads.crash();
    fs::write(wal, content).unwrap();
}

fn copy(from: &Path, to: &Path) {
    for suffix in ["", "-wal"] {
        let with = |path: &Path| path.with_extension(format!("db{suffix}"));
        let _ = fs::remove_file(with(to));
        if with(from).exists() {
            fs::copy(with(from), with(to)).unwrap();
        }
    }
}

#[tokio::test]
async fn only_a_file_that_was_closed_needs_no_comparison() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let backup = folder.path().join("backup.db");
    assert_eq!(comparison(&path, true).await, Comparison::TwoScans, "new");
    assert_eq!(comparison(&path, true).await, Comparison::NotNeeded, "closed");
    assert_eq!(comparison(&path, false).await, Comparison::NotNeeded, "closed");
    assert_eq!(comparison(&path, false).await, Comparison::OneScan, "crashed");
    assert_eq!(comparison(&path, true).await, Comparison::OneScan, "crashed");

    copy(&path, &backup);
    assert_eq!(comparison(&path, true).await, Comparison::NotNeeded, "copied elsewhere");
    assert_eq!(comparison(&backup, true).await, Comparison::TwoScans, "a copy");
    assert_eq!(comparison(&path, true).await, Comparison::NotNeeded, "closed");
    copy(&backup, &path);
    assert_eq!(comparison(&path, true).await, Comparison::TwoScans, "restored");
    // In place: the file has its inode and the time of its creation.
    let content = fs::read(&backup).unwrap();
    fs::write(&path, &content).unwrap();
    assert_eq!(comparison(&path, false).await, Comparison::TwoScans, "restored in place");
    fs::write(&path, content).unwrap();
    assert_eq!(comparison(&path, false).await, Comparison::OneScan, "restored after a crash");
    fs::remove_file(path.with_extension("db-wal")).unwrap();
    assert_eq!(comparison(&path, true).await, Comparison::TwoScans, "a crash, without the WAL");
    assert_eq!(comparison(&path, true).await, Comparison::NotNeeded, "closed");
    let closed = fs::read_to_string(path.with_extension("db.lock")).unwrap();
    let (before, boot) = closed.trim_end().rsplit_once(' ').unwrap();
    assert_eq!(boot, fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim());
    fs::write(path.with_extension("db.lock"), format!("{before} another-boot\n")).unwrap();
    assert_eq!(comparison(&path, true).await, Comparison::OneScan, "the machine restarted");
    let closed = fs::read_to_string(path.with_extension("db.lock")).unwrap();
    let (before, _) = closed.trim_end().rsplit_once(' ').unwrap();
    fs::write(path.with_extension("db.lock"), format!("{before} another-boot\n")).unwrap();
    fs::write(&path, fs::read(&path).unwrap()).unwrap();
    assert_eq!(comparison(&path, true).await, Comparison::TwoScans, "restored after a restart");
    fs::remove_file(path.with_extension("db.lock")).unwrap();
    assert_eq!(comparison(&path, true).await, Comparison::TwoScans, "without its lock file");
    for content in ["", "ledger", "\u{0}\u{0}"] {
        fs::write(path.with_extension("db.lock"), content).unwrap();
        assert_eq!(comparison(&path, true).await, Comparison::TwoScans, "{content:?}");
    }
}

/// SQLite does not know that both names are one file.
#[test]
fn a_second_name_of_an_open_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("ledger.db"), folder.path().join("other.db"));
    let (ledger, _) = open(&path);
    fs::hard_link(&path, &other).unwrap();
    assert!(open_error(&other).contains("is in use by another gateway"));
    drop(ledger);
    drop(open(&other));
}

/// An operator restores a backup and stops the gateway then.
#[tokio::test]
async fn a_file_that_was_replaced_while_it_was_open_is_not_recorded_as_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    assert_eq!(comparison(&path, true).await, Comparison::TwoScans);
    let backup = folder.path().join("backup.db");
    fs::copy(&path, &backup).unwrap();
    let (ledger, _) = open(&path);
    for suffix in ["", "-wal", "-shm"] {
        let file = path.with_extension(format!("db{suffix}"));
        fs::rename(&file, folder.path().join(format!("away{suffix}"))).unwrap();
    }
    fs::copy(&backup, &path).unwrap();
    drop(ledger);
    assert_eq!(comparison(&path, true).await, Comparison::TwoScans);
}

/// Another program reads the file, so SQLite keeps the last changes in the WAL.
#[tokio::test]
async fn a_file_with_a_wal_is_not_recorded_as_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    assert_eq!(comparison(&path, true).await, Comparison::TwoScans);
    let (ledger, _) = open(&path);
    let reader = Connection::open(&path).unwrap();
    let rows = "SELECT count(*) FROM about";
    assert_eq!(reader.query_row(rows, [], |row| row.get::<_, u32>(0)).unwrap(), 1);
    drop(ledger);
    assert!(path.with_extension("db-wal").exists());
    assert_eq!(comparison(&path, true).await, Comparison::OneScan);
}

/// A start that ends before the ledger is compared with AWS needs the same comparison again.
#[tokio::test]
async fn a_comparison_is_needed_until_it_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    for _ in 0..2 {
        let (ledger, _) = open(&path);
        assert_eq!(ledger.comparison().await.unwrap(), Comparison::TwoScans);
    }
    open(&path).0.set_comparison(Comparison::OneScan).await.unwrap();
    assert_eq!(comparison(&path, true).await, Comparison::OneScan);
}

#[tokio::test]
async fn a_new_installation_is_declared_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/ledger.db");
    SqliteLedger::create(&path).unwrap();
    let error = SqliteLedger::create(&path).unwrap_err();
    assert!(error.to_string().ends_with("exists already; `serve` uses it as it is"), "{error}");
    // One scan shows that the gateway has created nothing.
    assert_eq!(comparison(&path, true).await, Comparison::OneScan);
}

#[tokio::test]
async fn a_ledger_is_bound_again_only_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    assert!(matches!(SqliteLedger::rebind(&path), Err(OpenError::Missing(_))));
    SqliteLedger::create(&path).unwrap();
    let upstream = |endpoint: &str| Upstream {
        region: "us-east-1".to_owned(),
        account_id: None,
        endpoint: endpoint.to_owned(),
    };
    assert_eq!(open(&path).0.bind(upstream("a")).await.unwrap(), None);
    assert_eq!(open(&path).0.bind(upstream("b")).await.unwrap(), Some(upstream("a")));
    SqliteLedger::rebind(&path).unwrap();
    assert_eq!(open(&path).0.bind(upstream("b")).await.unwrap(), None);
    assert_eq!(comparison(&path, true).await, Comparison::TwoScans);
}

#[test]
fn a_link_has_the_lock_of_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let link = folder.path().join("link.db");
    symlink(&path, &link).unwrap();
    let _open = open(&path);
    let error = open_error(&link);
    assert!(error.contains("is in use by another gateway"), "{error}");
}
