//! A ticket: the right to wait in the queue.

use std::{marker::PhantomData, time::Instant};

use tokio::sync::oneshot;

use super::{
    permit::Permit,
    queue::{Driver, Grant, Pacer, Queue, now},
    schedule::{EntryId, FlowId, Outcome, QueueEnd, Rejection, RejectionCause},
};

/// An admitted call. A ticket that is dropped leaves the queue.
#[must_use = "an unused ticket delays other calls"]
pub struct Ticket<O> {
    driver: Driver,
    flow: FlowId,
    /// `None` for an internal call, which is not admitted but only queued.
    deadline: Option<Instant>,
    end: QueueEnd,
    has_joined: bool,
    operation: PhantomData<fn() -> O>,
}

impl<O> Ticket<O> {
    pub(super) fn new(
        pacer: &Pacer<O>,
        flow: FlowId,
        deadline: Option<Instant>,
        end: QueueEnd,
    ) -> Self {
        let driver = pacer.driver.clone();
        Self { driver, flow, deadline, end, has_joined: false, operation: PhantomData }
    }

    /// Waits for the permit. A caller that stops waiting leaves the queue and consumes nothing.
    ///
    /// # Errors
    /// [`Rejection`] if the wait has become so long that the response would arrive after the
    /// deadline.
    pub async fn permit(mut self) -> Result<Permit<O>, Rejection> {
        let (waiter, grant) = oneshot::channel();
        let began = now();
        let (flow, deadline, end) = (&self.flow, self.deadline, self.end);
        let join = |queue: &mut Queue| queue.join(flow, deadline, end, waiter, began);
        let id = self.driver.change(began, join);
        self.has_joined = true;
        let mut waiting =
            Waiting { driver: &self.driver, flow: &self.flow, id, grant, is_decided: false };
        let grant = (&mut waiting.grant).await;
        waiting.is_decided = true;
        drop(waiting);
        // The schedule never drops a waiter without sending it a decision.
        grant.unwrap_or(Err(Rejection {
            cause: RejectionCause::DeadlineTooShort,
            predicted_wait: std::time::Duration::ZERO,
        }))?;
        let wait = now().saturating_duration_since(began);
        Ok(Permit::new(self.driver.clone(), self.flow.clone(), wait))
    }
}

impl<O> Drop for Ticket<O> {
    fn drop(&mut self) {
        if !self.has_joined && self.deadline.is_some() {
            self.driver.change(now(), |queue| queue.leave(&self.flow));
        }
    }
}

/// A call in the queue. If it is dropped before it receives its decision, it leaves the queue,
/// and a slot that was granted to it in the meantime is free for the next call.
struct Waiting<'a> {
    driver: &'a Driver,
    flow: &'a FlowId,
    id: EntryId,
    grant: oneshot::Receiver<Grant>,
    is_decided: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.is_decided {
            return;
        }
        let Self { driver, flow, id, .. } = *self;
        let was_waiting = driver.change(now(), |queue| queue.cancel(flow, id));
        if !was_waiting && matches!(self.grant.try_recv(), Ok(Ok(()))) {
            driver.ended(flow, now(), Outcome::NotSent);
        }
    }
}
