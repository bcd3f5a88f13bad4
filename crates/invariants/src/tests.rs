use super::*;

fn request(id: &str) -> RequestKey {
    ("acme".to_owned(), id.to_owned())
}

fn configuration(arn: &str, id: &str) -> Configuration {
    Configuration { arn: arn.to_owned(), stream_key: format!("key-{arn}"), request: request(id) }
}

fn row(arn: Option<&str>, id: &str, uses_quota: bool) -> Row {
    Row {
        request: request(id),
        arn: arn.map(str::to_owned),
        state: String::new(),
        uses_quota,
        is_resolved: true,
    }
}

fn received(arn: &str) -> Received {
    Received { arn: arn.to_owned(), stream_key: format!("key-{arn}") }
}

const NOTHING: End<'_> = End { configurations: &[], rows: &[], received: &[], rejected: &[] };

fn broken(end: End<'_>) -> Vec<Invariant> {
    end.violations().into_iter().map(|violation| violation.invariant).collect()
}

#[test]
fn an_end_in_which_all_agree_breaks_nothing() {
    let end = End {
        configurations: &[configuration("one", "1"), configuration("two", "2")],
        rows: &[row(Some("one"), "1", true), row(Some("two"), "2", true), row(None, "3", false)],
        received: &[received("one")],
        rejected: &[request("3")],
    };
    assert_eq!(broken(end), []);
    assert_eq!(broken(NOTHING), []);
}

#[test]
fn two_configurations_of_a_request_are_found() {
    let end = End {
        configurations: &[configuration("one", "1"), configuration("two", "1")],
        rows: &[row(Some("one"), "1", true), row(Some("two"), "1", true)],
        ..NOTHING
    };
    assert_eq!(broken(end), [Invariant::OneConfiguration]);
}

#[test]
fn a_rejected_create_that_exists_is_found() {
    let end = End {
        configurations: &[configuration("one", "1")],
        rows: &[row(Some("one"), "1", true)],
        rejected: &[request("1")],
        ..NOTHING
    };
    assert_eq!(broken(end), [Invariant::ErrorsAreTrue]);
}

#[test]
fn a_received_configuration_must_exist_with_its_key() {
    let mut other_key = received("one");
    other_key.stream_key.push('x');
    for received in [received("two"), other_key] {
        let end = End {
            configurations: &[configuration("one", "1")],
            rows: &[row(Some("one"), "1", true)],
            received: &[received],
            ..NOTHING
        };
        assert_eq!(broken(end), [Invariant::KeyStaysValid]);
    }
}

#[test]
fn rows_that_use_quota_are_the_configurations_at_aws() {
    let configurations = &[configuration("one", "1")];
    let rows: [&[Row]; 5] = [
        &[],
        &[row(Some("one"), "1", false)],
        &[row(Some("one"), "2", true)],
        &[row(Some("one"), "1", true), row(None, "2", true)],
        &[row(Some("one"), "1", true), row(Some("one"), "1", true)],
    ];
    for rows in rows {
        let broken = broken(End { configurations, rows, ..NOTHING });
        assert!(!broken.is_empty(), "{rows:?}");
        assert!(broken.iter().all(|it| *it == Invariant::QuotaIsTrue), "{broken:?}");
    }
}

#[test]
fn a_row_in_doubt_is_found() {
    let mut in_doubt = row(None, "1", false);
    in_doubt.is_resolved = false;
    assert_eq!(broken(End { rows: &[in_doubt], ..NOTHING }), [Invariant::Liveness]);
}
