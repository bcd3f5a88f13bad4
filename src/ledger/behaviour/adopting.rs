//! The configurations that a scan finds without a row.

use super::{Subject, TICK, adoption, observation, resource};
use crate::ledger::{
    Adopted, Adoption, Event, Ledger, LedgerError, Observation, Reservation, Reserved, Resource,
    State,
};

pub(super) async fn a_configuration_without_a_row_gets_one(subject: &Subject<impl Ledger>) {
    let Subject { ledger, reservations, time } = subject;
    let reservation = reservations.make("acme", Some("r"), 1);
    let operation_id = reservation.operation_id;
    // A configuration that exists is counted, and adopting it again changes nothing.
    for expected in [INSERTED, LIVE] {
        let adopted = ledger.adopt(adoption(reservation.clone())).await.unwrap();
        assert_eq!(adopted, expected);
        assert_eq!(subject.used("acme").await, 1);
    }
    let row = subject.found(operation_id).await.unwrap();
    assert_eq!((row.operation_id, row.row_state), (operation_id, State::Live));
    assert_eq!(row.fields, reservation.fields);
    assert_eq!(row.participant_id, resource(operation_id).participant_id);
    assert_eq!(row.observed_at, time.now());
    let retry = ledger.reserve(reservations.make("acme", Some("r"), 1)).await.unwrap();
    assert_eq!(retry, Reserved::Replay { operation_id, arn: row.arn });
}

pub(super) async fn the_row_of_a_create_gets_its_configuration(subject: &Subject<impl Ledger>) {
    let Subject { ledger, reservations, .. } = subject;
    for (end, live) in [(Event::Ambiguous, LIVE), (Event::NotExecuted, AGAIN)] {
        let reservation = reservations.make("acme", None, 100);
        let row = reservation.operation_id;
        assert_eq!(ledger.reserve(reservation.clone()).await.unwrap(), Reserved::New);
        subject.send(row).await;
        subject.apply(row, end).await;
        assert_eq!(ledger.adopt(adoption(reservation)).await.unwrap(), live);
        assert_eq!(subject.found(row).await.unwrap().row_state, State::Live);
    }
    assert_eq!(subject.used("acme").await, 2);
    assert_eq!(subject.all_in_doubt().await, []);
}

/// The response that AWS does not have the configuration was wrong.
pub(super) async fn a_deleted_configuration_that_aws_lists_is_live_again(
    subject: &Subject<impl Ledger>,
) {
    let Subject { ledger, reservations, time } = subject;
    let reservation = reservations.make("acme", None, 1);
    let row = reservation.operation_id;
    assert_eq!(ledger.adopt(adoption(reservation.clone())).await.unwrap(), INSERTED);
    subject.apply(row, Event::Vanished).await;
    let ended_at = time.now();
    // A list that began before the end proves nothing.
    assert!(ledger.observe(vec![observation(row, ended_at)]).await.unwrap().is_empty());
    let listed = ledger.observe(vec![observation(row, ended_at + TICK)]).await.unwrap();
    assert_eq!(listed, [resource(row).arn]);
    assert_eq!(ledger.adopt(adoption(reservation)).await.unwrap(), AGAIN);
    assert_eq!(subject.found(row).await.unwrap().row_state, State::Live);
    assert_eq!(subject.used("acme").await, 1);
}

pub(super) async fn a_create_under_way_records_its_own_configuration(
    subject: &Subject<impl Ledger>,
) {
    let Subject { ledger, reservations, .. } = subject;
    let reservation = reservations.make("acme", None, 1);
    let row = reservation.operation_id;
    assert_eq!(ledger.reserve(reservation.clone()).await.unwrap(), Reserved::New);
    let under_way = Adopted::UnderWay;
    assert_eq!(ledger.adopt(adoption(reservation.clone())).await.unwrap(), under_way);
    subject.send(row).await;
    assert_eq!(ledger.adopt(adoption(reservation.clone())).await.unwrap(), under_way);
    assert_eq!(subject.found(row).await, None);
    subject.apply(row, Event::Created(resource(row))).await;
    // A running or finished delete is not undone.
    subject.apply(row, Event::Delete).await;
    assert_eq!(ledger.adopt(adoption(reservation)).await.unwrap(), under_way);
    assert_eq!(subject.found(row).await.unwrap().row_state, State::Deleting);
}

