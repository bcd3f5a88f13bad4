//! Spreads calls evenly over time.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

/// Ticks at a constant rate. Ticks that are not awaited do not accumulate.
#[derive(Debug)]
pub(super) struct Ticker(Interval);

impl Ticker {
    /// Returns a ticker of `rate` ticks a second.
    #[must_use]
    pub(super) fn per_second(rate: f64) -> Self {
        let period = Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::MAX);
        let mut ticks = interval(period.clamp(Duration::from_micros(1), Duration::from_hours(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self(ticks)
    }

    /// Waits for the next tick.
    pub(super) async fn tick(&mut self) {
        self.0.tick().await;
    }
}
