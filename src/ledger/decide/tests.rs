use super::*;

#[test]
fn a_request_id_belongs_to_every_create_but_a_rejected_one() {
    for state in State::ALL {
        assert_eq!(earlier(state, &1, &2), holds_request_id(state).then_some(Earlier::Mismatch));
        let expected = match state {
            State::Reserved | State::Sending => Some(Earlier::InProgress),
            State::InDoubt => Some(Earlier::InDoubt),
            State::Live | State::Deleting => Some(Earlier::Replay),
            State::Deleted => Some(Earlier::Deleted),
            State::Rejected => None,
        };
        assert_eq!(earlier(state, &1, &1), expected);
    }
}

/// A retry must find each create that counts against the quota.
#[test]
fn a_row_that_counts_against_the_quota_holds_its_request_id() {
    for state in State::ALL {
        assert!(!state.counts_against_quota() || holds_request_id(state), "{state}");
    }
}

#[test]
fn the_quota_admits_up_to_its_limit() {
    assert!(has_room(1, 2) && !has_room(2, 2) && !has_room(3, 2) && !has_room(0, 0));
}

#[test]
fn a_step_begins_the_lease_of_the_state_it_leads_to() {
    let change = |state, event: Step<'_>| step(state, false, event).unwrap().1;
    let sent = change(State::Reserved, Step::Send).unwrap();
    assert_eq!((sent.is_sending, sent.lease), (true, Some(Lease::Sending)));
    let resent = change(State::InDoubt, Step::Resend).unwrap();
    assert_eq!((resent.is_sending, resent.lease), (true, Some(Lease::Sending)));
    let throttled = change(State::Sending, Step::Event(&Event::Throttled)).unwrap();
    assert_eq!((throttled.is_sending, throttled.lease), (false, Some(Lease::Reserved)));
    let deleting = change(State::Live, Step::Event(&Event::Delete)).unwrap();
    assert_eq!((deleting.is_sending, deleting.lease), (false, Some(Lease::Sending)));
    let in_doubt = change(State::Sending, Step::Event(&Event::Ambiguous)).unwrap();
    assert_eq!((in_doubt.is_sending, in_doubt.lease), (false, None));
    let resource = crate::ledger::Resource { arn: String::new(), participant_id: None };
    let created = change(State::Sending, Step::Event(&Event::Created(resource.clone()))).unwrap();
    let found = change(State::InDoubt, Step::Event(&Event::Found(resource))).unwrap();
    assert!(created.records_response && !found.records_response && !sent.records_response);
    assert_eq!(change(State::Sending, Step::Send), None);
}

/// An earlier sending may have been executed, whatever AWS says about the last one.
#[test]
fn a_create_that_was_resent_stays_in_doubt() {
    for event in [Event::NotExecuted, Event::Throttled, Event::Ambiguous] {
        let (transition, change) = step(State::Sending, true, &event).unwrap();
        assert_eq!(transition, Transition { state: State::InDoubt, changed: true });
        assert_eq!(change.map(|change| change.state), Some(State::InDoubt));
    }
    let resent = step(State::InDoubt, false, Step::Resend).unwrap().1.unwrap();
    assert!(resent.is_resend);
    assert!(!step(State::Reserved, false, Step::Send).unwrap().1.unwrap().is_resend);
}

#[test]
fn a_lease_is_as_long_as_configured_and_never_overflows() {
    let (reserved, sending) = (Duration::from_secs(1), Duration::from_secs(2));
    let leases = Leases { reserved, sending };
    let now = SystemTime::UNIX_EPOCH;
    assert_eq!(lease_until(Lease::Reserved, &leases, now), now + reserved);
    assert_eq!(lease_until(Lease::Sending, &leases, now), now + sending);
    let endless = Leases { reserved: Duration::MAX, sending };
    assert!(lease_until(Lease::Reserved, &endless, now) > now + Duration::from_hours(1));
}

