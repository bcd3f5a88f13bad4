//! A call's way to AWS: a place, a turn, and what became of it.

use std::{sync::Arc, time::Instant};

use tokio::sync::oneshot;

use super::{
    Claim, Pacer, now,
    of_operation::{Queue, Told, terms},
    schedule::{Ended, EntryId, QueueEnd, Refused, Who},
};
use crate::{
    error::Error,
    ivs::{CallError, FailureKind},
};

/// A place among the calls that wait. Given back when dropped.
#[derive(Debug)]
#[must_use = "a place that is not used keeps others waiting"]
pub struct Place {
    pacer: Arc<Pacer>,
    who: Who,
    /// None for the gateway's own calls.
    claim: Option<Claim>,
    end: QueueEnd,
    is_taken: bool,
}

impl Place {
    pub(super) fn new(pacer: &Arc<Pacer>, who: Who, claim: Option<Claim>) -> Self {
        Self { pacer: Arc::clone(pacer), who, claim, end: QueueEnd::Back, is_taken: false }
    }

    /// Waits for the turn. Whoever stops waiting leaves the queue and has taken nothing.
    ///
    /// # Errors
    /// `ACCOUNT_BUDGET` if its answer would come too late after all.
    pub async fn turn(mut self) -> Result<Turn, Error> {
        let (waiter, told) = oneshot::channel();
        let deadline = self.claim.as_ref().map(|claim| claim.deadline);
        let began = now();
        let (who, end) = (&self.who, self.end);
        let join = |schedule: &mut Queue| schedule.join(who, deadline, end, waiter, began);
        let id = self.pacer.change(began, join);
        self.is_taken = true;
        let mut waiting = Waiting { place: &self, id, told, is_over: false };
        let told = (&mut waiting.told).await;
        waiting.is_over = true;
        drop(waiting);
        match told {
            Ok(Told::Go) => {
                self.pacer.calls.waited(now().saturating_duration_since(began));
                let (pacer, who) = (Arc::clone(&self.pacer), self.who.clone());
                let claim = self.claim.take();
                Ok(Turn { pacer, who, claim, usage: Usage::None })
            }
            Ok(Told::TooLate(wait)) => Err(self.claim.as_ref().map_or(Error::Internal, |claim| {
                self.pacer.refusal(&claim.tenant, Refused::TooLate(wait))
            })),
            // The pacer keeps who waits until it tells it something.
            Err(_) => Err(Error::Internal),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_taken && self.claim.is_some() {
            self.pacer.change(now(), |schedule| schedule.leave(&self.who));
        }
    }
}

/// A call in the queue. It leaves when dropped before it is told anything; a turn that it
/// was given in that moment is free for the next one.
struct Waiting<'a> {
    place: &'a Place,
    id: EntryId,
    told: oneshot::Receiver<Told>,
    is_over: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let Place { pacer, who, .. } = self.place;
        let was_waiting = pacer.change(now(), |schedule| schedule.cancel(who, self.id));
        if !was_waiting && matches!(self.told.try_recv(), Ok(Told::Go)) {
            pacer.ended(who, now(), Ended::Unsent);
        }
    }
}

/// The right to make one call. Free for the next one if dropped unused.
#[derive(Debug)]
#[must_use = "a turn that is not used is lost for the others until it is dropped"]
pub struct Turn {
    pacer: Arc<Pacer>,
    who: Who,
    claim: Option<Claim>,
    usage: Usage,
}

/// What was made of a turn.
#[derive(Debug, Clone, Copy)]
enum Usage {
    None,
    /// The call was begun then. Whoever drops it now does not know how it ends.
    Begun(Instant),
    /// The call has ended, and the pacer knows.
    Ended,
}

impl Turn {
    /// Makes the call, and learns from its end how quick AWS is, and whether it throttles.
    ///
    /// # Errors
    /// Those of the call.
    pub fn spend<T>(
        &mut self,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> impl Future<Output = Result<T, CallError>> {
        // The SDK's futures have kilobytes, which would stand in all those around them.
        let call = Box::pin(call);
        async {
            let sent_at = now();
            self.usage = Usage::Begun(sent_at);
            let answer = call.await;
            self.usage = Usage::Ended;
            self.pacer.ended(&self.who, sent_at, how_it_ended(&answer));
            answer
        }
    }

    /// Makes a call that may be made twice, and again at the next turn if AWS throttles it,
    /// as long as its deadline allows.
    ///
    /// # Errors
    /// `ACCOUNT_BUDGET`; what AWS answered stands within.
    pub async fn spend_on<T, F: Future<Output = Result<T, CallError>>>(
        mut self,
        call: impl Fn() -> F,
    ) -> Result<Result<T, CallError>, Error> {
        loop {
            match self.spend(call()).await {
                Err(error) if is_throttled(&error) => match self.again() {
                    Some(place) => self = place.turn().await?,
                    None => return Ok(Err(error)),
                },
                answer => return Ok(answer),
            }
        }
    }

    /// A place for the same call before all others of its tenant: AWS throttled it, so it
    /// was not carried out. None if its answer would come too late.
    #[must_use]
    pub fn again(mut self) -> Option<Place> {
        let claim = self.claim.take()?;
        let (pacer, who) = (Arc::clone(&self.pacer), self.who.clone());
        let (terms, now) = (terms(&claim.tenant), now());
        let readmit = |schedule: &mut Queue| schedule.readmit(&who, terms, claim.deadline, now);
        pacer.change(now, readmit).ok()?;
        Some(Place { pacer, who, claim: Some(claim), end: QueueEnd::Front, is_taken: false })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        match self.usage {
            Usage::None => self.pacer.ended(&self.who, now(), Ended::Unsent),
            Usage::Begun(sent_at) => self.pacer.ended(&self.who, sent_at, Ended::Unanswered),
            Usage::Ended => {}
        }
    }
}

fn how_it_ended<T>(answer: &Result<T, CallError>) -> Ended {
    let Err(error) = answer else { return Ended::Answered };
    match error.failure().kind {
        FailureKind::Throttled { retry_after } => Ended::Throttled(retry_after),
        FailureKind::Unreachable | FailureKind::NoAnswer => Ended::Unanswered,
        _ => Ended::Answered,
    }
}

/// Whether AWS throttled the call.
#[must_use]
pub fn is_throttled(error: &CallError) -> bool {
    matches!(error.failure().kind, FailureKind::Throttled { .. })
}
