//! The times of the probes for an in-doubt create, and the conclusion from probes that
//! found nothing. Pure, except that it reads the monotonic clock.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::config::ResolutionTimes;

/// Number of consecutive lists that must not show a create. A single list soon after the
/// create proves nothing.
const MIN_EMPTY_PROBES: u32 = 3;

/// The longest time between two probes of one row.
const MAX_INTERVAL: Duration = Duration::from_secs(30);

/// The schedule of the probes of one row.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    /// The time at which the create was sent.
    pub(super) sent_at: SystemTime,
    /// The time of the next probe.
    pub(super) due: Instant,
    interval: Duration,
    empty_probes: u32,
}

/// The conclusion from probes that found nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absence {
    /// None yet.
    Unproved,
    /// The create may be sent again if its caller retries.
    MayResend,
    /// The configuration does not exist.
    Proved,
}

impl Schedule {
    pub(super) fn new(sent_at: SystemTime, now: SystemTime, times: &ResolutionTimes) -> Self {
        let first = (sent_at + times.first_probe).duration_since(now);
        Self {
            sent_at,
            due: Instant::now() + first.unwrap_or_default().min(times.first_probe),
            interval: times.first_probe,
            empty_probes: 0,
        }
    }

    /// Records a probe that began at `began` and found nothing.
    pub(super) fn not_found(&mut self, began: SystemTime, times: &ResolutionTimes) -> Absence {
        self.empty_probes += 1;
        self.interval = (self.interval * 2).min(MAX_INTERVAL);
        let age = began.duration_since(self.sent_at).unwrap_or_default();
        // A probe is due at the earliest time at which it can be conclusive.
        let decides = [times.retry_after, times.give_up_after]
            .into_iter()
            .find(|after| age < *after)
            .map_or(self.interval, |after| after.saturating_sub(age));
        self.due = Instant::now() + self.interval.min(decides.max(times.first_probe));
        if self.empty_probes < MIN_EMPTY_PROBES || age < times.retry_after {
            Absence::Unproved
        } else if age < times.give_up_after {
            Absence::MayResend
        } else {
            Absence::Proved
        }
    }

    /// Records a probe that failed, and so proves nothing.
    pub(super) fn postpone(&mut self) {
        self.interval = (self.interval * 2).min(MAX_INTERVAL);
        self.due = Instant::now() + self.interval;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times() -> ResolutionTimes {
        ResolutionTimes {
            first_probe: Duration::from_secs(1),
            retry_after: Duration::from_mins(1),
            give_up_after: Duration::from_mins(15),
        }
    }

    #[test]
    fn neither_time_alone_nor_probes_alone_prove_absence() {
        let sent_at = SystemTime::now();
        let seconds = |seconds| sent_at + Duration::from_secs(seconds);
        let mut early = Schedule::new(sent_at, sent_at, &times());
        for _ in 0..100 {
            assert_eq!(early.not_found(seconds(59), &times()), Absence::Unproved);
        }
        assert_eq!(early.not_found(seconds(60), &times()), Absence::MayResend);
        assert_eq!(early.not_found(seconds(899), &times()), Absence::MayResend);
        assert_eq!(early.not_found(seconds(900), &times()), Absence::Proved);

        // After a restart the age is sufficient immediately, and the probes are still required.
        let mut late = Schedule::new(sent_at, sent_at, &times());
        assert_eq!(late.not_found(seconds(5000), &times()), Absence::Unproved);
        assert_eq!(late.not_found(seconds(5001), &times()), Absence::Unproved);
        assert_eq!(late.not_found(seconds(5002), &times()), Absence::Proved);
    }

    #[test]
    fn a_probe_that_began_too_early_decides_nothing() {
        let sent_at = SystemTime::now();
        let mut schedule = Schedule::new(sent_at, sent_at, &times());
        // A clock that is set back makes the row younger, never older.
        let before = sent_at - Duration::from_hours(1);
        for _ in 0..10 {
            assert_eq!(schedule.not_found(before, &times()), Absence::Unproved);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn probes_spread_out_and_meet_the_moments_that_decide() {
        let sent_at = SystemTime::now();
        let mut schedule = Schedule::new(sent_at, sent_at, &times());
        let mut age = Duration::from_secs(1);
        let mut ages = vec![age];
        while schedule.not_found(sent_at + age, &times()) != Absence::Proved {
            age += schedule.due - Instant::now();
            ages.push(age);
        }
        let seconds: Vec<_> = ages.iter().map(Duration::as_secs).collect();
        assert_eq!(seconds[..7], [1, 3, 7, 15, 31, 60, 90]);
        assert_eq!(seconds.last(), Some(&900));
    }
}
