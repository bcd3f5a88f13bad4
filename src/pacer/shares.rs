//! Who of the two kinds of callers is next: all tenants together, or the gateway itself.

use super::flow::Tag;

/// The shares of the gateway's own calls and of all tenants' while both want more than
/// there is.
pub(super) const OWN_WEIGHT: u32 = 1;
pub(super) const CALLERS_WEIGHT: u32 = 9;

/// Start-time fair queuing between the two.
#[derive(Debug, Default)]
pub(super) struct Shares {
    time: Tag,
    callers_finish: Tag,
    own_finish: Tag,
}

impl Shares {
    /// Whether the callers are next, if both want to.
    pub(super) fn is_callers_turn(&self) -> bool {
        self.time.max(self.callers_finish) <= self.time.max(self.own_finish)
    }

    /// A tenant's call takes a slot.
    pub(super) fn charge_callers(&mut self) {
        self.time = self.time.max(self.callers_finish);
        self.callers_finish = self.time.after(1, CALLERS_WEIGHT);
    }

    /// A call of the gateway's own takes a slot.
    pub(super) fn charge_gateway(&mut self) {
        self.time = self.time.max(self.own_finish);
        self.own_finish = self.time.after(1, OWN_WEIGHT);
    }

    /// Nobody was kept waiting, so nobody has had more than a share.
    pub(super) fn forget(&mut self) {
        self.time = self.callers_finish.max(self.own_finish);
    }
}
