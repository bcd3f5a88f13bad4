//! Spends a rate of calls evenly, one caller at a time.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

/// Gives turns at a steady rate. Turns that are not taken are not saved up.
#[derive(Debug)]
pub(super) struct Ticker(Interval);

impl Ticker {
    /// So many turns a second.
    #[must_use]
    pub(super) fn per_second(rate: f64) -> Self {
        let period = Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::MAX);
        let mut turns = interval(period.clamp(Duration::from_micros(1), Duration::from_hours(1)));
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self(turns)
    }

    /// Waits for the next turn.
    pub(super) async fn turn(&mut self) {
        self.0.tick().await;
    }
}
