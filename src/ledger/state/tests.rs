use super::*;
use crate::ledger::Resource;

fn events() -> [Event; 11] {
    let resource = Resource { arn: "arn".into(), participant_id: Some("p".into()) };
    [
        Event::Cancel,
        Event::Created(resource.clone()),
        Event::NotExecuted,
        Event::Throttled,
        Event::Ambiguous,
        Event::Found(resource),
        Event::Absent,
        Event::Delete,
        Event::DeleteRefused,
        Event::DeleteConfirmed,
        Event::Vanished,
    ]
}

/// Every legal transition: from, step, to.
fn transitions(events: &[Event]) -> impl Iterator<Item = (State, Step<'_>, Transition)> {
    State::ALL.into_iter().flat_map(move |from| {
        let steps = [Step::Send, Step::Resend].into_iter().chain(events.iter().map(Step::Event));
        steps.filter_map(move |step| Some((from, step, from.after(step).ok()?)))
    })
}

#[test]
fn a_step_that_is_applied_twice_changes_nothing_the_second_time() {
    for (from, step, Transition { state, .. }) in transitions(&events()) {
        let again = Transition { state, changed: false };
        assert_eq!(state.after(step), Ok(again), "{from} --{}-->", step.name());
    }
}

#[test]
fn a_step_has_changed_the_row_exactly_if_the_state_is_another() {
    for (from, step, Transition { state, changed }) in transitions(&events()) {
        assert_eq!(changed, from != state, "{from} {}", step.name());
    }
}

#[test]
fn quota_is_released_only_by_proof_that_nothing_exists() {
    let proofs = ["cancel", "not_executed", "absent", "delete_confirmed", "vanished"];
    for (from, step, Transition { state, .. }) in transitions(&events()) {
        let released = from.counts_against_quota() && !state.counts_against_quota();
        assert!(!released || proofs.contains(&step.name()), "{from} {}", step.name());
        // Quota that was released is taken again only by a configuration that exists.
        let taken = !from.counts_against_quota() && state.counts_against_quota();
        assert!(!taken || ["created", "found"].contains(&step.name()), "{from} {}", step.name());
    }
}

#[test]
fn a_deleted_row_stays_deleted_whatever_a_concurrent_delete_reports() {
    for from in [State::Live, State::Deleting] {
        for proof in [Event::Vanished, Event::DeleteConfirmed] {
            assert_eq!(from.after(&proof).unwrap().state, State::Deleted);
        }
    }
    for late in [Event::Delete, Event::DeleteRefused, Event::DeleteConfirmed, Event::Vanished] {
        assert_eq!(State::Deleted.after(&late).unwrap().state, State::Deleted);
    }
}

#[test]
fn a_create_is_sent_from_a_reservation_or_after_a_long_absence_alone() {
    let events = events();
    let sends: Vec<_> = transitions(&events)
        .filter(|(_, _, to)| to.changed && to.state == State::Sending)
        .map(|(from, step, _)| (from, step.name()))
        .collect();
    assert_eq!(sends, [(State::Reserved, "send"), (State::InDoubt, "resend")]);
}

#[test]
fn a_create_that_may_have_been_sent_is_never_cancelled() {
    for state in [State::Sending, State::InDoubt, State::Live, State::Deleting] {
        assert!(state.after(&Event::Cancel).is_err());
    }
}

#[test]
fn a_create_in_doubt_is_resolved_only_by_what_aws_shows() {
    let events = events();
    let ends: Vec<_> = transitions(&events)
        .filter(|(from, _, to)| *from == State::InDoubt && to.state != State::InDoubt)
        .map(|(_, step, _)| step.name())
        .collect();
    assert_eq!(ends, ["resend", "created", "found", "absent"]);
}

#[test]
fn codes_are_stable_because_databases_hold_them() {
    for (code, state) in (1..).zip(State::ALL) {
        assert_eq!(State::from_code(code), Some(state));
    }
    assert_eq!(State::from_code(0), None);
    assert_eq!(State::from_code(8), None);
}
