//! The order and the times of calls: start-time fair queuing (Goyal, Vin and Cheng, 1997)
//! over the slots of a [`Budget`].
//!
//! Pure: no clock, no lock, no task. The driver passes the time in and receives decisions.
//! `E` is the driver's handle of a call that waits.
//!
//! Each call has a start tag in virtual time: the start tag of the flow's previous call plus
//! the cost of one call, but at least the virtual time at which the flow's first call became
//! ready. The call with the smallest tag is granted first, and virtual time is the tag of the
//! last granted call. Therefore a flow that waits receives its share by weight, regardless of
//! the load of the others; a flow does not accumulate an unused share; and no slot is unused
//! while a call is ready. A grant costs O(log flows).
//!
//! All callers together and the internal calls share the slots by the same rule, one level
//! above the flows.

mod admission;
mod budget;
mod call;
mod demand;
mod flow;
mod latency;
mod prediction;
mod shares;

use std::{collections::BTreeMap, time::Instant};

pub use self::{
    budget::Budget,
    call::{Decision, EntryId, Flow, FlowId, Outcome, QueueEnd, Rejection, RejectionCause, Terms},
};
use self::{
    flow::{Entry, FlowState, Position, VirtualTime},
    latency::Latencies,
    shares::{INTERNAL_WEIGHT, Shares},
};

/// The pacer does not bound internal calls: they limit themselves.
const INTERNAL_TERMS: Terms =
    Terms { weight: INTERNAL_WEIGHT, max_queued: u32::MAX, max_in_flight: u32::MAX };

/// The calls that wait and those in flight.
#[derive(Debug)]
pub struct Schedule<E> {
    budget: Budget,
    latencies: Latencies,
    /// Ordered, so that a sum over flows is the same in each process.
    flows: BTreeMap<FlowId, FlowState<E>>,
    /// The callers' flows whose first call is ready, in the order of their grants.
    heads: BTreeMap<Position, FlowId>,
    /// Virtual time among the callers' flows.
    virtual_time: VirtualTime,
    /// The latest virtual finish time of the callers' granted calls.
    latest_finish: VirtualTime,
    /// Virtual time between all callers and the internal calls.
    shares: Shares,
    /// Callers' calls that wait.
    queued: usize,
    sequence: u64,
    /// The number of flows after idle flows were last removed.
    remembered: usize,
}

impl<E> Schedule<E> {
    /// An empty schedule.
    #[must_use]
    pub fn new(budget: Budget, now: Instant) -> Self {
        Self {
            budget,
            latencies: Latencies::default(),
            flows: BTreeMap::from([(FlowId::Internal, FlowState::new(INTERNAL_TERMS, now))]),
            heads: BTreeMap::new(),
            virtual_time: VirtualTime::default(),
            latest_finish: VirtualTime::default(),
            shares: Shares::default(),
            queued: 0,
            sequence: 0,
            remembered: 0,
        }
    }

    /// The budget in force.
    #[must_use]
    pub const fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Callers' calls that wait.
    #[must_use]
    pub const fn queued(&self) -> usize {
        self.queued
    }

    /// The flow's calls that wait, and those that are admitted and not in the queue yet.
    #[must_use]
    pub fn waiting(&self, id: &FlowId) -> usize {
        self.flows.get(id).map_or(0, FlowState::waiting)
    }

    /// The flow's calls that were granted and have not ended.
    #[must_use]
    pub fn in_flight(&self, id: &FlowId) -> u32 {
        self.flows.get(id).map_or(0, |flow| flow.in_flight)
    }

    /// Adds an admitted call to the queue. A call without a deadline is never rejected.
    pub fn join(
        &mut self,
        id: &FlowId,
        deadline: Option<Instant>,
        end: QueueEnd,
        payload: E,
        now: Instant,
    ) -> EntryId {
        if self.is_idle(now) {
            // No call waits, so earlier use is irrelevant.
            self.virtual_time = self.latest_finish;
            self.shares.reset();
        }
        self.sequence += 1;
        let entry_id = EntryId(self.sequence);
        let entry = Entry { id: entry_id, deadline, since: now, payload };
        if let Some(flow) = self.flows.get_mut(id) {
            flow.admitted = flow.admitted.saturating_sub(1);
            match end {
                QueueEnd::Front => flow.queue.push_front(entry),
                QueueEnd::Back => {
                    // Counted here, because an admitted call that never joins delays no other.
                    flow.demand.add(now);
                    flow.queue.push_back(entry);
                }
            }
            self.queued += usize::from(*id != FlowId::Internal);
        }
        self.rank(id);
        entry_id
    }

