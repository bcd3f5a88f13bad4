//! Tests of the checks and the times of credentials.

use super::*;
use crate::clock::Clock;

fn credentials(key_id: &str, secret: &str, token: Option<&str>) -> Credentials {
    Credentials::new(key_id, secret, token.map(str::to_owned), None, "test")
}

#[test]
fn credentials_that_the_sdk_cannot_use_are_rejected_without_a_quote() {
    assert!(checked(credentials("AKID", "secret/+=", Some("token=="))).is_ok());
    for wrong in [
        credentials("", "hunter2", None),
        credentials("hunter2\n", "secret", None),
        credentials("AKID", "hunter2\n", None),
        credentials("AKID", "hunter2 hunter2", None),
        credentials("AKID", "", None),
        credentials("AKID", "secret", Some("hunter2\r")),
        credentials("AKID", "secret", Some("")),
        credentials("AKID/hunter2", "secret", None),
    ] {
        let problem = checked(wrong).unwrap_err();
        assert!(problem.contains("correct the source"), "{problem}");
        assert!(!problem.contains("hunter2"), "{problem}");
    }
}

#[test]
fn a_load_comes_before_the_expiry() {
    let now = SystemTime::UNIX_EPOCH;
    let minutes = Duration::from_mins;
    for (left, next) in [
        (minutes(60), minutes(55)),
        (minutes(10), minutes(5)),
        (minutes(4), minutes(2)),
        (Duration::from_secs(4), PAUSE),
        (Duration::ZERO, PAUSE),
    ] {
        assert_eq!(next_load(now, now + left), next);
    }
    assert_eq!(next_load(now + minutes(90), now), EARLY);
}

#[test]
fn credentials_that_expire_soon_are_not_used() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_hours(1);
    let clock = SigningClock::new(Clock::with_wall(move || now));
    let loaded = LoadedCredentials::new(clock, Suspicion::default());
    let expiring = |after: u64| {
        let expiry = now + Duration::from_secs(after);
        Credentials::new("AKID", "secret", None, Some(expiry), "test")
    };
    assert!(loaded.used(expiring(11)).expiry().is_some());
    assert!(loaded.used(expiring(10)).expiry().is_none());
    let state = State { current: Some(expiring(5)), failure: Some("planted".into()) };
    loaded.0.state.send_replace(state);
    assert!(loaded.provide().is_err());
    let state = State { current: Some(expiring(60)), failure: Some("planted".into()) };
    loaded.0.state.send_replace(state);
    assert_eq!(loaded.provide().unwrap().access_key_id(), "AKID");
}

/// Nothing else would load them before the time that was right for the old clock.
#[tokio::test]
async fn credentials_that_have_expired_before_their_time_are_loaded_again() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_hours(1);
    let clock = SigningClock::new(Clock::with_wall(move || now));
    let loaded = LoadedCredentials::new(clock, Suspicion::default());
    let expired = Credentials::new("AKID", "secret", None, Some(now), "test");
    loaded.0.state.send_replace(State { current: Some(expired), failure: None });
    let waiting = loaded.clone();
    let waiting = tokio::spawn(async move { waiting.ready().await.is_ok() });
    loaded.0.reload.notified().await;
    let current = Some(credentials("AKID", "secret", None));
    loaded.0.state.send_replace(State { current, failure: None });
    assert!(waiting.await.unwrap());
}
