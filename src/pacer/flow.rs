//! One tenant's calls of one operation: those that wait, and those at AWS.

use std::{collections::VecDeque, time::Instant};

use super::{
    call::{EntryId, Terms},
    demand::Demand,
};

/// A moment in virtual time, which advances by a call's share of the whole: the measure
/// of how much of the budget a flow has had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tag(u64);

impl Tag {
    /// What a call of weight 1 costs. The greatest weight is 1000, so rounding is below
    /// a thousandth; and 2^44 calls of weight 1 fit.
    const UNIT: u64 = 1 << 20;

    /// The moment after `calls` calls of a flow of that weight, one after the other.
    pub(super) fn after(self, calls: usize, weight: u32) -> Self {
        let calls = u64::try_from(calls).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(calls.saturating_mul(Self::cost(weight))))
    }

    /// The moment before a call of that weight.
    pub(super) fn before(self, weight: u32) -> Self {
        Self(self.0.saturating_sub(Self::cost(weight)))
    }

    /// How many calls of a flow of that weight begin from `self` to `until`, both
    /// included.
    pub(super) fn calls_until(self, until: Self, weight: u32) -> usize {
        let calls = until.0.checked_sub(self.0).map_or(0, |span| span / Self::cost(weight) + 1);
        usize::try_from(calls).unwrap_or(usize::MAX)
    }

    fn cost(weight: u32) -> u64 {
        Self::UNIT / u64::from(weight.max(1))
    }
}

/// A call that waits.
#[derive(Debug)]
pub(super) struct Entry<E> {
    pub(super) id: EntryId,
    /// When its answer must leave; a call of the gateway's own has none.
    pub(super) deadline: Option<Instant>,
    /// When it began to wait.
    pub(super) since: Instant,
    pub(super) payload: E,
}

/// Where the first call of a flow stands among those of the others.
pub(super) type Position = (Tag, u64);

/// The calls of one tenant, first come, first served.
#[derive(Debug)]
pub(super) struct Flow<E> {
    pub(super) terms: Terms,
    pub(super) queue: VecDeque<Entry<E>>,
    /// Places that were given to calls that do not wait in the queue yet.
    pub(super) admitted: u32,
    /// Calls at AWS.
    pub(super) in_flight: u32,
    /// How often calls come.
    pub(super) demand: Demand,
    /// When the last call that went is paid for.
    pub(super) finish: Tag,
    /// Where the first call stands, if it may go.
    pub(super) position: Option<Position>,
}

impl<E> Flow<E> {
    pub(super) const fn new(terms: Terms, now: Instant) -> Self {
        Self {
            terms,
            queue: VecDeque::new(),
            admitted: 0,
            in_flight: 0,
            demand: Demand::new(now),
            finish: Tag(0),
            position: None,
        }
    }

    /// The calls before one that comes now.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len() + self.admitted as usize
    }

    /// Whether its first call may go as far as the flow alone is concerned.
    pub(super) fn may_go(&self) -> bool {
        !self.queue.is_empty() && self.in_flight < self.terms.max_in_flight
    }

    /// Whether nothing would be lost with it at that virtual time.
    pub(super) fn is_forgettable(&self, time: Tag, now: Instant) -> bool {
        self.queue.is_empty()
            && self.admitted == 0
            && self.in_flight == 0
            && self.finish <= time
            && self.demand.per_second(now) <= 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_calls_between_two_moments() {
        let start = Tag::default().after(10, 1);
        assert_eq!(start.calls_until(start, 1), 1);
        assert_eq!(start.calls_until(start.after(2, 1), 1), 3);
        assert_eq!(start.calls_until(start.after(2, 1), 4), 9);
        assert_eq!(start.calls_until(start.before(1), 1), 0);
        assert_eq!(start.after(1, 3).before(3), start);
    }
}
