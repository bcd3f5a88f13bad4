//! The statements that decide about many rows agree with the pure functions.

use proptest::{
    collection::vec,
    prelude::{ProptestConfig, Strategy, any, prop_assert_eq, proptest},
    sample::select,
};
use rusqlite::{Connection, params};
use ulid::Ulid;

use super::super::{
    columns::{from_unix_ms, operation_id},
    reading, reconciling, reserving, scanning, steps,
};
use crate::{
    ledger::{
        Event, Observation, State,
        decide::{self, AfterScan, Scanned},
    },
    request::IngestConfigurationState,
    tenancy::TenantId,
};

/// The columns that decisions read. Times come from a small range, so that they are often
/// equal.
#[derive(Debug, Clone)]
struct Columns {
    state: State,
    lease_until: i64,
    updated_at: i64,
    observed_at: Option<i64>,
    missed: u32,
}

const NOW: i64 = 3;

fn columns() -> impl Strategy<Value = Columns> {
    let time = || 0..6_i64;
    let observed_at = proptest::option::of(time());
    let columns = (select(&State::ALL[..]), time(), time(), observed_at, 0..4_u32);
    columns.prop_map(|(state, lease_until, updated_at, observed_at, missed)| Columns {
        state,
        lease_until,
        updated_at,
        observed_at,
        missed,
    })
}

fn key(index: usize) -> [u8; 16] {
    Ulid::from_parts(1, index as u128).to_bytes()
}

fn index_of(id: [u8; 16]) -> usize {
    usize::try_from(Ulid::from_bytes(id).random()).unwrap()
}

fn arn(index: usize) -> String {
    format!("arn:{index}")
}

/// A ledger of these rows, each of which has an ARN.
fn ledger(rows: &[Columns]) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(include_str!("../schema.sql")).unwrap();
    for (index, row) in rows.iter().enumerate() {
        connection
            .execute(
                "INSERT INTO ingest_configurations (operation_id, tenant, request_id, fingerprint,
                   state, lease_until_ms, arn, name, stage_arn, user_id, attributes,
                   ingest_protocol, redundant_ingest, tags, observed_at_ms, missed,
                   created_at_ms, updated_at_ms)
                 VALUES (?1, 'acme', ?2, ?1, ?3, ?4, ?2, '', '', '', '{}', 'RTMPS', 0, '{}', ?5,
                   ?6, 0, ?7)",
                params![
                    key(index),
                    arn(index),
                    row.state as u8,
                    row.lease_until,
                    row.observed_at,
                    row.missed,
                    row.updated_at
                ],
            )
            .unwrap();
    }
    connection
}

