//! Whose call of one operation goes to AWS next, and when: start-time fair queuing
//! (Goyal, Vin and Cheng, 1997) over the slots of a [`Budget`].
//!
//! Pure: it holds no clock, no lock and no task. Whoever drives it says what time it is,
//! and is told what may go. `E` is whatever stands for a call that waits.
//!
//! Each call has a start tag in virtual time: one call's worth after the last call of its
//! flow, by the flow's weight, but not before the virtual time at which the flow became
//! able to go. The least tag goes first, and virtual time is the tag of what went last.
//! So a flow that waits gets its share by weight, whatever the others send; one that does
//! not use its share saves nothing up; and no slot is left unused while a call waits that
//! may go. A decision costs O(log flows).
//!
//! Callers together and the gateway's own calls (settling, the sweep) share the slots by
//! the same rule, one level above the flows.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

pub use super::{
    budget::Budget,
    call::{Ended, EntryId, Next, QueueEnd, Refused, Terms, Who},
};
use super::{
    flow::{Entry, Flow, Position, Tag},
    latency::Latencies,
    shares::{OWN_WEIGHT, Shares},
};

/// The gateway's own calls limit themselves.
const OWN_TERMS: Terms =
    Terms { weight: OWN_WEIGHT, max_queued: u32::MAX, max_in_flight: u32::MAX };

/// So many flows are remembered before those are looked for that can be forgotten.
const MIN_REMEMBERED: usize = 64;

/// The calls of one operation: those that wait, and those at AWS.
#[derive(Debug)]
pub struct Schedule<E> {
    budget: Budget,
    pub(super) latencies: Latencies,
    pub(super) flows: HashMap<Who, Flow<E>>,
    /// The first call of each tenant that may go, the next one first.
    heads: BTreeMap<Position, Who>,
    /// Virtual time among the tenants.
    pub(super) time: Tag,
    /// The latest end of all tenants' calls that went.
    latest_finish: Tag,
    /// The same between all callers and the gateway.
    shares: Shares,
    /// Callers' calls that wait.
    queued: usize,
    sequence: u64,
    /// The flows that were left when some were last forgotten.
    remembered: usize,
}

