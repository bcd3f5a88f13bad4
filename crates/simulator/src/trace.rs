//! The events of a run, in order, each with its virtual time.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tokio::time::Instant;

/// The events of one run. Clones write to the same trace.
#[derive(Clone)]
pub struct Trace(Arc<Shared>);

struct Shared {
    began: Instant,
    slowness: Duration,
    events: Mutex<Events>,
}

struct Events {
    hash: u64,
    count: u64,
    /// `None` if only the hash is wanted.
    lines: Option<Vec<String>>,
}

impl Trace {
    /// Begins a trace. Keeps its lines if `keeps_lines`; without them a run is faster. Each event
    /// takes `slowness` of real time.
    #[must_use]
    pub fn begin(keeps_lines: bool, slowness: Duration) -> Self {
        let lines = keeps_lines.then(Vec::new);
        let events = Mutex::new(Events { hash: OFFSET_BASIS, count: 0, lines });
        Self(Arc::new(Shared { began: Instant::now(), slowness, events }))
    }

    /// Adds an event.
    pub fn add(&self, event: fmt::Arguments<'_>) {
        thread::sleep(self.0.slowness);
        let line = format!("{:>12.6} {event}", self.0.began.elapsed().as_secs_f64());
        let mut events = self.lock();
        events.hash = fnv_1a(events.hash, line.as_bytes());
        events.count += 1;
        if let Some(lines) = &mut events.lines {
            lines.push(line);
        }
    }

    /// Returns the time at which the run began.
    #[must_use]
    pub fn began(&self) -> Instant {
        self.0.began
    }

    /// Returns the hash of all events so far.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.lock().hash
    }

    /// Returns the number of events so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.lock().count
    }

    /// Takes the lines; none if the trace does not keep them.
    #[must_use]
    pub fn take_lines(&self) -> Vec<String> {
        self.lock().lines.take().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Events> {
        self.0.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a, which no release of the standard library changes.
fn fnv_1a(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
