//! A permit: the right to make one call.

use std::{
    marker::PhantomData,
    time::{Duration, Instant},
};

use super::{
    queue::{Driver, now},
    schedule::{FlowId, Outcome},
};

/// The right to make one call of the operation `O`. It cannot be cloned and is consumed by
/// the call. If it is dropped unused, its slot is free for the next call.
#[must_use = "an unused permit delays other calls until it is dropped"]
pub struct Permit<O> {
    call: Call,
    waited: Duration,
    operation: PhantomData<fn() -> O>,
}

/// A granted call, whose outcome is reported exactly once.
struct Call {
    driver: Driver,
    flow: FlowId,
    stage: Stage,
}

#[derive(Clone, Copy)]
enum Stage {
    /// The call has not begun.
    Granted,
    /// The call began at this time.
    Sent(Instant),
    /// The outcome has been reported.
    Reported,
}

impl<O> Permit<O> {
    pub(super) fn new(driver: Driver, flow: FlowId, waited: Duration) -> Self {
        let call = Call { driver, flow, stage: Stage::Granted };
        Self { call, waited, operation: PhantomData }
    }

    /// Returns the time that the call waited in the queue.
    #[must_use]
    pub const fn waited(&self) -> Duration {
        self.waited
    }

    /// Makes the call and reports its outcome. A call that is dropped before its end counts
    /// as [`Outcome::NoResponse`].
    pub async fn spend<T>(
        self,
        call: impl Future<Output = T>,
        outcome: impl FnOnce(&T) -> Outcome,
    ) -> T {
        let mut granted = self.call;
        let sent_at = now();
        granted.stage = Stage::Sent(sent_at);
        let output = call.await;
        granted.stage = Stage::Reported;
        granted.driver.ended(&granted.flow, sent_at, outcome(&output));
        output
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        match self.stage {
            Stage::Granted => self.driver.ended(&self.flow, now(), Outcome::NotSent),
            Stage::Sent(sent_at) => self.driver.ended(&self.flow, sent_at, Outcome::NoResponse),
            Stage::Reported => {}
        }
    }
}
