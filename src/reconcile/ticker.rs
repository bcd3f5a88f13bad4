//! Spreads calls evenly over time.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

/// Ticks at a steady rate. Ticks that are not awaited are not saved.
#[derive(Debug)]
pub(super) struct Ticker(Interval);

impl Ticker {
    /// A ticker with that many ticks a second.
    #[must_use]
    pub(super) fn per_second(rate: f64) -> Self {
        let period = Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::MAX);
        let mut turns = interval(period.clamp(Duration::from_micros(1), Duration::from_hours(1)));
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self(turns)
    }

    /// Waits for the next tick.
    pub(super) async fn tick(&mut self) {
        self.0.tick().await;
    }
}
