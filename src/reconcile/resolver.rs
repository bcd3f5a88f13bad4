//! Settles creates whose outcome is unknown: asks AWS, on a schedule, until each is
//! found or proved absent.
//!
//! Called by `operations`, which hands doubts over and waits for verdicts, and run by
//! `gateway`. It spends calls that no caller of the gateway needs: lists, and reads of
//! tags. What decides is the `operation_id` tag, which only the gateway can write.

mod probe;
mod schedule;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use self::schedule::{Absence, Schedule};
use super::{metrics::ReconcileMetrics, ticker::Ticker};
use crate::{
    config::Settle,
    ivs::{FailureKind, Ivs, Pacers},
    ledger::{Event, InDoubtCreate, Ledger, LedgerError, Resource, UnconfirmedRow},
    request::OperationId,
};

/// The most doubts that are read from the ledger at once.
const READ_AT_ONCE: u32 = 1000;

/// How often rows are looked for whose lease is over, when nothing else is to do.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(5);

/// The least time between two rounds, so that a burst of doubts is one round.
const MIN_ROUND_INTERVAL: Duration = Duration::from_millis(50);

/// What became of a create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// It exists.
    Live(Resource),
    /// It does not exist.
    Gone,
}

/// Where doubts are handed over and verdicts come from. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Resolutions(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    wake: Notify,
    state: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    verdicts: HashMap<OperationId, Vec<oneshot::Sender<Resolution>>>,
    /// Rows that are absent for so long that they may be sent again, each with the
    /// sending that this is about: of a later one nothing is known.
    absent: HashMap<OperationId, SystemTime>,
}

impl Resolutions {
    /// Waits for the verdict on a row in doubt, no longer than `patience`.
    pub async fn verdict(&self, row: OperationId, patience: Duration) -> Option<Resolution> {
        let (sender, receiver) = oneshot::channel();
        self.with(|waiting| waiting.verdicts.entry(row).or_default().push(sender));
        self.0.wake.notify_one();
        let verdict = tokio::time::timeout(patience, receiver).await;
        self.with(|waiting| {
            if let Some(senders) = waiting.verdicts.get_mut(&row) {
                senders.retain(|sender| !sender.is_closed());
                if senders.is_empty() {
                    waiting.verdicts.remove(&row);
                }
            }
        });
        verdict.ok()?.ok()
    }

    /// Whether the row, last sent at `sent_at`, has been absent since for so long that its
    /// create may be sent again.
    #[must_use]
    pub fn may_resend(&self, row: OperationId, sent_at: SystemTime) -> bool {
        self.with(|waiting| waiting.absent.get(&row) == Some(&sent_at))
    }

    /// Tells the verdict to all who wait for it.
    pub fn tell(&self, row: OperationId, verdict: &Resolution) {
        let senders = self.with(|waiting| {
            waiting.absent.remove(&row);
            waiting.verdicts.remove(&row).unwrap_or_default()
        });
        for sender in senders {
            // One who no longer waits will ask the ledger.
            let _ = sender.send(verdict.clone());
        }
    }

    fn set_absent(&self, row: OperationId, sent_at: SystemTime) {
        self.with(|waiting| waiting.absent.insert(row, sent_at));
    }

    fn unset_absent(&self, row: OperationId) {
        self.with(|waiting| waiting.absent.remove(&row));
    }

