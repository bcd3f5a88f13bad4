//! The pacer of one operation: the schedule behind a lock, and its clock.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Notify, oneshot};

use super::{
    Claim, Operation, Place, Turn, now,
    schedule::{Budget, Ended, Next, Refused, Schedule, Terms, Who},
};
use crate::{
    error::{Error, NoTurn},
    ivs::{AwsMetrics, CallCounts, CallError},
    tenancy::{Limit, Tenant},
};

/// What waits is told this.
#[derive(Debug, Clone, Copy)]
pub(super) enum Told {
    Go,
    TooLate(Duration),
}

/// Shares the calls of one operation.
#[derive(Debug)]
pub struct Pacer {
    operation: Operation,
    pub(super) calls: CallCounts,
    state: Mutex<State>,
    /// The next turn is sooner than [`State::wakes_at`].
    sooner: Notify,
}

pub(super) type Queue = Schedule<oneshot::Sender<Told>>;

#[derive(Debug)]
struct State {
    schedule: Queue,
    /// When the next turn is given without anybody's doing.
    wakes_at: Option<Instant>,
}

/// What a tenant's calls would meet.
#[derive(Debug, Clone, Copy)]
pub struct Outlook {
    /// The tenant's calls that wait.
    pub queued: usize,
    /// How long one that came now would wait.
    pub predicted_wait: Duration,
    /// The calls a second that go to AWS now, for all.
    pub calls_per_second: f64,
}

impl Pacer {
    pub(super) fn new(operation: Operation, calls_per_second: f64, metrics: &AwsMetrics) -> Self {
        let now = now();
        let schedule = Schedule::new(Budget::new(calls_per_second, now), now);
        Self {
            operation,
            calls: metrics.calls(operation),
            state: Mutex::new(State { schedule, wakes_at: None }),
            sooner: Notify::new(),
        }
    }

    /// The operation whose calls it shares.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        self.operation
    }

    /// Gives a call a place, if it can have its turn and its answer in time.
    ///
    /// # Errors
    /// `ACCOUNT_BUDGET`, with the predicted wait. Nothing was taken.
    pub fn admit(self: &Arc<Self>, claim: &Claim) -> Result<Place, Error> {
        let who = Who::Tenant(claim.tenant.id.clone());
        let terms = terms(&claim.tenant);
        let now = now();
        let mut state = self.lock();
        let mut admitted = state.schedule.admit(&who, terms, claim.deadline, now);
        if claim.tenant.settings.shadow && matches!(admitted, Err(Refused::QueueFull(_))) {
            let _ = claim.tenant.exceeded(Limit::Queue);
            claim.record.would_refuse("ACCOUNT_BUDGET");
            let unbounded = Terms { max_queued: u32::MAX, ..terms };
            admitted = state.schedule.admit(&who, unbounded, claim.deadline, now);
        }
        drop(state);
        match admitted {
            Ok(()) => Ok(Place::new(self, who, Some(claim.clone()))),
            Err(refused) => Err(self.refusal(&claim.tenant, refused)),
        }
    }

    /// Makes a call that changes nothing when its turn comes: [`Turn::spend_on`].
    ///
    /// # Errors
    /// `ACCOUNT_BUDGET`; what AWS answered stands within.
    pub async fn read<T, F: Future<Output = Result<T, CallError>>>(
        self: &Arc<Self>,
        claim: &Claim,
        call: impl Fn() -> F,
    ) -> Result<Result<T, CallError>, Error> {
        self.admit(claim)?.turn().await?.spend_on(call).await
    }

    /// A turn for a call of the gateway's own. It may take long, and is never refused.
    pub async fn own_turn(self: &Arc<Self>) -> Turn {
        let place = Place::new(self, Who::Gateway, None);
        match place.turn().await {
            Ok(turn) => turn,
            // Without a deadline it is never too late.
            Err(_) => std::future::pending().await,
        }
    }

    /// What a call of the tenant would meet now.
    #[must_use]
    pub fn outlook(&self, tenant: &Tenant) -> Outlook {
        let who = Who::Tenant(tenant.id.clone());
        let now = now();
        let state = self.lock();
        let queued = state.schedule.waiting(&who);
        Outlook {
            queued,
            predicted_wait: state.schedule.predicted_wait(&who, terms(tenant), queued, now),
            calls_per_second: state.schedule.budget().rate(now),
        }
    }

    /// The calls a second that go to AWS now, and the callers' calls that wait.
    #[must_use]
    pub fn load(&self) -> (f64, usize) {
        let state = self.lock();
        (state.schedule.budget().rate(now()), state.schedule.queued())
    }

    pub(super) fn refusal(&self, tenant: &Tenant, refused: Refused) -> Error {
        let (why, limit, wait) = match refused {
            Refused::QueueFull(wait) => (NoTurn::QueueFull, Limit::Queue, wait),
            Refused::TooLate(wait) => (NoTurn::TooLate, Limit::Deadline, wait),
        };
        let _ = tenant.exceeded(limit);
        Error::AccountBudget { operation: self.operation.name(), why, retry_after: wait }
    }

    /// Gives turns as they become free.
    pub(super) async fn run(&self) {
        loop {
            let wakes_at = {
                let mut state = self.lock();
                state.wakes_at = None;
                give_turns(&mut state.schedule, now());
                state.wakes_at = state.schedule.wakes_at();
                state.wakes_at
            };
            let asleep = async {
                match wakes_at {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = asleep => {}
                () = self.sooner.notified() => {}
            }
        }
    }

    /// Changes the schedule at that time, and gives what turns are free then.
    pub(super) fn change<T>(&self, now: Instant, change: impl FnOnce(&mut Queue) -> T) -> T {
        let mut state = self.lock();
        let changed = change(&mut state.schedule);
        give_turns(&mut state.schedule, now);
        let next = state.schedule.wakes_at();
        if let Some(next) = next
            && state.wakes_at.is_none_or(|at| next < at)
        {
            state.wakes_at = Some(next);
            self.sooner.notify_one();
        }
        changed
    }

    /// A call of `who` that went at `sent_at` has ended.
    pub(super) fn ended(&self, who: &Who, sent_at: Instant, ended: Ended) {
        self.calls.ended(ended);
        let now = now();
        self.change(now, |schedule| schedule.ended(who, sent_at, ended, now));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn give_turns(queue: &mut Queue, now: Instant) {
    while let Some(next) = queue.next(now) {
        // Whoever waits leaves the queue before it stops to listen.
        let _ = match next {
            Next::Go(waiter) => waiter.send(Told::Go),
            Next::TooLate(waiter, wait) => waiter.send(Told::TooLate(wait)),
        };
    }
}

/// What a tenant's calls may do. In shadow only the account's own budget holds.
pub(super) fn terms(tenant: &Tenant) -> Terms {
    let settings = &tenant.settings;
    let max_in_flight = if settings.shadow { u32::MAX } else { settings.max_in_flight };
    Terms { weight: settings.weight, max_queued: settings.max_queued, max_in_flight }
}
