//! The split of the budget between the flows of callers and the internal calls.

use super::flow::VirtualTime;

/// The weights of the internal calls and of all callers together while both have calls that
/// wait.
pub(super) const INTERNAL_WEIGHT: u32 = 1;
pub(super) const CALLERS_WEIGHT: u32 = 9;

/// Start-time fair queuing between the two.
#[derive(Debug, Default)]
pub(super) struct Shares {
    time: VirtualTime,
    callers_finish: VirtualTime,
    internal_finish: VirtualTime,
}

impl Shares {
    /// Whether the callers are next, if both have calls that wait.
    pub(super) fn is_callers_next(&self) -> bool {
        self.time.max(self.callers_finish) <= self.time.max(self.internal_finish)
    }

    /// Charges a slot to the callers.
    pub(super) fn charge_callers(&mut self) {
        self.time = self.time.max(self.callers_finish);
        self.callers_finish = self.time.after(1, CALLERS_WEIGHT);
    }

    /// Charges a slot to the internal calls.
    pub(super) fn charge_internal(&mut self) {
        self.time = self.time.max(self.internal_finish);
        self.internal_finish = self.time.after(1, INTERNAL_WEIGHT);
    }

    /// Discards earlier use. Called when no call waits.
    pub(super) fn reset(&mut self) {
        self.time = self.callers_finish.max(self.internal_finish);
    }
}
