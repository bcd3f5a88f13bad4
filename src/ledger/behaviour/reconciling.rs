//! Expired leases, creates in doubt, and ended rows.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use super::{ACCOUNT, LEASES, Subject, TICK, acme, adoption, resource};
use crate::{
    ledger::{
        Comparison, Event, Expired, InDoubtCreate, Ledger, LedgerError, Reservation, Reserved,
        State, UnconfirmedRow, UnfinishedDelete, Upstream, Usage,
    },
    request::{Fingerprint, OperationId},
};

pub(super) async fn expired_creates_are_taken_over(subject: &Subject<impl Ledger>) {
    let Subject { ledger, time, .. } = subject;
    let rejected = subject.reserved("acme").await;
    let in_doubt = [subject.sending("acme").await, subject.sending("acme").await];
    subject.live("acme").await;
    time.pass(LEASES.sending);
    assert_eq!(ledger.expire().await.unwrap(), Expired::default());
    time.pass(LEASES.reserved);
    assert_eq!(ledger.expire().await.unwrap(), Expired { rejected: 1, in_doubt: 2 });
    assert_eq!(subject.all_in_doubt().await, in_doubt);
    let usage = ledger.usage(acme()).await.unwrap();
    assert_eq!(usage, Usage([(State::InDoubt, 2), (State::Live, 1)].into()));
    assert!(matches!(ledger.send(rejected).await, Err(LedgerError::Illegal(_))));
    assert_eq!(ledger.expire().await.unwrap(), Expired::default());
}

pub(super) async fn each_state_has_its_own_lease(subject: &Subject<impl Ledger>) {
    let Subject { ledger, time, .. } = subject;
    let row = subject.reserved("acme").await;
    time.pass(LEASES.reserved);
    assert_eq!(ledger.expire().await.unwrap(), Expired::default());
    subject.send(row).await;
    time.pass(LEASES.sending);
    assert_eq!(ledger.expire().await.unwrap(), Expired::default());
    subject.apply(row, Event::Throttled).await;
    time.pass(LEASES.reserved);
    assert_eq!(ledger.expire().await.unwrap(), Expired::default());
    subject.send(row).await;
    let sent_at = time.now();
    subject.apply(row, Event::Ambiguous).await;
    time.pass(LEASES.reserved);
    assert!(ledger.resend(row, row.to_string(), sent_at).await.unwrap().is_some());
    time.pass(LEASES.sending);
    assert_eq!(ledger.expire().await.unwrap(), Expired::default());
    time.pass(TICK);
    assert_eq!(ledger.expire().await.unwrap(), Expired { rejected: 0, in_doubt: 1 });
}

/// A create that waits in the queue survives it.
pub(super) async fn a_step_of_the_wall_clock_expires_no_lease(subject: &Subject<impl Ledger>) {
    let Subject { ledger, time, .. } = subject;
    let row = subject.reserved("acme").await;
    subject.sending("acme").await;
    let deleted = subject.live("acme").await;
    subject.apply(deleted, Event::Delete).await;
    time.step(Duration::from_hours(1));
    assert_eq!(ledger.expire().await.unwrap(), Expired::default());
    assert!(!ledger.unfinished_deletes().await.unwrap()[0].is_abandoned);
    subject.send(row).await;
}

pub(super) async fn deletes_without_an_outcome_are_found(subject: &Subject<impl Ledger>) {
    let Subject { ledger, time, .. } = subject;
    let operation_id = subject.live("acme").await;
    let sent_at = time.now();
    subject.live("acme").await;
    subject.apply(operation_id, Event::Delete).await;
    let delete = |is_abandoned| {
        let row = UnconfirmedRow { operation_id, arn: resource(operation_id).arn, sent_at };
        UnfinishedDelete { row, is_abandoned }
    };
    time.pass(LEASES.sending);
    assert_eq!(ledger.unfinished_deletes().await.unwrap(), [delete(false)]);
    time.pass(TICK);
    assert_eq!(ledger.unfinished_deletes().await.unwrap(), [delete(true)]);
    subject.apply(operation_id, Event::DeleteConfirmed).await;
    assert_eq!(ledger.unfinished_deletes().await.unwrap(), []);
}

