//! Measures single calls, alternating between the ledgers, and the memory of a process.

use std::{fs, time::Instant};

use crate::{Failure, figures::percentile, fill::Filled};

/// Consecutive calls of one ledger. Other load on the machine changes more slowly than such
/// a batch takes, so it affects both ledgers.
const BATCH: usize = 100;

/// Batches after which the files are read again. The system may evict pages at any time, and
/// reading a page from the disk costs more than a call.
const BATCHES_WARM: usize = 10;

/// One of the two ledgers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    Small,
    Large,
}

/// A value for each ledger.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pair<T> {
    pub(crate) small: T,
    pub(crate) large: T,
}

impl<T> Pair<T> {
    pub(crate) const fn of(&self, size: Size) -> &T {
        match size {
            Size::Small => &self.small,
            Size::Large => &self.large,
        }
    }

    pub(crate) const fn of_mut(&mut self, size: Size) -> &mut T {
        match size {
            Size::Small => &mut self.small,
            Size::Large => &mut self.large,
        }
    }

    pub(crate) fn try_map<U>(
        self,
        mut map: impl FnMut(T) -> Result<U, Failure>,
    ) -> Result<Pair<U>, Failure> {
        Ok(Pair { small: map(self.small)?, large: map(self.large)? })
    }
}

/// The latencies of one kind of call.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_field_names, reason = "units stand last in names")]
pub(crate) struct Latency {
    pub(crate) p50_ns: u64,
    pub(crate) p99_ns: u64,
    pub(crate) longest_ns: u64,
}

impl Latency {
    pub(crate) fn of(mut latencies_ns: Vec<u64>) -> Result<Self, Failure> {
        latencies_ns.sort_unstable();
        let at = |percent| percentile(&latencies_ns, percent).ok_or("nothing was measured");
        Ok(Self {
            p50_ns: at(50)?,
            p99_ns: at(99)?,
            longest_ns: latencies_ns.last().copied().unwrap_or_default(),
        })
    }
}

/// Makes at least `calls` calls of each ledger, one at a time, after one batch of each to warm
/// up. `call` returns its latency in nanoseconds.
pub(crate) async fn alternate(
    ledgers: &Pair<Filled>,
    calls: usize,
    mut call: impl AsyncFnMut(Size) -> Result<u64, Failure>,
) -> Result<Pair<Latency>, Failure> {
    let mut latencies_ns = Pair::<Vec<u64>>::default();
    for batch in 0..=calls.div_ceil(BATCH) {
        if batch % BATCHES_WARM == 0 {
            ledgers.small.read_through()?;
            ledgers.large.read_through()?;
        }
        for size in [Size::Small, Size::Large] {
            for _ in 0..BATCH {
                let latency_ns = call(size).await?;
                if batch > 0 {
                    latencies_ns.of_mut(size).push(latency_ns);
                }
            }
        }
    }
    latencies_ns.try_map(Latency::of)
}

pub(crate) fn elapsed_ns(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Returns the resident memory of a process in KiB (`VmRSS`).
pub(crate) fn resident_kib(pid: u32) -> Result<u64, Failure> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib =
        line.and_then(|line| line.split_whitespace().next()).ok_or("the process has no VmRSS")?;
    Ok(kib.parse()?)
}
