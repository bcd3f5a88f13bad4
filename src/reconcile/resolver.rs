//! Settles creates whose outcome is unknown: asks AWS, on a schedule, until each is
//! found or proved absent.
//!
//! Called by `handlers`, which hands doubts over and waits for verdicts, and run by
//! `gateway`. It spends calls that no caller of the gateway needs: lists, and reads of
//! tags. What decides is the `operation_id` tag, which only the gateway can write.

mod deletes;
mod probe;
mod schedule;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::schedule::{Absence, Schedule};
use super::{
    Parts, ScanError,
    metrics::ReconcileMetrics,
    resolutions::{Resolution, Resolutions},
    ticker::Ticker,
};
use crate::{
    clock::Clock,
    config::ResolutionTimes,
    ivs::{AwsOperation, Ivs, ListTags, Pacers},
    ledger::{Event, InDoubtCreate, Ledger, LedgerError},
    request::OperationId,
};

/// The most doubts that are read from the ledger at once.
const READ_AT_ONCE: u32 = 1000;

/// How often rows are looked for whose lease is over, when nothing else is to do.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(5);

/// The least time between two rounds, so that a burst of doubts is one round.
const MIN_ROUND_INTERVAL: Duration = Duration::from_millis(50);

/// Asks AWS about the rows in doubt.
pub struct Resolver {
    ledger: Arc<dyn Ledger>,
    ivs: Ivs,
    pacers: Pacers,
    times: ResolutionTimes,
    resolutions: Resolutions,
    metrics: ReconcileMetrics,
    clock: Clock,
    lists: Ticker,
    tags: Ticker,
    deletes: Ticker,
    schedules: BTreeMap<OperationId, Schedule>,
    /// What the tags of configurations without a row said. The tag that decides is
    /// written by the create, and by nothing after it.
    read: HashMap<String, Option<OperationId>>,
}

impl Resolver {
    /// Settles the doubts of `ledger` within half of AWS's rate for lists and tags,
    /// which callers do not spend.
    #[must_use]
    pub fn new(parts: Parts, times: ResolutionTimes, calls_per_second: f64) -> Self {
        let Parts { ledger, ivs, pacers, resolutions, metrics, clock } = parts;
        Self {
            ledger,
            ivs,
            pacers,
            times,
            resolutions,
            metrics,
            clock,
            lists: Ticker::per_second(calls_per_second / 2.0),
            tags: Ticker::per_second(calls_per_second * ListTags::RATE_FACTOR / 2.0),
            deletes: Ticker::per_second(calls_per_second / 10.0),
            schedules: BTreeMap::new(),
            read: HashMap::new(),
        }
    }

    /// Settles until `shutdown` fires. What is in doubt then stays so in the ledger,
    /// and is settled after the next start.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let resolutions = self.resolutions.clone();
        loop {
            let next = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                next = self.round() => next,
            };
            let next = next.unwrap_or_else(|error| {
                tracing::error!(%error, "settling cannot read the ledger");
                Instant::now() + EXPIRY_INTERVAL
            });
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep_until(next) => {}
                () = resolutions.submitted() => {
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
            self.resolve_delete(abandoned).await?;
        }
        let in_doubt = self.in_doubt().await?;
        let now = Instant::now();
        let mut due: BTreeMap<Option<String>, Vec<InDoubtCreate>> = BTreeMap::new();
        for create in in_doubt {
            let schedule = self.schedules.get(&create.operation_id);
            if schedule.is_some_and(|schedule| schedule.due <= now) {
                due.entry(create.stage_arn.clone()).or_default().push(create);
            }
        }
        for (stage_arn, in_doubt) in due {
            self.probe(stage_arn.as_deref(), in_doubt).await?;
        }
        let earliest = self.schedules.values().map(|schedule| schedule.due).min();
        let latest = Instant::now() + EXPIRY_INTERVAL;
        Ok(earliest.map_or(latest, |earliest| earliest.min(latest)))
    }

    /// The rows in doubt, each with a schedule; rows that are settled lose theirs.
    async fn in_doubt(&mut self) -> Result<Vec<InDoubtCreate>, LedgerError> {
        let mut in_doubt: Vec<InDoubtCreate> = Vec::new();
        loop {
            let after = in_doubt.last().map(|create| create.operation_id);
            let mut more = self.ledger.in_doubt(after, READ_AT_ONCE).await?;
            let last_page = more.len() < READ_AT_ONCE as usize;
            in_doubt.append(&mut more);
            if last_page {
                break;
            }
        }
        let mut schedules = BTreeMap::new();
        for create in &in_doubt {
            // One that was sent again since starts anew.
            let kept = self.schedules.remove(&create.operation_id);
            let schedule = kept.filter(|schedule| schedule.sent_at == create.sent_at);
            let schedule = schedule.unwrap_or_else(|| {
                self.resolutions.unset_absent(create.operation_id);
                Schedule::new(create.sent_at, self.clock.wall(), &self.times)
            });
            schedules.insert(create.operation_id, schedule);
        }
        for resolved in self.schedules.keys() {
            self.resolutions.unset_absent(*resolved);
        }
        self.schedules = schedules;
        Ok(in_doubt)
    }

    /// It was looked for, from `began` on, and not found.
    async fn not_found(
        &mut self,
        create: &InDoubtCreate,
        began: SystemTime,
    ) -> Result<(), LedgerError> {
        let Some(schedule) = self.schedules.get_mut(&create.operation_id) else { return Ok(()) };
        match schedule.not_found(began, &self.times) {
            Absence::Unproved => {}
            Absence::MayResend => self.resolutions.set_absent(create.operation_id, create.sent_at),
            Absence::Proved => {
                if self.resolved(create, Event::Absent).await? {
                    tracing::info!(operation_id = %create.operation_id, tenant = %create.tenant,
                        "settled: it was never created, its quota is free");
                    self.resolutions.publish(create.operation_id, &Resolution::Gone);
                }
            }
        }
        Ok(())
    }

    /// Applies the end of a doubt. A row that somebody else has moved on since is no
    /// failure: whoever did so knew more. One that was sent again while AWS was asked is in
    /// doubt anew.
    async fn resolved(
        &mut self,
        create: &InDoubtCreate,
        event: Event,
    ) -> Result<bool, LedgerError> {
        let InDoubtCreate { operation_id, sent_at, .. } = *create;
        match self.ledger.apply_to_sending(operation_id, sent_at, event).await {
            Ok(transition) => {
                self.schedules.remove(&operation_id);
                // What changed nothing was known already, perhaps with another ARN.
                let ended = transition.is_some_and(|it| it.changed);
                if ended {
                    self.metrics.resolved.inc();
                }
                Ok(ended)
            }
            Err(error @ (LedgerError::Illegal(_) | LedgerError::NoSuchRow(_))) => {
                tracing::info!(operation_id = %create.operation_id, %error, "settled by another");
                self.schedules.remove(&create.operation_id);
                Ok(false)
            }
            Err(LedgerError::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