pub(super) async fn creates_in_doubt_are_listed_in_order(subject: &Subject<impl Ledger>) {
    let Subject { ledger, reservations, time } = subject;
    let mut rows = Vec::new();
    for tenant in ["globex", "acme", "acme", "globex", "acme"] {
        rows.push(subject.in_doubt(tenant).await);
        subject.live(tenant).await;
    }
    let page = async |after, limit| -> Vec<OperationId> {
        let creates = ledger.in_doubt(after, limit).await.unwrap();
        creates.into_iter().map(|create| create.operation_id).collect()
    };
    assert_eq!(ledger.count_in_doubt().await.unwrap(), 5);
    assert_eq!(page(None, 2).await, rows[..2]);
    assert_eq!(page(Some(rows[1]), 2).await, rows[2..4]);
    assert_eq!(page(Some(rows[3]), 2).await, rows[4..]);
    assert_eq!(page(Some(rows[4]), 2).await, []);

    let Reservation { tenant, fields, .. } = reservations.make("globex", None, 1);
    let create = ledger.in_doubt(None, 1).await.unwrap().remove(0);
    let expected = InDoubtCreate {
        operation_id: rows[0],
        tenant,
        sent_at: time.now(),
        name: fields.name,
        stage_arn: fields.stage_arn,
        user_id: fields.user_id,
        ingest_protocol: fields.ingest_protocol,
    };
    assert_eq!(create, expected);
}

pub(super) async fn an_arn_has_the_row_that_owns_it(subject: &Subject<impl Ledger>) {
    let live = subject.live("acme").await;
    let deleted = subject.deleted("globex").await;
    let in_doubt = subject.in_doubt("acme").await;
    let arns = [live, deleted, in_doubt].map(|row| resource(row).arn);
    let owners = subject.ledger.owners(arns.to_vec()).await.unwrap();
    let [live_arn, deleted_arn, _] = arns;
    assert_eq!(owners, HashMap::from([(live_arn, live), (deleted_arn, deleted)]));
}

pub(super) async fn ended_rows_are_pruned(subject: &Subject<impl Ledger>) {
    let Subject { ledger, reservations, time } = subject;
    let kept = [subject.live("acme").await, subject.in_doubt("acme").await];
    let rejected = reservations.make("acme", Some("rejected"), 100);
    let rejected_row = rejected.operation_id;
    assert_eq!(ledger.reserve(rejected).await.unwrap(), Reserved::New);
    subject.apply(rejected_row, Event::Cancel).await;
    let reservation = reservations.make("acme", Some("r"), 100);
    let deleted = reservation.operation_id;
    ledger.adopt(adoption(reservation)).await.unwrap();
    subject.apply(deleted, Event::Vanished).await;
    let prune = async |before| {
        let mut count = 0;
        loop {
            match ledger.prune(before).await.unwrap() {
                0 => return count,
                pruned => count += pruned,
            }
        }
    };
    assert_eq!(prune(time.now()).await, 0);
    assert_eq!(subject.found(deleted).await.unwrap().row_state, State::Deleted);
    assert_eq!(prune(time.now() + TICK).await, 2);
    assert_eq!(subject.found(deleted).await, None);
    for row in [rejected_row, deleted] {
        let forgotten = ledger.apply(row, Event::Cancel).await;
        assert!(matches!(forgotten, Err(LedgerError::NoSuchRow(_))), "{forgotten:?}");
    }
    // A `request_id` is free after its row was pruned.
    let other = reservations.make("acme", Some("r"), 100);
    let other = Reservation { fingerprint: Fingerprint::from([8; 16]), ..other };
    assert_eq!(ledger.reserve(other).await.unwrap(), Reserved::New);
    assert_eq!(subject.used("acme").await, 3);
    let owners = ledger.owners(kept.map(|row| resource(row).arn).to_vec()).await.unwrap();
    assert_eq!(owners.into_values().collect::<BTreeSet<_>>(), BTreeSet::from([kept[0]]));
}

