//! Admission: a call enters only if it can be served before its deadline.

use std::time::{Duration, Instant};

use super::{Flow, FlowId, Rejection, RejectionCause, Schedule, flow::FlowState};

/// Minimum number of flows at which idle flows are removed.
const MIN_REMEMBERED: usize = 64;

impl<E> Schedule<E> {
    /// Admits a call. It then enters the queue by [`Schedule::join`], or withdraws by
    /// [`Schedule::leave`].
    ///
    /// # Errors
    /// [`Rejection`] if the flow's queue is full, or if the response would arrive after
    /// `deadline`. A call that need not wait is never rejected, because the budget does not
    /// delay it.
    pub fn admit(&mut self, flow: &Flow, deadline: Instant, now: Instant) -> Result<(), Rejection> {
        let ahead = self.waiting(&flow.id);
        if self.must_wait(flow, now) {
            let predicted_wait = self.predicted_wait(flow, ahead, now);
            if ahead >= flow.terms.max_queued as usize {
                return Err(Rejection { cause: RejectionCause::QueueFull, predicted_wait });
            }
            self.check(predicted_wait, deadline, now)?;
        }
        self.state(flow, now).admitted += 1;
        Ok(())
    }

    /// Admits a call that the upstream throttled, before the other calls of its flow.
    ///
    /// # Errors
    /// [`Rejection`] if the response would arrive after `deadline`.
    pub fn readmit(
        &mut self,
        flow: &Flow,
        deadline: Instant,
        now: Instant,
    ) -> Result<(), Rejection> {
        self.check(self.predicted_wait(flow, 0, now), deadline, now)?;
        self.state(flow, now).admitted += 1;
        Ok(())
    }

    /// Withdraws an admitted call that has not entered the queue.
    pub fn leave(&mut self, id: &FlowId) {
        if let Some(state) = self.flows.get_mut(id) {
            state.admitted = state.admitted.saturating_sub(1);
        }
    }

    /// Rejects a call with that wait if its response would arrive after its deadline.
    fn check(
        &self,
        predicted_wait: Duration,
        deadline: Instant,
        now: Instant,
    ) -> Result<(), Rejection> {
        let response = now.checked_add(predicted_wait).map(|grant| grant + self.latencies.p99(now));
        if response.is_some_and(|response| response <= deadline) {
            Ok(())
        } else {
            Err(Rejection { cause: RejectionCause::DeadlineTooShort, predicted_wait })
        }
    }

    /// Whether a call that arrives now waits, for a slot or for a response.
    fn must_wait(&self, flow: &Flow, now: Instant) -> bool {
        self.wakes_at().is_some()
            || !self.budget.is_free(now)
            || self.waiting(&flow.id) > 0
            || self.in_flight(&flow.id) >= flow.terms.max_in_flight
    }

    /// Returns the state of the flow, with the terms of `flow`.
    pub(super) fn state(&mut self, flow: &Flow, now: Instant) -> &mut FlowState<E> {
        let Flow { id, terms } = flow;
        if self.flows.len() >= MIN_REMEMBERED.max(2 * self.remembered) {
            let time = self.virtual_time;
            self.flows
                .retain(|id, state| *id == FlowId::Internal || !state.is_forgettable(time, now));
            self.remembered = self.flows.len();
        }
        let state = self.flows.entry(id.clone()).or_insert_with(|| FlowState::new(*terms, now));
        if *id != FlowId::Internal {
            state.terms = *terms;
        }
        state
    }
}
