//! Restores of earlier copies of the ledger, between a kill and the next start.

use std::sync::atomic::Ordering;

use crate::{callers::Tally, draws::Draws, gateway::Gateway, ledger_file::Restore};

/// One restore for this number of kills.
pub(crate) const KILLS_PER_RESTORE: usize = 8;

/// The copies and restores of the campaign. The first kill of each [`KILLS_PER_RESTORE`] makes a
/// copy, and one of the later ones restores it.
pub(crate) struct Restores {
    draws: Draws,
    /// The number of the kill that restores the copy.
    due: usize,
    is_copied: bool,
}

impl Restores {
    pub(crate) fn new(draws: Draws) -> Self {
        Self { draws, due: 0, is_copied: false }
    }

    /// Makes half of the copies with SQLite, while the gateway runs.
    pub(crate) fn before_kill(&mut self, kill: usize, gateway: &Gateway) {
        if kill.is_multiple_of(KILLS_PER_RESTORE) {
            self.due = kill + 1 + self.draws.below(KILLS_PER_RESTORE - 1);
            // Fails if the disk has just failed the start of the gateway.
            self.is_copied = self.draws.percent(50) && gateway.ledger.back_up().is_ok();
        }
    }

    /// Makes the other copies, and restores.
    pub(crate) fn after_kill(&mut self, kill: usize, gateway: &Gateway, tally: &Tally) {
        if kill.is_multiple_of(KILLS_PER_RESTORE) && !self.is_copied {
            gateway.ledger.copy_files();
        }
        if kill == self.due {
            let ways = [Restore::NewFile, Restore::InPlace];
            gateway.ledger.restore(*self.draws.one_of(&ways));
            tally.restores.fetch_add(1, Ordering::Relaxed);
        }
    }
}