pub(super) async fn a_new_ledger_needs_a_comparison_until_that_has_ended(
    subject: &Subject<impl Ledger>,
) {
    let Subject { ledger, .. } = subject;
    assert_eq!(ledger.comparison().await.unwrap(), Comparison::TwoScans);
    // Rows alone prove nothing: an interrupted rebuild leaves rows too.
    subject.live("acme").await;
    assert_eq!(ledger.comparison().await.unwrap(), Comparison::TwoScans);
    for comparison in
        [Comparison::NotNeeded, Comparison::OneScan, Comparison::TwoScans, Comparison::NotNeeded]
    {
        ledger.set_comparison(comparison).await.unwrap();
        assert_eq!(ledger.comparison().await.unwrap(), comparison);
    }
}

pub(super) async fn a_ledger_is_bound_to_one_upstream(subject: &Subject<impl Ledger>) {
    let Subject { ledger, .. } = subject;
    let upstream = |region: &str, account_id: Option<&str>, endpoint: &str| Upstream {
        region: region.to_owned(),
        account_id: account_id.map(str::to_owned),
        endpoint: endpoint.to_owned(),
    };
    let unknown_account = upstream("us-east-1", None, "https://a");
    let bound = upstream("us-east-1", Some("1"), "https://a");
    for same in [&unknown_account, &bound, &unknown_account] {
        assert_eq!(ledger.bind(same.clone()).await.unwrap(), None);
    }
    for other in [
        upstream("us-west-2", Some("1"), "https://a"),
        upstream("us-east-1", Some("2"), "https://a"),
        upstream("us-east-1", Some("1"), "https://b"),
    ] {
        assert_eq!(ledger.bind(other).await.unwrap(), Some(bound.clone()));
    }
    assert_eq!(ledger.bind(bound).await.unwrap(), None);
}

pub(super) async fn a_ledger_is_bound_to_the_account_of_its_configurations(
    subject: &Subject<impl Ledger>,
) {
    let Subject { ledger, .. } = subject;
    let listed = async |account_id: &str| ledger.bind_account(account_id.to_owned()).await.unwrap();
    subject.live("acme").await;
    // The account of the ARN.
    assert_eq!(listed("999999999999").await.as_deref(), Some(ACCOUNT));
    assert_eq!(listed(ACCOUNT).await, None);
    assert_eq!(listed("999999999999").await.as_deref(), Some(ACCOUNT));
}

pub(super) async fn a_ledger_without_rows_is_bound_to_the_account_that_aws_lists(
    subject: &Subject<impl Ledger>,
) {
    let Subject { ledger, .. } = subject;
    let listed = async |account_id: &str| ledger.bind_account(account_id.to_owned()).await.unwrap();
    assert_eq!(listed("1").await, None);
    assert_eq!(listed("2").await.as_deref(), Some("1"));
}

pub(super) async fn live_rows_are_counted(subject: &Subject<impl Ledger>) {
    let ledger = &subject.ledger;
    subject.in_doubt("acme").await;
    subject.deleted("acme").await;
    assert_eq!(ledger.count_live().await.unwrap(), 0);
    assert_eq!(ledger.live_arn().await.unwrap(), None);
    subject.live("acme").await;
    let live_arn = ledger.live_arn().await.unwrap();
    let owners = ledger.owners(live_arn.into_iter().collect()).await.unwrap();
    assert_eq!(owners.len(), 1);
    subject.live("globex").await;
    assert_eq!(ledger.count_live().await.unwrap(), 2);
}
