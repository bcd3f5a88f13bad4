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

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ticks_at_its_rate_and_saves_no_tick() {
        let began = Instant::now();
        let mut ticker = Ticker::per_second(4.0);
        for ms in [0, 250, 500] {
            ticker.tick().await;
            assert_eq!(began.elapsed().as_millis(), ms);
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
        ticker.tick().await;
        let began = Instant::now();
        ticker.tick().await;
        assert_eq!(began.elapsed().as_millis(), 250);
    }
}
