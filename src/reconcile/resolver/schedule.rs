//! The times of the probes for an in-doubt create. Pure, except that it reads the monotonic
//! clock.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::super::rules::{self, Absence};
use crate::config::ResolutionTimes;

/// The longest time between two probes of one row.
const MAX_INTERVAL: Duration = Duration::from_secs(30);

/// Number of consecutive probes that begin after `retry_after` and must not show a create. A list of
/// several pages skips a configuration if another one is deleted meanwhile.
const MIN_LATE_PROBES: u32 = 2;

/// The schedule of the probes of one row.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    /// The time at which the create was sent.
    pub(super) sent_at: SystemTime,
    /// When this process first saw the create in doubt, soon after the sending.
    seen_at: Instant,
    /// The time of the next probe.
    pub(super) due: Instant,
    interval: Duration,
    empty_probes: u32,
    /// The number of consecutive probes that began after `retry_after` and found nothing.
    late_probes: u32,
}

/// The time at which a probe began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Began {
    /// By the wall clock.
    pub(super) wall: SystemTime,
    /// By the monotonic clock.
    pub(super) monotonic: Instant,
}

impl Schedule {
    pub(super) fn new(sent_at: SystemTime, now: SystemTime, times: &ResolutionTimes) -> Self {
        let first = (sent_at + times.first_probe).duration_since(now);
        Self {
            sent_at,
            seen_at: Instant::now(),
            due: Instant::now() + first.unwrap_or_default().min(times.first_probe),
            interval: times.first_probe,
            empty_probes: 0,
            late_probes: 0,
        }
    }

    /// Records a probe that began at `began` and found nothing.
    pub(super) fn not_found(&mut self, began: Began, times: &ResolutionTimes) -> Absence {
        self.empty_probes += 1;
        self.interval = (self.interval * 2).min(MAX_INTERVAL);
        let age = self.age(began);
        if age >= times.retry_after {
            self.late_probes += 1;
        }
        // A probe is due at the earliest time at which it can be conclusive.
        let decides = [times.retry_after, times.give_up_after]
            .into_iter()
            .find(|after| age < *after)
            .map_or(self.interval, |after| after.saturating_sub(age));
        let is_repeated_soon = (1..MIN_LATE_PROBES).contains(&self.late_probes);
        let decides = if is_repeated_soon { times.first_probe } else { decides };
        self.due = Instant::now() + self.interval.min(decides.max(times.first_probe));
        if self.late_probes < MIN_LATE_PROBES {
            return Absence::Unproved;
        }
        rules::absence(self.empty_probes, &age, &times.retry_after, &times.give_up_after)
    }

    /// Returns the time since the sending.
    fn age(&self, at: Began) -> Duration {
        let wall = at.wall.duration_since(self.sent_at).unwrap_or_default();
        rules::age(wall, at.monotonic.saturating_duration_since(self.seen_at))
    }

    /// Records a probe that failed, and so proves nothing.
    pub(super) fn postpone(&mut self) {
        self.late_probes = 0;
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

    /// The begin of a probe on the two clocks, in seconds after the sending of a create that this
    /// process saw immediately.
    fn began(schedule: &Schedule, wall: u64, monotonic: u64) -> Began {
        Began {
            wall: schedule.sent_at + Duration::from_secs(wall),
            monotonic: schedule.seen_at + Duration::from_secs(monotonic),
        }
    }

    fn schedule() -> Schedule {
        let sent_at = SystemTime::now();
        Schedule::new(sent_at, sent_at, &times())
    }

    #[test]
    fn neither_time_alone_nor_probes_alone_prove_absence() {
        let mut early = schedule();
        for _ in 0..100 {
            assert_eq!(early.not_found(began(&early, 59, 59), &times()), Absence::Unproved);
        }
        assert_eq!(early.not_found(began(&early, 60, 60), &times()), Absence::Unproved);
        assert_eq!(early.not_found(began(&early, 61, 61), &times()), Absence::MayResend);
        early.postpone();
        assert_eq!(early.not_found(began(&early, 62, 62), &times()), Absence::Unproved);
        assert_eq!(early.not_found(began(&early, 63, 63), &times()), Absence::MayResend);
        assert_eq!(early.not_found(began(&early, 899, 899), &times()), Absence::MayResend);
        assert_eq!(early.not_found(began(&early, 900, 900), &times()), Absence::Proved);

        let mut late = schedule();
        assert_eq!(late.not_found(began(&late, 5000, 5000), &times()), Absence::Unproved);
        assert_eq!(late.not_found(began(&late, 5001, 5001), &times()), Absence::Unproved);
        assert_eq!(late.not_found(began(&late, 5002, 5002), &times()), Absence::Proved);
    }

    /// A clock that is set forward does not make a create older, nor does the time in which no
    /// process ran.
    #[test]
    fn the_smaller_of_both_ages_counts() {
        for (wall, monotonic) in [(3600, 59), (59, 3600)] {
            let mut schedule = schedule();
            for _ in 0..10 {
                let began = began(&schedule, wall, monotonic);
                assert_eq!(schedule.not_found(began, &times()), Absence::Unproved);
            }
        }
    }

    #[test]
    fn a_probe_that_began_too_early_decides_nothing() {
        let mut schedule = schedule();
        // A clock that is set back makes the row younger, never older.
        let before = Began {
            wall: schedule.sent_at - Duration::from_hours(1),
            monotonic: schedule.seen_at + Duration::from_hours(1),
        };
        for _ in 0..10 {
            assert_eq!(schedule.not_found(before, &times()), Absence::Unproved);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn probes_spread_out_and_meet_the_moments_that_decide() {
        let mut schedule = schedule();
        let mut ages = Vec::new();
        loop {
            tokio::time::sleep_until(schedule.due).await;
            let age = schedule.seen_at.elapsed();
            ages.push(age.as_secs());
            let began = Began { wall: schedule.sent_at + age, monotonic: Instant::now() };
            if schedule.not_found(began, &times()) == Absence::Proved {
                break;
            }
        }
        assert_eq!(ages[..7], [1, 3, 7, 15, 31, 60, 61]);
        assert_eq!(ages.last(), Some(&900));
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_failed_is_repeated_ever_later() {
        let mut schedule = schedule();
        let mut waits = Vec::new();
        for _ in 0..6 {
            schedule.postpone();
            waits.push(schedule.due.duration_since(Instant::now()).as_secs());
        }
        assert_eq!(waits, [2, 4, 8, 16, 30, 30]);
        assert_eq!(schedule.empty_probes, 0);
    }
}