    /// Removes a call from the queue without a decision. Returns false if its decision has
    /// already been made.
    pub fn cancel(&mut self, id: &FlowId, entry: EntryId) -> bool {
        let Some(flow) = self.flows.get_mut(id) else { return false };
        let Some(index) = flow.queue.iter().position(|waiting| waiting.id == entry) else {
            return false;
        };
        flow.queue.remove(index);
        self.left_queue(id);
        true
    }

    /// Makes the next decision that is due; `None` if none is due before
    /// [`Schedule::wakes_at`].
    pub fn next(&mut self, now: Instant) -> Option<Decision<E>> {
        if !self.budget.is_free(now) {
            return None;
        }
        let id = self.first()?;
        let flow = self.flows.get_mut(&id)?;
        let start = flow.position.map_or(flow.finish, |(start, _)| start);
        let terms = flow.terms;
        let Entry { deadline, since, payload, .. } = flow.queue.pop_front()?;
        // A call that did not wait is not rejected: the budget has not delayed it.
        let is_late = since < now
            && deadline.is_some_and(|deadline| now + self.latencies.p99(now) > deadline);
        if !is_late {
            flow.in_flight += 1;
            self.charge(&id, start, now);
        }
        self.left_queue(&id);
        if is_late {
            let ahead = self.waiting(&id);
            let predicted_wait = self.predicted_wait(&Flow { id, terms }, ahead, now);
            let cause = RejectionCause::DeadlineTooShort;
            return Some(Decision::Reject(payload, Rejection { cause, predicted_wait }));
        }
        Some(Decision::Grant(payload))
    }

    /// Returns the time of the next decision; `None` if no call is ready.
    #[must_use]
    pub fn wakes_at(&self) -> Option<Instant> {
        (!self.heads.is_empty() || self.internal_may_go()).then(|| self.budget.free_at())
    }

    /// Records that a granted call, sent at `sent_at`, has ended.
    pub fn ended(&mut self, id: &FlowId, sent_at: Instant, outcome: Outcome, now: Instant) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        flow.in_flight = flow.in_flight.saturating_sub(1);
        if matches!(outcome, Outcome::Throttled(_) | Outcome::NotSent) {
            // The flow did not use the slot, and is not charged for it.
            flow.finish = flow.finish.before(flow.terms.weight);
        }
        match outcome {
            Outcome::Completed => {
                self.latencies.add(now.saturating_duration_since(sent_at), now);
            }
            Outcome::Throttled(retry_after) => self.budget.throttled(sent_at, retry_after, now),
            Outcome::NotSent => self.budget.give_back(now),
            Outcome::NoResponse => {}
        }
        self.rank(id);
    }

    /// Whether a call that arrives now would be the only one.
    fn is_idle(&self, now: Instant) -> bool {
        self.queued == 0 && !self.internal_may_go() && self.budget.is_free(now)
    }

    fn internal_may_go(&self) -> bool {
        self.flows.get(&FlowId::Internal).is_some_and(FlowState::may_go)
    }

    /// The flow of the next call.
    fn first(&self) -> Option<FlowId> {
        let callers = self.heads.first_key_value().map(|(_, id)| id);
        match (callers, self.internal_may_go()) {
            (Some(id), internal) if !internal || self.shares.is_callers_next() => Some(id.clone()),
            (_, internal) => internal.then_some(FlowId::Internal),
        }
    }

    /// Charges the slot to a call of the flow with the start tag `start`.
    fn charge(&mut self, id: &FlowId, start: VirtualTime, now: Instant) {
        self.budget.take(now);
        let Some(flow) = self.flows.get_mut(id) else { return };
        if *id == FlowId::Internal {
            self.shares.charge_internal();
            return;
        }
        self.shares.charge_callers();
        self.virtual_time = start;
        flow.finish = start.after(1, flow.terms.weight);
        self.latest_finish = self.latest_finish.max(flow.finish);
        if let Some(position) = flow.position.take() {
            self.heads.remove(&position);
        }
    }

    fn left_queue(&mut self, id: &FlowId) {
        self.queued -= usize::from(*id != FlowId::Internal);
        self.rank(id);
    }

    /// Adds a caller's flow to `heads` if its first call is ready, and removes it otherwise.
    fn rank(&mut self, id: &FlowId) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        if *id == FlowId::Internal {
            return;
        }
        match (flow.may_go(), flow.position) {
            (true, None) => {
                self.sequence += 1;
                let position = (self.virtual_time.max(flow.finish), self.sequence);
                flow.position = Some(position);
                self.heads.insert(position, id.clone());
            }
            (false, Some(position)) => {
                flow.position = None;
                self.heads.remove(&position);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
