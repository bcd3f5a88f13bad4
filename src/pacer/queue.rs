//! The driver of a schedule: its lock, its clock and its task.

use std::{
    fmt,
    marker::PhantomData,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Notify, oneshot};

use super::{
    permit::Permit,
    schedule::{Budget, Decision, Flow, FlowId, Outcome, QueueEnd, Rejection, Schedule},
    ticket::Ticket,
};

/// The decision that a waiting call receives.
pub(super) type Grant = Result<(), Rejection>;

/// The schedule of calls that wait for their [`Grant`].
pub(super) type Queue = Schedule<oneshot::Sender<Grant>>;

/// A fair queue for the calls of the operation `O`. Cheap to clone.
pub struct Pacer<O> {
    pub(super) driver: Driver,
    operation: PhantomData<fn() -> O>,
}

/// A pacer without the type of its operation.
#[derive(Debug, Clone)]
pub(super) struct Driver(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    /// Wakes [`Pacer::run`] after [`State::wakes_at`] has become earlier.
    earlier: Notify,
}

#[derive(Debug)]
struct State {
    queue: Queue,
    /// The time at which [`Pacer::run`] makes the next decision.
    wakes_at: Option<Instant>,
}

/// The prospects of a flow's next call.
#[derive(Debug, Clone, Copy)]
pub struct Outlook {
    /// The flow's calls that wait, or are admitted and will wait.
    pub queued: usize,
    /// The flow's calls that were granted and have not ended.
    pub in_flight: u32,
    /// The wait of a call that arrives now.
    pub predicted_wait: Duration,
}

/// The current load of a pacer.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// The limit in force, in calls a second.
    pub calls_per_second: f64,
    /// Callers' calls that wait.
    pub queued: usize,
}

impl<O> Pacer<O> {
    /// Returns a pacer of `calls_per_second`. The value of `O` proves that the caller may make a
    /// pacer of the operation, and thus permits.
    #[must_use]
    pub fn new(_: O, calls_per_second: f64) -> Self {
        let now = now();
        let queue = Schedule::new(Budget::new(calls_per_second, now), now);
        let state = Mutex::new(State { queue, wakes_at: None });
        let driver = Driver(Arc::new(Inner { state, earlier: Notify::new() }));
        Self { driver, operation: PhantomData }
    }

    /// Admits a call if its response can arrive before `deadline`.
    ///
    /// # Errors
    /// [`Rejection`] with the predicted wait. Nothing is consumed.
    pub fn admit(&self, flow: &Flow, deadline: Instant) -> Result<Ticket<O>, Rejection> {
        self.driver.lock().queue.admit(flow, deadline, now())?;
        Ok(Ticket::new(self, flow.id.clone(), Some(deadline), QueueEnd::Back))
    }

    /// Admits a call again, before the other calls of its flow: the upstream throttled it,
    /// so it was not executed.
    ///
    /// # Errors
    /// [`Rejection`] if the response would arrive after `deadline`.
    pub fn readmit(&self, flow: &Flow, deadline: Instant) -> Result<Ticket<O>, Rejection> {
        self.driver.lock().queue.readmit(flow, deadline, now())?;
        Ok(Ticket::new(self, flow.id.clone(), Some(deadline), QueueEnd::Front))
    }

    /// Waits for a permit of an internal call, which is never rejected.
    pub async fn internal_permit(&self) -> Permit<O> {
        let ticket = Ticket::new(self, FlowId::Internal, None, QueueEnd::Back);
        match ticket.permit().await {
            Ok(permit) => permit,
            // A call without a deadline is never rejected.
            Err(_) => std::future::pending().await,
        }
    }

    /// Returns the prospects of the flow's next call.
    #[must_use]
    pub fn outlook(&self, flow: &Flow) -> Outlook {
        let now = now();
        let state = self.driver.lock();
        let queued = state.queue.waiting(&flow.id);
        Outlook {
            queued,
            in_flight: state.queue.in_flight(&flow.id),
            predicted_wait: state.queue.predicted_wait(flow, queued, now),
        }
    }

    /// Returns the current load.
    #[must_use]
    pub fn load(&self) -> Load {
        let state = self.driver.lock();
        Load { calls_per_second: state.queue.budget().rate(now()), queued: state.queue.queued() }
    }

    /// Grants permits as slots become free. Never returns. Without this task a call that must
    /// wait is never granted.
    pub async fn run(&self) {
        loop {
            let wakes_at = self.driver.wake();
            let sleep = async {
                match wakes_at {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.driver.0.earlier.notified() => {}
                () = sleep => {}
            }
        }
    }
}

impl Driver {
    /// Makes the decisions that are due, and returns the time of the next one.
    fn wake(&self) -> Option<Instant> {
        let mut state = self.lock();
        decide(&mut state.queue, now());
        state.wakes_at = state.queue.wakes_at();
        state.wakes_at
    }

    /// Changes the schedule at `now`, and makes the decisions that are due then.
    pub(super) fn change<T>(&self, now: Instant, change: impl FnOnce(&mut Queue) -> T) -> T {
        let mut state = self.lock();
        let changed = change(&mut state.queue);
        decide(&mut state.queue, now);
        let next = state.queue.wakes_at();
        if let Some(next) = next
            && state.wakes_at.is_none_or(|at| next < at)
        {
            state.wakes_at = Some(next);
            self.0.earlier.notify_one();
        }
        changed
    }

    /// Records that a call of the flow, sent at `sent_at`, has ended.
    pub(super) fn ended(&self, id: &FlowId, sent_at: Instant, outcome: Outcome) {
        let now = now();
        self.change(now, |queue| queue.ended(id, sent_at, outcome, now));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn decide(queue: &mut Queue, now: Instant) {
    while let Some(decision) = queue.next(now) {
        // Cannot fail: a waiter leaves the queue before its receiver is dropped.
        let _ = match decision {
            Decision::Grant(waiter) => waiter.send(Ok(())),
            Decision::Reject(waiter, rejection) => waiter.send(Err(rejection)),
        };
    }
}

/// Returns the monotonic time. A runtime with paused time controls it.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl<O> Clone for Pacer<O> {
    fn clone(&self) -> Self {
        Self { driver: self.driver.clone(), operation: PhantomData }
    }
}

impl<O> fmt::Debug for Pacer<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pacer").finish_non_exhaustive()
    }
}
