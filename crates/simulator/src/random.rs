//! Random draws that a seed reproduces.

use std::time::Duration;

/// A `SplitMix64` generator (Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub struct Draws(u64);

impl Draws {
    /// Returns an independent sequence of draws for each purpose.
    #[must_use]
    pub fn new(seed: u64, purpose: u64) -> Self {
        let mut draws = Self(seed ^ purpose.wrapping_mul(0xd134_2543_de82_ef95));
        draws.next();
        draws
    }

    /// Draws 64 bits.
    #[expect(clippy::should_implement_trait, reason = "the draws have no end")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Draws a number below `end`, which is above 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Draws a number from `from` to `to`, both included.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }

    /// Draws a number from `from` to `to`. Each doubling is about equally likely, so that small
    /// numbers are not rare.
    pub fn magnitude(&mut self, from: u64, to: u64) -> u64 {
        let doublings = (to / from.max(1)).max(1).ilog2() + 1;
        let low = from << self.below(u64::from(doublings));
        self.between(low.min(to), (low * 2).min(to))
    }

    /// Draws `true` with this probability in percent.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Draws one of the items.
    pub fn one_of<T: Copy>(&mut self, items: &[T]) -> T {
        let index = self.below(items.len() as u64);
        items[usize::try_from(index).unwrap_or(0)]
    }

    /// Draws a time from `from` to `to` milliseconds.
    pub fn milliseconds(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.between(from, to))
    }
}