#[test]
fn every_conflict_of_a_configuration_with_the_rows_is_decided() {
    let adopt = |owner, create, holder, ledger_is_complete| {
        adopt(Found { owner, create, holder, ledger_is_complete })
    };
    let ids_for = |holder| match holder {
        None => RowIds::OfTags,
        Some(State::InDoubt) => RowIds::TakenBack,
        Some(_) => RowIds::NewRequestId,
    };
    let holders = State::ALL.into_iter().filter(|state| holds_request_id(*state));
    let holders: Vec<_> = holders.map(Some).chain([None]).collect();
    let is_under_way = |state| matches!(state, State::Reserved | State::Sending | State::Deleting);
    for ledger_is_complete in [false, true] {
        let adopt = |owner, create, holder| adopt(owner, create, holder, ledger_is_complete);
        for holder in &holders {
            assert_eq!(adopt(None, None, *holder), Adopt::Insert(ids_for(*holder)));
        }
        for state in State::ALL {
            // The row with its ARN decides alone.
            let owner = if is_under_way(state) { Adopt::UnderWay } else { Adopt::ApplyToOwner };
            let create = |arn, response_recorded| RowOfCreate { state, arn, response_recorded };
            for other in [None, Some(create(Some("b"), true)), Some(create(None, false))] {
                assert_eq!(adopt(Some(state), other, Some(State::Live)), owner, "{state}");
            }
            // The create has another configuration.
            let second = adopt(None, Some(create(Some("b"), false)), None);
            assert_eq!(second, Adopt::Insert(RowIds::New), "{state}");
            let second = adopt(None, Some(create(Some("b"), true)), None);
            let duplicate = Adopt::Duplicate { kept: "b" };
            let expected = if ledger_is_complete { duplicate } else { Adopt::Insert(RowIds::New) };
            assert_eq!(second, expected, "{state}");
            // The configuration of the create is not known yet.
            for holder in &holders {
                let expected = match state {
                    _ if is_under_way(state) => Adopt::UnderWay,
                    State::Rejected => Adopt::ApplyToCreate(ids_for(*holder)),
                    _ => Adopt::ApplyToCreate(RowIds::OfTags),
                };
                assert_eq!(adopt(None, Some(create(None, false)), *holder), expected, "{state}");
            }
        }
    }
}

#[test]
fn only_work_whose_lease_has_expired_is_taken_over() {
    for state in State::ALL {
        for (lease_until, now) in [(1, 0), (1, 1)] {
            assert_eq!(take_over(state, lease_until, now), None, "{state}");
            assert!(!is_abandoned_delete(state, lease_until, now), "{state}");
        }
        let expected = match state {
            State::Reserved => Some(Event::Cancel),
            State::Sending => Some(Event::Ambiguous),
            _ => None,
        };
        assert_eq!(take_over(state, 1, 2), expected, "{state}");
        assert_eq!(is_abandoned_delete(state, 1, 2), state == State::Deleting, "{state}");
        if let Some(event) = expected {
            assert!(state.after(&event).is_ok_and(|to| to.changed), "{state}");
        }
    }
}

#[test]
fn two_consecutive_scans_must_miss_a_row_that_was_live_before_them() {
    let row = Scanned { state: State::Live, updated_at: 1, observed_at: None, missed_scans: 0 };
    let after = |row, began: i32| {
        let AfterScan { missed_scans, is_missing } = finish_scan(&row, began);
        (missed_scans, is_missing)
    };
    assert_eq!(after(row, 2), (1, false));
    assert_eq!(after(Scanned { missed_scans: 1, ..row }, 2), (2, true));
    assert_eq!(after(row, 1), (0, false));
    assert_eq!(after(Scanned { observed_at: Some(2), ..row }, 2), (0, false));
    assert_eq!(after(Scanned { observed_at: Some(1), ..row }, 2), (1, false));
    // The row is still missing if no read has confirmed it after the last scan.
    assert_eq!(after(Scanned { updated_at: 2, missed_scans: 2, ..row }, 2), (2, true));
    for state in State::ALL.into_iter().filter(|state| *state != State::Live) {
        assert_eq!(after(Scanned { state, missed_scans: 9, ..row }, 2), (9, false));
    }
}

#[test]
fn the_observation_that_was_made_last_counts() {
    assert!(is_latest(None, 1) && is_latest(Some(1), 1) && !is_latest(Some(2), 1));
}
