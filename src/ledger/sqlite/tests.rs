use std::{cell::RefCell, fs, sync::Arc, time::Duration};

use super::{open::SCHEMA_VERSION, *};
use crate::ledger::{
    Resource, State,
    behaviour::{self, Reservations, resource},
};

const LEASES: Leases = Leases { reserved: Duration::from_mins(1), sending: Duration::from_mins(1) };

fn open(path: &Path) -> (SqliteLedger, Expired) {
    SqliteLedger::open(path, LEASES).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behaves_as_every_ledger_does() {
    let folder = tempfile::tempdir().unwrap();
    let count = RefCell::new(0);
    behaviour::suite(async || {
        *count.borrow_mut() += 1;
        open(&folder.path().join(format!("{}.db", count.borrow()))).0
    })
    .await;
}

/// Everything that was answered is there after a stop, and what a stop cut off is
/// rejected if it was never sent, and in doubt if it may have been.
#[tokio::test]
async fn a_stop_leaves_nothing_between_states() {
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
        ledger.apply(*row, Event::Send).await.unwrap();
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

#[tokio::test]
async fn an_arn_belongs_to_one_row() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(&folder.path().join("ledger.db"));
    let reservations = Reservations::default();
    let resource = Resource { arn: "arn:one".into(), participant_id: "p".into() };
    for expected in [true, false] {
        let reservation = reservations.make("acme", None, 10);
        let row = reservation.operation_id;
        ledger.reserve(reservation).await.unwrap();
        ledger.apply(row, Event::Send).await.unwrap();
        let applied = ledger.apply(row, Event::Created(resource.clone())).await;
        assert_eq!(applied.is_ok(), expected, "{applied:?}");
    }
}

#[test]
fn one_gateway_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let (ledger, _) = open(&path);
    let error = SqliteLedger::open(&path, LEASES).err().unwrap();
    assert!(matches!(error, OpenError::InUse(_)), "{error}");
    drop(ledger);
    open(&path);
}

#[test]
fn refuses_what_a_newer_gateway_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    drop(open(&path));
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
    drop(connection);
    let error = SqliteLedger::open(&path, LEASES).err().unwrap().to_string();
    assert!(error.contains("schema version 2") && error.contains("newer gateway"), "{error}");
}

#[test]
fn says_what_is_wrong_with_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a-file");
    fs::write(&file, "x").unwrap();
    let error = SqliteLedger::open(&file.join("ledger.db"), LEASES).err().unwrap().to_string();
    assert!(error.contains("ledger.url must name a file"), "{error}");
    let error = SqliteLedger::open(folder.path(), LEASES).err().unwrap().to_string();
    assert!(error.contains(folder.path().to_str().unwrap()), "{error}");
}

/// How SQLite carries out a statement, step by step.
fn plan(statement: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    drop(open(&path));
    let connection = Connection::open(&path).unwrap();
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
    let rows = statement.raw_query().mapped(|row| row.get(3));
    rows.map(Result::unwrap).collect()
}

/// The quota's question reads the tenant's own rows from an index and nothing else.
#[test]
fn the_quota_costs_what_the_tenant_has_and_no_more() {
    let plan = plan("SELECT count(*) FROM ingest_configurations WHERE tenant = 'a' AND state <= 5");
    assert!(plan[0].contains("COVERING INDEX tenants_own (tenant=?"), "{plan:?}");
}

/// A list walks the tenant's own rows in time order, and sorts nothing.
#[test]
fn a_list_costs_what_the_tenant_has_and_no_more() {
    let plan = plan(reading::LIST);
    assert_eq!(plan.len(), 1, "{plan:?}");
    assert!(plan[0].contains("USING INDEX tenants_own (tenant=? AND operation_id<?)"), "{plan:?}");
}

/// What runs beside the calls, on the writer's thread too, reads the rows that it is
/// about, and never all there are.
#[test]
fn settling_and_the_sweep_cost_what_they_find_and_no_more() {
    let by_key =
        "INDEX sqlite_autoindex_ingest_configurations_1 (operation_id>? AND operation_id<?)";
    for (statement, expected) in [
        (statements::TAKE_OVER, "INDEX unsettled (state=?)"),
        (reconciling::IN_DOUBT, "INDEX unsettled (state=? AND operation_id>?)"),
        (reconciling::ABANDONED_DELETES, "INDEX unsettled (state=?)"),
        (reconciling::PRUNE, "INDEX ended (updated_at_ms<?)"),
        (
            reconciling::LAST_LOOKED_AT,
            "INDEX sqlite_autoindex_ingest_configurations_1 (operation_id>?)",
        ),
        (reconciling::MISS_ONCE_MORE, by_key),
        (reconciling::MISSED_TWICE, by_key),
    ] {
        let plan = plan(statement);
        assert!(plan.iter().any(|step| step.ends_with(expected)), "{statement}: {plan:?}");
        let scans = |step: &&String| step.starts_with("SCAN ingest_configurations");
        assert_eq!(plan.iter().find(scans), None, "{statement}: {plan:?}");
        let sorts = |step: &&String| step.contains("TEMP B-TREE");
        assert_eq!(plan.iter().find(sorts), None, "{statement}: {plan:?}");
    }
}

/// Callers on many tasks share flushes: the writer answers them all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_everyone_who_waits() {
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
                ledger.apply(row, Event::Send).await.unwrap();
                ledger.apply(row, Event::Created(resource(row))).await.unwrap().state
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), State::Live);
    }
}