/// A caller may hold the key of each of them, unless the response of one is recorded.
pub(super) async fn a_second_configuration_of_a_create_has_its_own_row(
    subject: &Subject<impl Ledger>,
) {
    let Subject { ledger, reservations, time } = subject;
    let reservation = reservations.make("acme", Some("r"), 1);
    let row = reservation.operation_id;
    assert_eq!(ledger.adopt(adoption(reservation.clone())).await.unwrap(), INSERTED);
    let second = second_of(&reservation);
    assert_eq!(ledger.adopt(second.clone()).await.unwrap(), DISPLACED);
    assert_eq!(ledger.adopt(second.clone()).await.unwrap(), LIVE);
    assert_eq!(subject.used("acme").await, 2);
    let owners = ledger.owners(vec!["second".into()]).await.unwrap();
    assert_eq!(owners["second"], second.new_id);
    let replayed = ledger.reserve(reservations.make("acme", Some("r"), 1)).await.unwrap();
    assert_eq!(replayed, Reserved::Replay { operation_id: row, arn: resource(row).arn });
    // Its row ends and lives again like any other.
    subject.apply(second.new_id, Event::Vanished).await;
    let seen = Observation { arn: "second".into(), ..observation(row, time.now() + TICK) };
    assert_eq!(ledger.observe(vec![seen]).await.unwrap(), ["second"]);
    assert_eq!(ledger.adopt(second).await.unwrap(), AGAIN);
    assert_eq!(subject.used("acme").await, 2);
}

pub(super) async fn a_duplicate_without_a_returned_key_gets_no_row(subject: &Subject<impl Ledger>) {
    let Subject { ledger, reservations, .. } = subject;
    let reservation = reservations.make("acme", None, 9);
    let row = reservation.operation_id;
    assert_eq!(ledger.reserve(reservation.clone()).await.unwrap(), Reserved::New);
    subject.send(row).await;
    subject.apply(row, Event::Created(resource(row))).await;
    let second = second_of(&reservation);
    let duplicate = Adopted::Duplicate { kept: resource(row).arn };
    assert_eq!(ledger.adopt(second.clone()).await.unwrap(), duplicate);
    // Also after the first one was deleted.
    subject.apply(row, Event::Vanished).await;
    assert_eq!(ledger.adopt(second.clone()).await.unwrap(), duplicate);
    assert_eq!(ledger.owners(vec!["second".into()]).await.unwrap(), [].into());
    // A ledger that may be an older copy does not know which keys were returned.
    let incomplete = Adoption { ledger_is_complete: false, ..second };
    assert_eq!(ledger.adopt(incomplete).await.unwrap(), DISPLACED);

    // A configuration that was found is not one whose key was returned.
    let found = reservations.make("acme", None, 9);
    let row = found.operation_id;
    assert_eq!(ledger.reserve(found.clone()).await.unwrap(), Reserved::New);
    subject.send(row).await;
    subject.apply(row, Event::Ambiguous).await;
    subject.apply(row, Event::Found(resource(row))).await;
    let resource = Resource { arn: "third".into(), participant_id: None };
    let third = Adoption { resource, ..second_of(&found) };
    assert_eq!(ledger.adopt(third).await.unwrap(), DISPLACED);
}

