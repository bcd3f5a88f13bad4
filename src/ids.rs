//! The only source of ids and randomness. A seeded source repeats its ids, so that a simulation
//! can be repeated.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use rand::{SeedableRng, rngs::StdRng};
use ulid::{Generator, Overflow, Ulid};

use crate::request::OperationId;

/// Generates ids. Cheap to clone: all clones draw from one source, so that each operation
/// id of the process is greater than all before it.
#[derive(Clone)]
pub struct Ids(Arc<Mutex<Source>>);

struct Source {
    random: StdRng,
    operations: Generator,
    calls: Generator,
}

impl Ids {
    /// A source that the operating system seeds.
    #[expect(clippy::disallowed_methods, reason = "the one place that draws a seed")]
    #[must_use]
    pub fn random() -> Self {
        Self::from_source(rand::make_rng())
    }

    /// A source that returns the same ids for the same seed and the same times.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::from_source(StdRng::seed_from_u64(seed))
    }

    fn from_source(random: StdRng) -> Self {
        let (operations, calls) = (Generator::new(), Generator::new());
        Self(Arc::new(Mutex::new(Source { random, operations, calls })))
    }

    /// Returns the id of the next create. Ids increase even if the clock stands still or is set
    /// back.
    #[must_use]
    pub fn next_operation_id(&self, now: SystemTime) -> OperationId {
        let Source { random, operations, .. } = &mut *self.lock();
        next(operations, random, now).into()
    }

    /// The id of the next call.
    #[must_use]
    pub fn next_call_id(&self, now: SystemTime) -> Ulid {
        let Source { random, calls, .. } = &mut *self.lock();
        next(calls, random, now)
    }

    /// A panic cannot leave the source half-changed.
    fn lock(&self) -> MutexGuard<'_, Source> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn next(generator: &mut Generator, random: &mut StdRng, now: SystemTime) -> Ulid {
    generator
        .generate_from_datetime_with_source(now, random)
        .unwrap_or_else(Overflow::commit_overflow_increment)
}

impl Default for Ids {
    fn default() -> Self {
        Self::random()
    }
}

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ids").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(1_800_000_000_001)
    }

    #[test]
    fn operation_ids_increase_while_the_clock_does_not() {
        let ids = Ids::random();
        let first = ids.next_operation_id(now());
        let same = ids.next_operation_id(now());
        let back = ids.next_operation_id(now() - Duration::from_mins(1));
        assert!(first < same && same < back);
        assert!(first.to_string() < same.to_string());
        assert_eq!(first.ulid().timestamp_ms(), 1_800_000_000_001);
    }

    #[test]
    fn a_seed_repeats_its_ids() {
        let draw = |seed| {
            let ids = Ids::seeded(seed);
            (ids.next_operation_id(now()), ids.next_call_id(now()))
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert_ne!(Ids::random().next_call_id(now()), Ids::random().next_call_id(now()));
    }
}
