//! The query plan of each statement.

use rusqlite::Connection;

use super::super::{adopting, reading, reconciling, reserving, scanning, steps};

/// SQLite's plan of a statement, step by step.
fn plan(statement: &str) -> Vec<String> {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(include_str!("../schema.sql")).unwrap();
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
    let rows = statement.raw_query().mapped(|row| row.get(3));
    rows.map(Result::unwrap).collect()
}

/// The count for the quota reads only an index entry of each row of the tenant.
#[test]
fn the_quota_reads_only_the_rows_of_the_tenant() {
    let plan = plan(reserving::USED);
    assert!(plan[0].contains("COVERING INDEX tenants_own (tenant=?"), "{plan:?}");
}

/// A list reads the tenant's own rows in the order of an index, without sorting.
#[test]
fn a_list_reads_only_the_rows_of_the_tenant() {
    let plan = plan(reading::LIST);
    assert_eq!(plan.len(), 1, "{plan:?}");
    assert!(plan[0].contains("USING INDEX tenants_own (tenant=? AND operation_id<?)"), "{plan:?}");
}

/// The earlier row of a `request_id` is found by one index lookup.
#[test]
fn idempotency_costs_one_index_lookup() {
    let plan = plan(reserving::EARLIER);
    assert_eq!(plan.len(), 1, "{plan:?}");
    assert!(plan[0].contains("USING INDEX request_ids (tenant=? AND request_id=?)"), "{plan:?}");
}

/// The statements of resolution and of the scan also run on the writer's connection. They
/// read only the rows that they concern.
#[test]
fn resolution_and_the_scan_read_only_the_rows_that_they_concern() {
    let by_key =
        "INDEX sqlite_autoindex_ingest_configurations_1 (operation_id>? AND operation_id<?)";
    for (statement, expected) in [
        (steps::TAKE_OVER, "INDEX unsettled (state=?)"),
        (reconciling::IN_DOUBT, "INDEX unsettled (state=? AND operation_id>?)"),
        (reconciling::DELETES, "INDEX unsettled (state=?)"),
        (reconciling::PRUNE, "INDEX ended (updated_at_ms<?)"),
        (
            scanning::LAST_LOOKED_AT,
            "INDEX sqlite_autoindex_ingest_configurations_1 (operation_id>?)",
        ),
        (scanning::MISS_ONCE_MORE, by_key),
        (scanning::MISSING, by_key),
        (scanning::OBSERVE, "INDEX arns (arn=?)"),
        (adopting::OWNER, "INDEX arns (arn=?)"),
    ] {
        let plan = plan(statement);
        assert!(plan.iter().any(|step| step.ends_with(expected)), "{statement}: {plan:?}");
        let scans = |step: &&String| step.starts_with("SCAN ingest_configurations");
        assert_eq!(plan.iter().find(scans), None, "{statement}: {plan:?}");
        let sorts = |step: &&String| step.contains("TEMP B-TREE");
        assert_eq!(plan.iter().find(sorts), None, "{statement}: {plan:?}");
    }
}