/// One column of every row, in order.
fn column<T: rusqlite::types::FromSql>(connection: &Connection, name: &str) -> Vec<T> {
    let select = format!("SELECT {name} FROM ingest_configurations ORDER BY operation_id");
    let mut statement = connection.prepare(&select).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn takeovers(rows in vec(columns(), 0..20)) {
        let connection = ledger(&rows);
        let expired = steps::expire(&connection, NOW, NOW).unwrap();
        let events: Vec<Option<Event>> =
            rows.iter().map(|row| decide::take_over(row.state, row.lease_until, NOW)).collect();
        let expected: Vec<u8> = rows
            .iter()
            .zip(&events)
            .map(|(row, event)| match event {
                Some(event) => row.state.after(event).unwrap().state as u8,
                None => row.state as u8,
            })
            .collect();
        prop_assert_eq!(column::<u8>(&connection, "state"), expected);
        let count = |event| events.iter().flatten().filter(|it| **it == event).count();
        prop_assert_eq!(expired.rejected, count(Event::Cancel));
        prop_assert_eq!(expired.in_doubt, count(Event::Ambiguous));
    }

    #[test]
    fn abandoned_deletes(rows in vec(columns(), 0..20)) {
        let connection = ledger(&rows);
        let found = reconciling::deletes(&connection, NOW).unwrap();
        let found = found.into_iter().filter(|delete| delete.is_abandoned);
        let found: Vec<_> = found.map(|delete| delete.row.arn).collect();
        let is_abandoned =
            |row: &Columns| decide::is_abandoned_delete(row.state, row.lease_until, NOW);
        let expected = rows.iter().enumerate().filter(|(_, row)| is_abandoned(row));
        prop_assert_eq!(found, expected.map(|(index, _)| arn(index)).collect::<Vec<_>>());
    }

    #[test]
    fn ends_of_scans(rows in vec(columns(), 1..20)) {
        let connection = ledger(&rows);
        let (missing, _) = scanning::finish(&connection, NOW, None).unwrap();
        let missing: Vec<_> =
            missing.into_iter().map(|row| index_of(row.operation_id.ulid().to_bytes())).collect();
        let after = rows.iter().map(|row| {
            let Columns { state, updated_at, observed_at, missed, .. } = *row;
            decide::finish_scan(&Scanned { state, updated_at, observed_at, missed_scans: missed }, NOW)
        });
        let (mut counts, mut expected) = (Vec::new(), Vec::new());
        for (index, AfterScan { missed_scans, is_missing }) in after.enumerate() {
            counts.push(missed_scans);
            expected.extend(is_missing.then_some(index));
        }
        prop_assert_eq!(column::<u32>(&connection, "missed"), counts);
        prop_assert_eq!(missing, expected);
    }

    #[test]
    fn observations(row in columns(), at in 0..6_i64, is_active in any::<bool>()) {
        let state = if is_active {
            IngestConfigurationState::Active
        } else {
            IngestConfigurationState::Inactive
        };
        let connection = ledger(std::slice::from_ref(&row));
        let stage_arn = Some("stage".to_owned());
        let at_time = from_unix_ms(at);
        let seen = Observation { arn: arn(0), state, stage_arn, redundant_ingest: true, at: at_time };
        let contradicts = decide::contradicts_end(row.state, row.updated_at, at);
        let expected: Vec<String> = contradicts.then(|| arn(0)).into_iter().collect();
        prop_assert_eq!(scanning::observe(&connection, vec![seen]).unwrap(), expected);
        let is_latest = decide::is_latest(row.observed_at, at);
        let expected = is_latest.then(|| state.as_str().to_owned());
        prop_assert_eq!(column::<Option<String>>(&connection, "observed_state"), [expected]);
        let stage_arn = if is_latest { "stage" } else { "" };
        prop_assert_eq!(column::<String>(&connection, "stage_arn"), [stage_arn]);
        prop_assert_eq!(column::<bool>(&connection, "redundant_ingest"), [is_latest]);
        let observed_at = row.observed_at.map_or(at, |before| before.max(at));
        prop_assert_eq!(column::<Option<i64>>(&connection, "observed_at_ms"), [Some(observed_at)]);
        prop_assert_eq!(column::<u32>(&connection, "missed"), [0]);
    }

    #[test]
    fn quota_and_request_ids(rows in vec(columns(), 0..20)) {
        let connection = ledger(&rows);
        let counts = |row: &&Columns| row.state.counts_against_quota();
        let used: u32 =
            connection.query_row(reserving::USED, ["acme"], |row| row.get(0)).unwrap();
        prop_assert_eq!(used as usize, rows.iter().filter(counts).count());
        let usage = reading::usage(&connection, &TenantId::parse("acme").unwrap()).unwrap();
        prop_assert_eq!(usage.total(), used);
        for (index, row) in rows.iter().enumerate() {
            let mut statement = connection.prepare(reserving::EARLIER).unwrap();
            let mut holders = statement.query(params!["acme", arn(index)]).unwrap();
            let holder = holders.next().unwrap().map(|row| operation_id(row, 0).unwrap());
            prop_assert_eq!(holder.is_some(), decide::holds_request_id(row.state));
        }
    }
}