    fn with<T>(&self, work: impl FnOnce(&mut Waiting) -> T) -> T {
        work(&mut self.0.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Asks AWS about the rows in doubt.
pub struct Resolver {
    ledger: Arc<dyn Ledger>,
    ivs: Ivs,
    pacers: Pacers,
    times: Settle,
    settling: Resolutions,
    metrics: ReconcileMetrics,
    lists: Ticker,
    tags: Ticker,
    deletes: Ticker,
    schedules: HashMap<OperationId, Schedule>,
    /// What the tags of configurations without a row said. The tag that decides is
    /// written by the create, and by nothing after it.
    read: HashMap<String, Option<OperationId>>,
}

impl Resolver {
    /// Settles the doubts of `ledger` within half of AWS's rate for lists and tags,
    /// which callers do not spend.
    #[must_use]
    pub fn new(
        ledger: Arc<dyn Ledger>,
        ivs: Ivs,
        pacers: Pacers,
        times: Settle,
        calls_per_second: f64,
        settling: Resolutions,
        metrics: ReconcileMetrics,
    ) -> Self {
        Self {
            ledger,
            ivs,
            pacers,
            times,
            settling,
            metrics,
            lists: Ticker::per_second(calls_per_second / 2.0),
            // AWS's rate for tags is twice that of the others.
            tags: Ticker::per_second(calls_per_second),
            deletes: Ticker::per_second(calls_per_second / 10.0),
            schedules: HashMap::new(),
            read: HashMap::new(),
        }
    }

    /// Settles until `shutdown` fires. What is in doubt then stays so in the ledger,
    /// and is settled after the next start.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let settling = self.settling.clone();
        loop {
            let next = tokio::select! {
                () = shutdown.cancelled() => return,
                next = self.round() => next,
            };
            let next = next.unwrap_or_else(|error| {
                tracing::error!(%error, "settling cannot read the ledger");
                Instant::now() + EXPIRY_INTERVAL
            });
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep_until(next) => {}
                () = settling.0.wake.notified() => {
                    tokio::time::sleep(MIN_ROUND_INTERVAL).await;
                }
            }
        }
    }

    /// Probes every row whose probe is due, and answers when the next one is.
    async fn round(&mut self) -> Result<Instant, LedgerError> {
        let expired = self.ledger.expire().await?;
        if expired.in_doubt + expired.rejected > 0 {
            let (rejected, in_doubt) = (expired.rejected, expired.in_doubt);
            tracing::warn!(rejected, in_doubt, "took over rows that nobody carried on");
        }
        for abandoned in self.ledger.abandoned_deletes().await? {
            self.settle_delete(abandoned).await?;
        }
        let doubts = self.doubts().await?;
        self.metrics.in_doubt.set(i64::try_from(doubts.len()).unwrap_or(i64::MAX));
        let now = Instant::now();
        let mut due: HashMap<String, Vec<InDoubtCreate>> = HashMap::new();
        for doubt in doubts {
            let schedule = self.schedules.get(&doubt.operation_id);
            if schedule.is_some_and(|schedule| schedule.due <= now) {
                due.entry(doubt.stage_arn.clone().unwrap_or_default()).or_default().push(doubt);
            }
        }
        for (stage_arn, doubts) in due {
            self.probe(&stage_arn, doubts).await?;
        }
        let earliest = self.schedules.values().map(|schedule| schedule.due).min();
        let latest = Instant::now() + EXPIRY_INTERVAL;
        Ok(earliest.map_or(latest, |earliest| earliest.min(latest)))
    }

    /// A delete whose outcome nobody waits for any more: what AWS has now is what there
    /// is, since the delete cannot be under way still.
    async fn settle_delete(&mut self, abandoned: UnconfirmedRow) -> Result<(), LedgerError> {
        let UnconfirmedRow { operation_id, arn } = abandoned;
        self.deletes.turn().await;
        let permit = self.pacers.get.internal_permit().await;
        let event = match self.ivs.get_ingest_configuration(permit, &arn).await {
            Ok(_) => Event::DeleteRefused,
            Err(error) if error.failure().kind == FailureKind::NotFound => Event::DeleteConfirmed,
            Err(error) => {
                let failure = error.failure();
                tracing::warn!(%operation_id, %failure, "a delete could not be looked into");
                return Ok(());
            }
        };
        tracing::info!(%operation_id, arn, event = event.name(), "settled a delete");
        self.ledger.apply(operation_id, event).await?;
        Ok(())
    }

    /// The rows in doubt, each with a schedule; rows that are settled lose theirs.
    async fn doubts(&mut self) -> Result<Vec<InDoubtCreate>, LedgerError> {
        let mut doubts: Vec<InDoubtCreate> = Vec::new();
        loop {
            let after = doubts.last().map(|doubt| doubt.operation_id);
            let mut more = self.ledger.in_doubt(after, READ_AT_ONCE).await?;
            let last_page = more.len() < READ_AT_ONCE as usize;
            doubts.append(&mut more);
            if last_page {
                break;
            }
        }
        let mut schedules = HashMap::with_capacity(doubts.len());
        for doubt in &doubts {
            // One that was sent again since starts anew.
            let kept = self.schedules.remove(&doubt.operation_id);
            let schedule = kept.filter(|schedule| schedule.sent_at == doubt.sent_at);
            let schedule = schedule.unwrap_or_else(|| {
                self.settling.unset_absent(doubt.operation_id);
                Schedule::new(doubt.sent_at, &self.times)
            });
            schedules.insert(doubt.operation_id, schedule);
        }
        for settled in self.schedules.keys() {
            self.settling.unset_absent(*settled);
        }
        self.schedules = schedules;
        Ok(doubts)
    }

    /// It was looked for, from `began` on, and not found.
    async fn not_found(
        &mut self,
        doubt: &InDoubtCreate,
        began: SystemTime,
    ) -> Result<(), LedgerError> {
        let Some(schedule) = self.schedules.get_mut(&doubt.operation_id) else { return Ok(()) };
        match schedule.not_found(began, &self.times) {
            Absence::Unproved => {}
            Absence::MayResend => self.settling.set_absent(doubt.operation_id, doubt.sent_at),
            Absence::Proved => {
                if self.settled(doubt, Event::Absent).await? {
                    tracing::info!(operation_id = %doubt.operation_id, tenant = %doubt.tenant,
                        "settled: it was never created, its quota is free");
                    self.settling.tell(doubt.operation_id, &Resolution::Gone);
                }
            }
        }
        Ok(())
    }

    /// Applies the end of a doubt. A row that somebody else has moved on since is no
    /// failure: whoever did so knew more. One that was sent again while AWS was asked is in
    /// doubt anew.
    async fn settled(&mut self, doubt: &InDoubtCreate, event: Event) -> Result<bool, LedgerError> {
        let InDoubtCreate { operation_id, sent_at, .. } = *doubt;
        match self.ledger.apply_to_sending(operation_id, sent_at, event).await {
            Ok(transition) => {
                self.schedules.remove(&operation_id);
                // What changed nothing was known already, perhaps with another ARN.
                let ended = transition.is_some_and(|it| it.changed);
                if ended {
                    self.metrics.settled.inc();
                }
                Ok(ended)
            }
            Err(error @ (LedgerError::Illegal(_) | LedgerError::NoSuchRow(_))) => {
                tracing::info!(operation_id = %doubt.operation_id, %error, "settled by another");
                self.schedules.remove(&doubt.operation_id);
                Ok(false)
            }
            Err(LedgerError::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
