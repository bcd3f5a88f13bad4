//! The state of one flow: its calls that wait, and those in flight.

use std::{collections::VecDeque, time::Instant};

use super::{
    call::{EntryId, Terms},
    demand::Demand,
};

/// A moment in virtual time, which measures the part of the budget that a flow has used. A call
/// advances it by the reciprocal of its flow's weight.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct VirtualTime(u64);

impl VirtualTime {
    /// The cost of a call of weight 1. The maximum weight is 1000, so the rounding error is
    /// below 0.1 %. 2^44 calls of weight 1 fit.
    const UNIT: u64 = 1 << 20;

    /// Returns the moment after `calls` consecutive calls of a flow of that weight.
    pub(super) fn after(self, calls: usize, weight: u32) -> Self {
        let calls = u64::try_from(calls).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(calls.saturating_mul(Self::cost(weight))))
    }

    /// Returns the moment before a call of that weight.
    pub(super) fn before(self, weight: u32) -> Self {
        Self(self.0.saturating_sub(Self::cost(weight)))
    }

    /// The number of calls of a flow of that weight that begin from `self` to `until`,
    /// both included.
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
    /// The time by which its response is needed; an internal call has none.
    pub(super) deadline: Option<Instant>,
    /// The start of its wait.
    pub(super) since: Instant,
    pub(super) payload: E,
}

/// The rank of a flow's first call among those of the other flows.
pub(super) type Position = (VirtualTime, u64);

/// One flow. Its calls are served in the order of their arrival.
#[derive(Debug)]
pub(super) struct FlowState<E> {
    pub(super) terms: Terms,
    pub(super) queue: VecDeque<Entry<E>>,
    /// Calls that are admitted and not in the queue yet.
    pub(super) admitted: u32,
    /// Calls in flight.
    pub(super) in_flight: u32,
    /// The recent rate of arrivals.
    pub(super) demand: Demand,
    /// The virtual finish time of the last granted call.
    pub(super) finish: VirtualTime,
    /// The rank of the first call, if it is ready.
    pub(super) position: Option<Position>,
}

impl<E> FlowState<E> {
    pub(super) const fn new(terms: Terms, now: Instant) -> Self {
        Self {
            terms,
            queue: VecDeque::new(),
            admitted: 0,
            in_flight: 0,
            demand: Demand::new(now),
            finish: VirtualTime(0),
            position: None,
        }
    }

    /// Returns the number of calls ahead of one that arrives now.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len() + self.admitted as usize
    }

    /// Whether the first call is ready: the flow's bound on calls in flight admits it.
    pub(super) fn may_go(&self) -> bool {
        !self.queue.is_empty() && self.in_flight < self.terms.max_in_flight
    }

    /// Whether the flow can be removed at that virtual time without an effect on any decision.
    pub(super) fn is_forgettable(&self, time: VirtualTime, now: Instant) -> bool {
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
        let start = VirtualTime::default().after(10, 1);
        assert_eq!(start.calls_until(start, 1), 1);
        assert_eq!(start.calls_until(start.after(2, 1), 1), 3);
        assert_eq!(start.calls_until(start.after(2, 1), 4), 9);
        assert_eq!(start.calls_until(start.before(1), 1), 0);
        assert_eq!(start.after(1, 3).before(3), start);
    }

    #[test]
    fn only_an_idle_flow_without_recent_calls_is_forgettable() {
        let now = Instant::now();
        let time = VirtualTime::default().after(3, 1);
        let flow = |change: fn(&mut FlowState<()>, Instant)| {
            let terms = Terms { weight: 1, max_queued: 1, max_in_flight: 1 };
            let mut flow = FlowState::new(terms, now);
            flow.finish = VirtualTime::default().after(3, 1);
            change(&mut flow, now);
            flow
        };
        assert!(flow(|_, _| {}).is_forgettable(time, now));
        // Its next call would be charged for its last one.
        assert!(!flow(|flow, _| flow.finish = flow.finish.after(1, 1)).is_forgettable(time, now));
        assert!(!flow(|flow, _| flow.admitted = 1).is_forgettable(time, now));
        assert!(!flow(|flow, _| flow.in_flight = 1).is_forgettable(time, now));
        assert!(!flow(|flow, now| flow.demand.add(now)).is_forgettable(time, now));
        let waits = |flow: &mut FlowState<()>, since| {
            let id = EntryId(1);
            flow.queue.push_back(Entry { id, deadline: None, since, payload: () });
        };
        assert!(!flow(waits).is_forgettable(time, now));
    }
}
