//! The two clocks of the gateway. They are passed to all code that reads the time, so that a
//! test or a simulator controls it.
//!
//! - The *wall* clock is used for times in rows, ids, signatures and responses. An operator
//!   or NTP may set it forward or back.
//! - The *monotonic* clock measures durations and deadlines. It is tokio's, so a runtime
//!   with paused time controls it.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

/// The wall clock and the monotonic clock. Cheap to clone.
#[derive(Clone)]
pub struct Clock {
    wall: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    monotonic: Arc<dyn Fn() -> Instant + Send + Sync>,
}

impl Clock {
    /// The clocks of the operating system.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system clock")]
    #[must_use]
    pub fn system() -> Self {
        Self::with_wall(SystemTime::now)
    }

    /// Reads the wall clock from `wall`.
    pub fn with_wall(wall: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self::with_both(wall, || tokio::time::Instant::now().into_std())
    }

    /// Reads the clocks from `wall` and `monotonic`.
    pub(crate) fn with_both(
        wall: impl Fn() -> SystemTime + Send + Sync + 'static,
        monotonic: impl Fn() -> Instant + Send + Sync + 'static,
    ) -> Self {
        Self { wall: Arc::new(wall), monotonic: Arc::new(monotonic) }
    }

    /// The wall clock's time.
    #[must_use]
    pub fn wall(&self) -> SystemTime {
        (self.wall)()
    }

    /// The monotonic clock's time.
    #[must_use]
    pub fn monotonic(&self) -> Instant {
        (self.monotonic)()
    }
}

/// Whether something that happened at `since` is less than `age` ago. A wall clock that was set
/// back makes it younger.
#[must_use]
pub fn is_younger(since: SystemTime, now: SystemTime, age: Duration) -> bool {
    now.duration_since(since).unwrap_or_default() < age
}

/// Returns the time, rounded down to the millisecond, as the ledger records it.
#[must_use]
pub fn truncated_to_milliseconds(time: SystemTime) -> SystemTime {
    let age = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    time - Duration::from_nanos(u64::from(age.subsec_nanos() % 1_000_000))
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_paused_runtime_controls_the_monotonic_clock_and_not_the_wall_clock() {
        let clock = Clock::with_wall(|| SystemTime::UNIX_EPOCH);
        let started = clock.monotonic();
        tokio::time::sleep(Duration::from_hours(1)).await;
        assert_eq!(clock.monotonic() - started, Duration::from_hours(1));
        assert_eq!(clock.wall(), SystemTime::UNIX_EPOCH);
    }
}