impl<E> Schedule<E> {
    /// Nothing waits, and nothing is at AWS.
    #[must_use]
    pub fn new(budget: Budget, now: Instant) -> Self {
        Self {
            budget,
            latencies: Latencies::default(),
            flows: HashMap::from([(Who::Gateway, Flow::new(OWN_TERMS, now))]),
            heads: BTreeMap::new(),
            time: Tag::default(),
            latest_finish: Tag::default(),
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

    /// The tenant's calls that wait, and those that were given a place.
    #[must_use]
    pub fn waiting(&self, who: &Who) -> usize {
        self.flows.get(who).map_or(0, Flow::waiting)
    }

    /// Gives a call a place, which it takes by [`Schedule::join`] or gives back by
    /// [`Schedule::leave`].
    ///
    /// # Errors
    /// [`Refused`] if as many wait as may, or if its answer would come after `deadline`.
    /// A call that need not wait is never refused: what makes it late is not the budget.
    pub fn admit(
        &mut self,
        who: &Who,
        terms: Terms,
        deadline: Instant,
        now: Instant,
    ) -> Result<(), Refused> {
        let ahead = self.waiting(who);
        if self.must_wait(who, terms, now) {
            let wait = self.predicted_wait(who, terms, ahead, now);
            if ahead >= terms.max_queued as usize {
                return Err(Refused::QueueFull(wait));
            }
            self.check(wait, deadline, now)?;
        }
        self.flow(who, terms, now).admitted += 1;
        Ok(())
    }

    /// Gives a call that AWS throttled a place again, before the others of its tenant.
    ///
    /// # Errors
    /// [`Refused`] if its answer would come after `deadline`.
    pub fn readmit(
        &mut self,
        who: &Who,
        terms: Terms,
        deadline: Instant,
        now: Instant,
    ) -> Result<(), Refused> {
        self.check(self.predicted_wait(who, terms, 0, now), deadline, now)?;
        self.flow(who, terms, now).admitted += 1;
        Ok(())
    }

    /// Whether a call that waits so long can be answered in time.
    fn check(&self, wait: Duration, deadline: Instant, now: Instant) -> Result<(), Refused> {
        let answered = now.checked_add(wait).map(|turn| turn + self.latencies.p99(now));
        if answered.is_some_and(|answered| answered <= deadline) {
            Ok(())
        } else {
            Err(Refused::TooLate(wait))
        }
    }

    /// Whether a call that came now would wait, for its slot or for an answer.
    fn must_wait(&self, who: &Who, terms: Terms, now: Instant) -> bool {
        let under_way = self.flows.get(who).map_or(0, |it| it.waiting() + it.in_flight as usize);
        self.wakes_at().is_some()
            || !self.budget.is_free(now)
            || self.waiting(who) > 0
            || under_way >= terms.max_in_flight as usize
    }

    /// A call that was given a place does without it.
    pub fn leave(&mut self, who: &Who) {
        if let Some(flow) = self.flows.get_mut(who) {
            flow.admitted = flow.admitted.saturating_sub(1);
        }
    }

    /// A call that was given a place waits from now on: behind the others of its tenant,
    /// or before them if AWS has throttled it. One without a deadline is never too late.
    pub fn join(
        &mut self,
        who: &Who,
        deadline: Option<Instant>,
        end: QueueEnd,
        payload: E,
        now: Instant,
    ) -> EntryId {
        if self.is_idle(now) {
            // Nothing was kept waiting, so nobody has had more than a share.
            self.time = self.latest_finish;
            self.shares.forget();
        }
        self.sequence += 1;
        let id = EntryId(self.sequence);
        let entry = Entry { id, deadline, since: now, payload };
        if let Some(flow) = self.flows.get_mut(who) {
            flow.admitted = flow.admitted.saturating_sub(1);
            match end {
                QueueEnd::Front => flow.queue.push_front(entry),
                QueueEnd::Back => {
                    // What does without its place does not come before anybody.
                    flow.demand.add(now);
                    flow.queue.push_back(entry);
                }
            }
            self.queued += usize::from(*who != Who::Gateway);
        }
        self.place(who);
        id
    }

    /// A call leaves the queue, because nobody wants it any more. Answers whether it was
    /// there: else it was told what becomes of it.
    pub fn cancel(&mut self, who: &Who, id: EntryId) -> bool {
        let Some(flow) = self.flows.get_mut(who) else { return false };
        let Some(index) = flow.queue.iter().position(|entry| entry.id == id) else {
            return false;
        };
        flow.queue.remove(index);
        self.left_queue(who);
        true
    }

    /// The next call that may go now, or that need not wait any longer; none if nothing
    /// waits, or until [`Schedule::wakes_at`].
    pub fn next(&mut self, now: Instant) -> Option<Next<E>> {
        if !self.budget.is_free(now) {
            return None;
        }
        let who = self.first()?;
        let p99 = self.latencies.p99(now);
        let flow = self.flows.get_mut(&who)?;
        let start = flow.position.map_or(flow.finish, |(start, _)| start);
        let terms = flow.terms;
        let Entry { deadline, since, payload, .. } = flow.queue.pop_front()?;
        // One that did not wait is late for other reasons than the budget's.
        let is_late = since < now && deadline.is_some_and(|deadline| now + p99 > deadline);
        if !is_late {
            flow.in_flight += 1;
            self.charge(&who, start, now);
        }
        self.left_queue(&who);
        if is_late {
            let ahead = self.waiting(&who);
            let wait = self.predicted_wait(&who, terms, ahead, now);
            return Some(Next::TooLate(payload, wait));
        }
        Some(Next::Go(payload))
    }

    /// When [`Schedule::next`] may have an answer; none if nothing waits that may go.
    #[must_use]
    pub fn wakes_at(&self) -> Option<Instant> {
        (!self.heads.is_empty() || self.own_may_go()).then(|| self.budget.free_at())
    }

    /// A call that went at `sent_at` has ended.
    pub fn ended(&mut self, who: &Who, sent_at: Instant, ended: Ended, now: Instant) {
        let Some(flow) = self.flows.get_mut(who) else { return };
        flow.in_flight = flow.in_flight.saturating_sub(1);
        if matches!(ended, Ended::Throttled(_) | Ended::Unsent) {
            // The slot came to nothing, and is not charged.
            flow.finish = flow.finish.before(flow.terms.weight);
        }
        match ended {
            Ended::Answered => {
                self.latencies.add(now.saturating_duration_since(sent_at), now);
            }
            Ended::Throttled(retry_after) => self.budget.throttled(sent_at, retry_after, now),
            Ended::Unsent => self.budget.give_back(now),
            Ended::Unanswered => {}
        }
        self.place(who);
    }

    /// Whether a call that came now would be the only one.
    fn is_idle(&self, now: Instant) -> bool {
        self.queued == 0 && !self.own_may_go() && self.budget.is_free(now)
    }

    fn own_may_go(&self) -> bool {
        self.flows.get(&Who::Gateway).is_some_and(Flow::may_go)
    }

    /// Whose call is next.
    fn first(&self) -> Option<Who> {
        let callers = self.heads.first_key_value().map(|(_, who)| who);
        match (callers, self.own_may_go()) {
            (Some(who), own) if !own || self.shares.is_callers_turn() => Some(who.clone()),
            (_, own) => own.then_some(Who::Gateway),
        }
    }

    /// A call with that start tag takes the slot.
    fn charge(&mut self, who: &Who, start: Tag, now: Instant) {
        self.budget.take(now);
        let Some(flow) = self.flows.get_mut(who) else { return };
        if *who == Who::Gateway {
            self.shares.charge_gateway();
            return;
        }
        self.shares.charge_callers();
        self.time = start;
        flow.finish = start.after(1, flow.terms.weight);
        self.latest_finish = self.latest_finish.max(flow.finish);
        if let Some(position) = flow.position.take() {
            self.heads.remove(&position);
        }
    }

    fn left_queue(&mut self, who: &Who) {
        self.queued -= usize::from(*who != Who::Gateway);
        self.place(who);
    }

    /// Puts a tenant's first call among the others', or takes it away.
    fn place(&mut self, who: &Who) {
        let Some(flow) = self.flows.get_mut(who) else { return };
        if *who == Who::Gateway {
            return;
        }
        match (flow.may_go(), flow.position) {
            (true, None) => {
                self.sequence += 1;
                let position = (self.time.max(flow.finish), self.sequence);
                flow.position = Some(position);
                self.heads.insert(position, who.clone());
            }
            (false, Some(position)) => {
                flow.position = None;
                self.heads.remove(&position);
            }
            _ => {}
        }
    }

    /// The tenant's flow under these terms.
    fn flow(&mut self, who: &Who, terms: Terms, now: Instant) -> &mut Flow<E> {
        if self.flows.len() >= MIN_REMEMBERED.max(2 * self.remembered) {
            let time = self.time;
            self.flows.retain(|who, flow| *who == Who::Gateway || !flow.is_forgettable(time, now));
            self.remembered = self.flows.len();
        }
        let flow = self.flows.entry(who.clone()).or_insert_with(|| Flow::new(terms, now));
        if *who != Who::Gateway {
            flow.terms = terms;
        }
        flow
    }
}

#[cfg(test)]
mod tests;