pub(super) async fn a_request_id_of_another_create_displaces(subject: &Subject<impl Ledger>) {
    let Subject { ledger, reservations, .. } = subject;
    let rejected = reservations.make("acme", Some("r"), 100);
    assert_eq!(ledger.reserve(rejected.clone()).await.unwrap(), Reserved::New);
    subject.apply(rejected.operation_id, Event::Cancel).await;
    let holder = reservations.make("acme", Some("r"), 100);
    assert_eq!(ledger.reserve(holder.clone()).await.unwrap(), Reserved::New);
    let lost = reservations.make("acme", Some("r"), 100);
    assert_eq!(ledger.adopt(adoption(lost.clone())).await.unwrap(), DISPLACED);
    let row = rejected.operation_id;
    assert_eq!(ledger.adopt(adoption(rejected)).await.unwrap(), AGAIN);
    for row in [lost.operation_id, row] {
        assert_eq!(subject.found(row).await.unwrap().row_state, State::Live);
    }
    assert_eq!(subject.used("acme").await, 3);
    let replayed = ledger.reserve(reservations.make("acme", Some("r"), 100)).await.unwrap();
    assert_eq!(replayed, Reserved::InProgress { operation_id: holder.operation_id });
    // The same `request_id` of another tenant is another one.
    let others = reservations.make("globex", Some("r"), 100);
    assert_eq!(ledger.adopt(adoption(others)).await.unwrap(), INSERTED);
}

/// The ledger is an older copy: the create in doubt was given up since, and its caller has
/// created the configuration with another one.
pub(super) async fn a_configuration_takes_its_request_id_from_a_create_in_doubt(
    subject: &Subject<impl Ledger>,
) {
    let Subject { ledger, reservations, .. } = subject;
    let in_doubt = reservations.make("acme", Some("r"), 100);
    let row = in_doubt.operation_id;
    assert_eq!(ledger.reserve(in_doubt.clone()).await.unwrap(), Reserved::New);
    subject.send(row).await;
    subject.apply(row, Event::Ambiguous).await;
    let later = reservations.make("acme", Some("r"), 100);
    let operation_id = later.operation_id;
    assert_eq!(ledger.adopt(adoption(later.clone())).await.unwrap(), INSERTED);
    let arn = resource(operation_id).arn;
    let replay = Reserved::Replay { operation_id, arn };
    let again = reservations.make("acme", Some("r"), 100);
    assert_eq!(ledger.reserve(again.clone()).await.unwrap(), replay);
    assert_eq!(subject.all_in_doubt().await, [row]);
    // A call may have waited for the permit to send it again.
    let sent_at = ledger.in_doubt(None, 1).await.unwrap()[0].sent_at;
    assert_eq!(ledger.resend(row, "r".into(), sent_at).await.unwrap(), None);
    // If it was executed after all, it has a row of its own.
    assert_eq!(ledger.adopt(adoption(in_doubt)).await.unwrap(), LIVE);
    assert_eq!(ledger.reserve(again).await.unwrap(), replay);
    assert_eq!(subject.used("acme").await, 2);
}

pub(super) async fn an_arn_has_one_row(subject: &Subject<impl Ledger>) {
    let Subject { ledger, reservations, .. } = subject;
    let owner = subject.live("acme").await;
    let of_owner =
        |reservation: Reservation| Adoption { resource: resource(owner), ..adoption(reservation) };
    let unknown = reservations.make("acme", None, 100);
    assert_eq!(ledger.adopt(of_owner(unknown)).await.unwrap(), LIVE);
    let in_doubt = reservations.make("acme", None, 100);
    let row = in_doubt.operation_id;
    assert_eq!(ledger.reserve(in_doubt.clone()).await.unwrap(), Reserved::New);
    subject.send(row).await;
    let created = ledger.apply(row, Event::Created(resource(owner))).await;
    assert!(matches!(created, Err(LedgerError::Conflict)), "{created:?}");
    subject.apply(row, Event::Ambiguous).await;
    assert_eq!(ledger.adopt(of_owner(in_doubt)).await.unwrap(), LIVE);
    assert_eq!(subject.all_in_doubt().await, [row]);
    assert_eq!(subject.used("acme").await, 2);
}

const LIVE: Adopted = Adopted::Live { had_ended: false };
const AGAIN: Adopted = Adopted::Live { had_ended: true };
const INSERTED: Adopted = Adopted::Inserted { has_new_request_id: false };
const DISPLACED: Adopted = Adopted::Inserted { has_new_request_id: true };

/// A second configuration of the create.
fn second_of(reservation: &Reservation) -> Adoption {
    let resource = Resource { arn: "second".into(), participant_id: None };
    Adoption { resource, ..adoption(reservation.clone()) }
}
