//! The wall clock of a run: virtual time plus steps.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

/// 2001-09-09T01:46:40Z, in the past, so that a use of the real clock is visible.
const START: Duration = Duration::from_secs(1_000_000_000);

/// A wall clock. Clones share the steps.
#[derive(Debug, Clone)]
pub struct WallClock {
    began: Instant,
    offset_ms: Arc<AtomicI64>,
}

impl WallClock {
    /// Returns a clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self { began: Instant::now(), offset_ms: Arc::default() }
    }

    /// Returns the virtual time since the start, which no step changes.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Moves the wall clock.
    pub fn step(&self, by_ms: i64) {
        self.offset_ms.fetch_add(by_ms, Ordering::Relaxed);
    }

    /// Corrects the wall clock, and returns the step in milliseconds.
    #[must_use]
    pub fn correct(&self) -> i64 {
        -self.offset_ms.swap(0, Ordering::Relaxed)
    }

    /// Returns the wall clock's time.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        let offset = self.offset_ms.load(Ordering::Relaxed);
        let step = Duration::from_millis(offset.unsigned_abs());
        let time = SystemTime::UNIX_EPOCH + START + self.elapsed();
        if offset < 0 { time - step } else { time + step }
    }
}
