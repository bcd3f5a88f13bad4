//! The doubt about a file, which the lock file beside it decides.

use std::{fs, os::unix::fs::symlink};

use super::{super::*, open, open_error};

/// Opens the ledger, and returns its doubt. Ends it as a crash does unless `closes`.
async fn doubt(path: &Path, closes: bool) -> Doubt {
    let (ledger, _) = open(path);
    let doubt = ledger.doubt().await.unwrap();
    ledger.set_doubt(Doubt::None).await.unwrap();
    if closes {
        drop(ledger);
    } else {
        crash(ledger);
    }
    doubt
}

/// Ends the ledger without the record that it was closed.
fn crash(mut ledger: SqliteLedger) {
    ledger.queues = None;
    let threads = ledger.threads.take().unwrap();
    threads.crash();
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
async fn a_file_that_was_closed_is_not_in_doubt_and_others_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let backup = folder.path().join("backup.db");
    assert_eq!(doubt(&path, true).await, Doubt::Lost, "new");
    assert_eq!(doubt(&path, true).await, Doubt::None, "closed");
    assert_eq!(doubt(&path, false).await, Doubt::None, "closed");
    assert_eq!(doubt(&path, false).await, Doubt::Unclean, "crashed");
    assert_eq!(doubt(&path, true).await, Doubt::Unclean, "crashed");

    copy(&path, &backup);
    assert_eq!(doubt(&path, true).await, Doubt::None, "copied elsewhere");
    assert_eq!(doubt(&backup, true).await, Doubt::Lost, "a copy");
    assert_eq!(doubt(&path, true).await, Doubt::None, "closed");
    copy(&backup, &path);
    assert_eq!(doubt(&path, true).await, Doubt::Lost, "restored");
    // In place: the file has its inode and the time of its creation.
    let content = fs::read(&backup).unwrap();
    fs::write(&path, content).unwrap();
    assert_eq!(doubt(&path, true).await, Doubt::Unclean, "restored in place");
    fs::remove_file(path.with_extension("db.lock")).unwrap();
    assert_eq!(doubt(&path, true).await, Doubt::Lost, "without its lock file");
    for content in ["", "ledger", "\u{0}\u{0}"] {
        fs::write(path.with_extension("db.lock"), content).unwrap();
        assert_eq!(doubt(&path, true).await, Doubt::Lost, "{content:?}");
    }
}

/// A start that ends before the ledger is compared with AWS leaves the doubt.
#[tokio::test]
async fn a_doubt_stays_until_it_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    for _ in 0..2 {
        let (ledger, _) = open(&path);
        assert_eq!(ledger.doubt().await.unwrap(), Doubt::Lost);
    }
    open(&path).0.set_doubt(Doubt::Unclean).await.unwrap();
    assert_eq!(doubt(&path, true).await, Doubt::Unclean);
}

#[tokio::test]
async fn a_new_installation_is_declared_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/ledger.db");
    SqliteLedger::create(&path).unwrap();
    let error = SqliteLedger::create(&path).unwrap_err();
    assert!(error.to_string().ends_with("exists already; `serve` uses it as it is"), "{error}");
    assert_eq!(doubt(&path, true).await, Doubt::None);
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
    assert_eq!(doubt(&path, true).await, Doubt::Lost);
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
