use super::*;

fn request(id: &str) -> RequestKey {
    ("acme".to_owned(), id.to_owned())
}

fn configuration(arn: &str, id: &str) -> Configuration {
    Configuration { arn: arn.to_owned(), stream_key: format!("key-{arn}"), request: request(id) }
}

fn row(arn: Option<&str>, id: &str, uses_quota: bool) -> Row {
    let state = if uses_quota { "live" } else { "rejected" };
    Row { request: request(id), arn: arn.map(str::to_owned), state: state.to_owned() }
}

fn received(arn: &str) -> Received {
    Received { request: request("1"), arn: arn.to_owned(), stream_key: format!("key-{arn}") }
}

const NOTHING: FinalState<'_> =
    FinalState { configurations: &[], rows: &[], received: &[], rejected: &[] };

fn broken(end: FinalState<'_>) -> Vec<Invariant> {
    end.violations().into_iter().map(|violation| violation.invariant).collect()
}

#[test]
fn an_end_in_which_all_agree_breaks_nothing() {
    let end = FinalState {
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
    let end = FinalState {
        configurations: &[configuration("one", "1"), configuration("two", "1")],
        rows: &[row(Some("one"), "1", true), row(Some("two"), "1", true)],
        ..NOTHING
    };
    assert_eq!(broken(end), [Invariant::OneConfiguration]);
}

#[test]
fn a_rejected_create_that_exists_is_found() {
    let end = FinalState {
        configurations: &[configuration("one", "1")],
        rows: &[row(Some("one"), "1", true)],
        rejected: &[request("1")],
        ..NOTHING
    };
    assert_eq!(broken(end), [Invariant::ErrorsAreTrue]);
}

#[test]
fn a_received_configuration_must_exist_with_its_key() {
    let (mut other_key, mut other_request) = (received("one"), received("one"));
    other_key.stream_key.push('x');
    other_request.request = request("2");
    for received in [received("two"), other_key, other_request] {
        let end = FinalState {
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
        &[Row { request: ("globex".into(), "1".into()), ..row(Some("one"), "1", true) }],
        &[row(Some("one"), "1", true), row(None, "2", true)],
        &[row(Some("one"), "1", true), row(Some("one"), "1", true)],
    ];
    for rows in rows {
        let broken = broken(FinalState { configurations, rows, ..NOTHING });
        assert!(!broken.is_empty(), "{rows:?}");
        assert!(broken.iter().all(|it| *it == Invariant::QuotaIsTrue), "{broken:?}");
    }
}

#[test]
fn a_row_in_doubt_is_found() {
    for state in ["reserved", "sending", "in_doubt", "deleting"] {
        let row = Row { state: state.to_owned(), ..row(Some("one"), "1", true) };
        let configurations = &[configuration("one", "1")];
        let end = FinalState { configurations, rows: &[row], ..NOTHING };
        assert_eq!(broken(end), [Invariant::Liveness], "{state}");
    }
}
