//! Measures: one call at a time, of either ledger in turn, and what a process holds.

use std::{fs, time::Instant};

use crate::{Failure, figures::percentile, fill::Filled};

/// Calls of one ledger before it is the other's turn. What else runs on the machine
/// comes and goes more slowly, and so slows both.
const TURN: usize = 100;

/// Turns after which the files are read through again. A machine may take pages of files
/// back at any time, and a page that comes from the disk costs more than the call.
const TURNS_WARM: usize = 10;

/// Which of the two ledgers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    Small,
    Large,
}

/// Something of each ledger.
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

/// How long calls of one kind took.
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

/// Makes so many calls of each ledger, one after the other, after a turn of each to warm
/// up. `call` returns how long it took, in nanoseconds.
pub(crate) async fn alternate(
    ledgers: &Pair<Filled>,
    calls: usize,
    mut call: impl AsyncFnMut(Size) -> Result<u64, Failure>,
) -> Result<Pair<Latency>, Failure> {
    let mut latencies_ns = Pair::<Vec<u64>>::default();
    for turn in 0..=calls.div_ceil(TURN) {
        if turn % TURNS_WARM == 0 {
            ledgers.small.read_through()?;
            ledgers.large.read_through()?;
        }
        for size in [Size::Small, Size::Large] {
            for _ in 0..TURN {
                let latency_ns = call(size).await?;
                if turn > 0 {
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

/// The memory of a process that is in use, in KiB: `VmRSS`.
pub(crate) fn resident_kib(pid: u32) -> Result<u64, Failure> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib =
        line.and_then(|line| line.split_whitespace().next()).ok_or("a process without memory")?;
    Ok(kib.parse()?)
}
