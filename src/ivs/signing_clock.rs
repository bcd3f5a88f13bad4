//! The clock of signatures. AWS rejects a signature whose time differs from its own by five
//! minutes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use aws_smithy_async::time::TimeSource;

use crate::clock::Clock;

/// A smaller difference from AWS's clock is not corrected: AWS accepts it, and it varies with the
/// duration of calls.
const TOLERATED: Duration = Duration::from_mins(2);

/// A change of the correction that is logged.
const WORTH_A_LOG: i64 = 60_000;

/// The longest call whose response shows AWS's clock.
const LONGEST_CALL: Duration = Duration::from_secs(10);

/// The clocks of this machine at one time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    wall: SystemTime,
    monotonic: Instant,
}

/// The wall clock, corrected by that of AWS if the two differ by more than two minutes. All clones
/// share the correction.
#[derive(Debug, Clone)]
pub(super) struct SigningClock {
    clock: Clock,
    correction_ms: Arc<AtomicI64>,
}

impl SigningClock {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, correction_ms: Arc::default() }
    }

    /// Returns the time of this machine.
    pub(super) fn reading(&self) -> Reading {
        Reading { wall: self.clock.wall(), monotonic: self.clock.monotonic() }
    }

    /// Records that AWS's clock showed `aws` between two readings. Of a call that took long, or
    /// during which the wall clock was set, the time in between is unknown.
    pub(super) fn learn(&self, aws: SystemTime, sent_at: Reading, received_at: Reading) {
        let took = received_at.monotonic - sent_at.monotonic;
        let by_wall = received_at.wall.duration_since(sent_at.wall).unwrap_or_default();
        if took <= LONGEST_CALL && took.abs_diff(by_wall) < LONGEST_CALL {
            self.correct(aws, sent_at.wall + took / 2);
        }
    }

    fn correct(&self, aws: SystemTime, here: SystemTime) {
        let (ahead, behind) = (aws.duration_since(here), here.duration_since(aws));
        let difference = ahead.as_ref().or(behind.as_ref()).copied().unwrap_or_default();
        let milliseconds = i64::try_from(difference.as_millis()).unwrap_or(i64::MAX);
        let correction = match ahead {
            _ if difference < TOLERATED => 0,
            Ok(_) => milliseconds,
            Err(_) => -milliseconds,
        };
        let before = self.correction_ms.swap(correction, Ordering::Relaxed);
        if before.abs_diff(correction) < WORTH_A_LOG.unsigned_abs() {
            return;
        }
        if correction == 0 {
            tracing::info!("the clock of this machine agrees with AWS's again");
        } else {
            tracing::warn!(
                seconds = correction / 1000,
                "AWS's clock is ahead of that of this machine by these seconds: signatures use AWS's time; correct the clock"
            );
        }
    }
}

impl TimeSource for SigningClock {
    fn now(&self) -> SystemTime {
        let correction = self.correction_ms.load(Ordering::Relaxed);
        let distance = Duration::from_millis(correction.unsigned_abs());
        let now = self.clock.wall();
        let corrected =
            if correction < 0 { now.checked_sub(distance) } else { now.checked_add(distance) };
        corrected.unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_difference_is_corrected_in_both_directions() {
        let here = SystemTime::UNIX_EPOCH + Duration::from_hours(24);
        let clock = SigningClock::new(Clock::with_wall(move || here));
        let minute = Duration::from_mins(1);
        for aws in [here + 10 * minute, here - 10 * minute, here + 3 * minute] {
            clock.correct(aws, here);
            assert_eq!(clock.now(), aws);
        }
        clock.correct(here + minute, here);
        assert_eq!(clock.now(), here);
    }

    #[test]
    fn a_call_during_which_the_clock_was_set_shows_nothing() {
        let here = SystemTime::UNIX_EPOCH + Duration::from_hours(24);
        let clock = SigningClock::new(Clock::with_wall(move || here));
        let hours = Duration::from_hours(2);
        let sent_at = clock.reading();
        let later = |wall, monotonic| Reading {
            wall: sent_at.wall + wall,
            monotonic: sent_at.monotonic + monotonic,
        };
        clock.learn(here + hours, sent_at, later(hours, Duration::from_secs(1)));
        clock.learn(here + hours, sent_at, later(hours, hours));
        assert_eq!(clock.now(), here);
        clock.learn(here + hours, sent_at, later(Duration::ZERO, Duration::ZERO));
        assert_eq!(clock.now(), here + hours);
    }
}
