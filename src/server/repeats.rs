//! Events that any peer can cause repeatedly. The log gets at most one line every 10 s.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The shortest time between two lines.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Occurrences of one kind of event.
#[derive(Debug, Default)]
pub(super) struct Repeats(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    logged: Option<Instant>,
    since: u64,
}

impl Repeats {
    /// Counts an event. Returns the number of events since the last line if it is time
    /// for another line.
    #[expect(clippy::disallowed_methods, reason = "sockets are real: no run repeats their events")]
    pub(super) fn record(&self) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.since += 1;
        if state.logged.is_some_and(|logged| logged.elapsed() < LOG_INTERVAL) {
            return None;
        }
        state.logged = Some(Instant::now());
        Some(std::mem::take(&mut state.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_counts_the_events_of_an_interval() {
        let repeats = Repeats::default();
        assert_eq!(repeats.record(), Some(1));
        assert_eq!((repeats.record(), repeats.record()), (None, None));
        repeats.0.lock().unwrap().logged = None;
        assert_eq!(repeats.record(), Some(3));
    }
}
