//! The events of a run, in order, each with its virtual time.

use std::{
    collections::BTreeMap,
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tokio::time::Instant;

/// The begin of every stream key of the emulator.
pub const STREAM_KEY_PREFIX: &str = "rt_123456789012_";

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
    /// The number of lines with a stream key.
    secrets: u64,
    /// The faults that had an effect, by their kind.
    faults: BTreeMap<String, u64>,
}

impl Trace {
    /// Begins a trace. Keeps its lines if `keeps_lines`; without them a run is faster. Each event
    /// takes `slowness` of real time.
    #[must_use]
    pub fn begin(keeps_lines: bool, slowness: Duration) -> Self {
        let events = Events {
            hash: OFFSET_BASIS,
            count: 0,
            lines: keeps_lines.then(Vec::new),
            secrets: 0,
            faults: BTreeMap::new(),
        };
        Self(Arc::new(Shared { began: Instant::now(), slowness, events: Mutex::new(events) }))
    }

    /// Adds an event.
    pub fn add(&self, event: fmt::Arguments<'_>) {
        thread::sleep(self.0.slowness);
        let line = format!("{:>12.6} {event}", self.0.began.elapsed().as_secs_f64());
        let mut events = self.lock();
        events.hash = fnv_1a(events.hash, line.as_bytes());
        events.count += 1;
        events.secrets += u64::from(line.contains(STREAM_KEY_PREFIX));
        if let Some(lines) = &mut events.lines {
            lines.push(line);
        }
    }

    /// Counts a fault that has an effect.
    pub fn count_fault(&self, kind: impl Into<String>) {
        *self.lock().faults.entry(kind.into()).or_default() += 1;
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

    /// Returns the number of events with a stream key.
    #[must_use]
    pub fn secrets(&self) -> u64 {
        self.lock().secrets
    }

    /// Returns the number of faults of each kind that had an effect.
    #[must_use]
    pub fn faults(&self) -> BTreeMap<String, u64> {
        self.lock().faults.clone()
    }

    /// Takes the lines; none if the trace does not keep them.
    #[must_use]
    pub fn take_lines(&self) -> Vec<String> {
        self.lock().lines.take().unwrap_or_default()
    }

    /// Adds the log of the gateway on this thread, until the returned value is dropped.
    #[must_use]
    pub fn collect_log(&self) -> tracing::subscriber::DefaultGuard {
        let trace = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::INFO)
            .without_time()
            .with_ansi(false)
            .with_target(false)
            .with_writer(move || LogWriter(trace.clone()))
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    fn lock(&self) -> MutexGuard<'_, Events> {
        self.0.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct LogWriter(Trace);

impl io::Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.add(format_args!("log {}", String::from_utf8_lossy(line).trim_end()));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a, which no release of the standard library changes.
fn fnv_1a(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stream_key_in_the_log_is_found() {
        let trace = Trace::begin(false, Duration::ZERO);
        let _log = trace.collect_log();
        tracing::info!("harmless");
        assert_eq!((trace.count(), trace.secrets()), (1, 0));
        tracing::warn!(key = "rt_123456789012_us-east-1_abc", "careless");
        assert_eq!((trace.count(), trace.secrets()), (2, 1));
    }
}
