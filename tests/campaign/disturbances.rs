//! The faults of the disk and of the clock during the campaign: one after the other, for random
//! short times.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicUsize, Ordering},
};

use crate::{
    draws::Draws,
    gateway::until,
    machine::{Counter, Fault, Machine},
};

/// The faults, in the order in which they are injected. AWS rejects the signatures of a clock that
/// is wrong by more than five minutes. A create whose record takes more than a second is not sent.
const KINDS: [Kind; 7] = [
    Kind { fault: Fault::StallMs, counter: Counter::LongStalls, from: 1001, to: 3500 },
    Kind { fault: Fault::ClockMs, counter: Counter::ClockReads, from: 1, to: 5000 },
    Kind { fault: Fault::FailSyncs, counter: Counter::FailedSyncs, from: 1, to: 2 },
    Kind { fault: Fault::ClockMs, counter: Counter::ClockReads, from: 5000, to: 140_000 },
    Kind { fault: Fault::FailWrites, counter: Counter::FailedWrites, from: 1, to: 2 },
    Kind { fault: Fault::StallMs, counter: Counter::StalledSyncs, from: 50, to: 1000 },
    Kind { fault: Fault::ClockMs, counter: Counter::ClockReads, from: 500, to: 20_000 },
];

/// A fault with random values.
#[derive(Debug)]
struct Kind {
    fault: Fault,
    /// Shows that the fault has hit the gateway.
    counter: Counter,
    /// The values. Half of those of the clock are negative.
    from: usize,
    to: usize,
}

/// Disturbs a machine, and counts it.
#[derive(Debug)]
pub(crate) struct Disturbances {
    machine: Arc<Machine>,
    pub(crate) clock_steps: AtomicUsize,
    /// The greatest value that the clock was ahead, in milliseconds.
    ahead_ms: AtomicI64,
}

impl Disturbances {
    pub(crate) fn of(machine: Arc<Machine>) -> Self {
        Self { machine, clock_steps: AtomicUsize::new(0), ahead_ms: AtomicI64::new(0) }
    }

    /// Injects faults until the future is dropped.
    pub(crate) async fn run(&self, mut draws: Draws) {
        for Kind { fault, counter, from, to } in KINDS.iter().cycle() {
            tokio::time::sleep(draws.ms(300, 2500)).await;
            let mut value = i64::try_from(from + draws.below(to - from)).unwrap();
            if matches!(fault, Fault::ClockMs) {
                value = if draws.percent(50) { value } else { -value };
                self.clock_steps.fetch_add(1, Ordering::Relaxed);
                self.ahead_ms.fetch_max(value, Ordering::Relaxed);
            }
            self.machine.set(*fault, value);
            let longest = *draws.one_of(&[400, 1000, 3000]);
            tokio::time::sleep(draws.ms(200, longest)).await;
            // Each kind hits at least once. Later ones may find an idle gateway.
            until("the fault hits", async || self.machine.count(*counter) > 0).await;
            self.machine.set(*fault, 0);
        }
    }

    /// Ends all faults of the disk. Sets the clock to the latest time that it has shown: a create
    /// that was sent then is in doubt until the clock has passed that time.
    pub(crate) fn end(&self) {
        for fault in [Fault::FailSyncs, Fault::FailWrites, Fault::StallMs] {
            self.machine.set(fault, 0);
        }
        self.machine.set(Fault::ClockMs, self.ahead_ms.load(Ordering::Relaxed));
    }
}
