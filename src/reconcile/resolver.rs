//! Resolves in-doubt creates: probes AWS, on a schedule, until each create is found or
//! proved absent. A second task, [`DeleteResolver`], resolves
//! unfinished deletes.
//!
//! `handlers` submits in-doubt creates and waits for their resolution; `core` runs the
//! resolver. Probes use lists and reads of tags, two operations that no caller's request
//! uses. The `operation_id` tag, which callers cannot set, identifies a create.

mod deletes;
mod probe;
mod schedule;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

pub use self::deletes::DeleteResolver;
use self::schedule::{Began, Schedule};
use super::{
    Completeness, Parts, Problem, Problems, ScanError,
    metrics::ReconcileMetrics,
    resolutions::{Resolution, Resolutions},
    rules::Absence,
    tags_reader::TagsReader,
    ticker::Ticker,
};
use crate::{
    clock::Clock,
    config::ResolutionTimes,
    ivs::{Ivs, Pacers},
    ledger::{Event, InDoubtCreate, Ledger, LedgerError},
    request::OperationId,
};

/// Maximum number of in-doubt creates that one read of the ledger returns.
const PAGE_SIZE: u32 = 1000;

/// Longest time between two checks for expired leases.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(5);

/// Delay of a round after a submission, so that one round serves a burst of submissions.
const MIN_ROUND_INTERVAL: Duration = Duration::from_millis(50);

/// Probes AWS for the rows in doubt.
pub struct Resolver {
    ledger: Arc<dyn Ledger>,
    ivs: Ivs,
    pacers: Pacers,
    times: ResolutionTimes,
    resolutions: Resolutions,
    completeness: watch::Receiver<Completeness>,
    problems: Problems,
    metrics: ReconcileMetrics,
    clock: Clock,
    lists: Ticker,
    tags: TagsReader,
    schedules: BTreeMap<OperationId, Schedule>,
}

impl Resolver {
    /// Returns a resolver that uses at most half of AWS's call rate of lists and of reads of
    /// tags.
    #[must_use]
    pub fn new(parts: Parts, times: ResolutionTimes, calls_per_second: f64) -> Self {
        let rate = calls_per_second / 2.0;
        let tags = TagsReader::new(&parts, rate, times.retry_after);
        let Parts {
            ledger, ivs, pacers, resolutions, completeness, problems, metrics, clock, ..
        } = parts;
        Self {
            ledger,
            ivs,
            pacers,
            times,
            resolutions,
            completeness,
            problems,
            metrics,
            clock,
            lists: Ticker::per_second(rate),
            tags,
            schedules: BTreeMap::new(),
        }
    }

    /// Resolves creates until `shutdown` fires. The others stay in doubt in the ledger, and are
    /// resolved after the next start.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let resolutions = self.resolutions.clone();
        loop {
            let next = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                next = self.round() => next,
            };
            let is_damaged = matches!(next, Err(LedgerError::Damaged(_)));
            self.problems.set(Problem::LedgerDamaged, is_damaged);
            self.problems.set(Problem::LedgerUnavailable, next.is_err() && !is_damaged);
            let next = next.unwrap_or_else(|error| {
                tracing::error!(%error, "the resolver cannot use the ledger");
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

    /// Takes over expired leases, and probes the rows whose probe is due. Returns the time of the
    /// next round.
    async fn round(&mut self) -> Result<Instant, LedgerError> {
        self.ledger.check_writable().await?;
        let expired = self.ledger.expire().await?;
        if expired.in_doubt + expired.rejected > 0 {
            let (rejected, in_doubt) = (expired.rejected, expired.in_doubt);
            tracing::warn!(
                rejected,
                in_doubt,
                "expired leases: rows moved to rejected or in doubt"
            );
        }
        let in_doubt = self.in_doubt().await?;
        let now = Instant::now();
        let mut due: BTreeMap<Option<&str>, Vec<&InDoubtCreate>> = BTreeMap::new();
        for create in in_doubt.values() {
            let schedule = self.schedules.get(&create.operation_id);
            if schedule.is_some_and(|schedule| schedule.due <= now) {
                due.entry(create.stage_arn.as_deref()).or_default().push(create);
            }
        }
        for (stage_arn, due) in due {
            self.probe(stage_arn, &due, &in_doubt).await?;
        }
        let earliest = self.schedules.values().map(|schedule| schedule.due).min();
        let latest = Instant::now() + EXPIRY_INTERVAL;
        Ok(earliest.map_or(latest, |earliest| earliest.min(latest)))
    }

    /// Returns the rows in doubt. Adds a schedule for each new row, and removes the schedules
    /// of resolved rows.
    async fn in_doubt(&mut self) -> Result<BTreeMap<OperationId, InDoubtCreate>, LedgerError> {
        let mut in_doubt: Vec<InDoubtCreate> = Vec::new();
        loop {
            let after = in_doubt.last().map(|create| create.operation_id);
            let mut more = self.ledger.in_doubt(after, PAGE_SIZE).await?;
            let last_page = more.len() < PAGE_SIZE as usize;
            in_doubt.append(&mut more);
            if last_page {
                break;
            }
        }
        let mut schedules = BTreeMap::new();
        for create in &in_doubt {
            // A create that was sent again since gets a new schedule.
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
        Ok(in_doubt.into_iter().map(|create| (create.operation_id, create)).collect())
    }

    /// Records that a probe that began at `began` did not find the create. That proves nothing
    /// while the ledger is not complete: the credentials may be those of another account.
    /// `was_complete`: whether it was when the probe began.
    async fn not_found(
        &mut self,
        create: &InDoubtCreate,
        began: Began,
        was_complete: bool,
    ) -> Result<(), LedgerError> {
        if !was_complete || !self.completeness.borrow().is_complete() {
            self.postpone(create.operation_id);
            return Ok(());
        }
        let Some(schedule) = self.schedules.get_mut(&create.operation_id) else { return Ok(()) };
        match schedule.not_found(began, &self.times) {
            Absence::Unproved => {}
            Absence::MayResend => self.resolutions.set_absent(create.operation_id, create.sent_at),
            Absence::Proved => {
                if self.resolved(create, Event::Absent).await? {
                    tracing::info!(operation_id = %create.operation_id, tenant = %create.tenant,
                        "resolved an in-doubt create: AWS did not create it, its quota is released");
                    self.resolutions.publish(create.operation_id, &Resolution::Gone);
                }
            }
        }
        Ok(())
    }

    /// Applies the resolution of a create, and returns whether it changed the row. A row that
    /// another task has changed since the probe is not an error: that task knew the outcome. A
    /// create that was sent again during the probe stays in doubt.
    async fn resolved(
        &mut self,
        create: &InDoubtCreate,
        event: Event,
    ) -> Result<bool, LedgerError> {
        let InDoubtCreate { operation_id, sent_at, .. } = *create;
        match self.ledger.apply_to_sending(operation_id, sent_at, event).await {
            Ok(transition) => {
                self.schedules.remove(&operation_id);
                // Without a change the outcome was known already, possibly with another ARN.
                let ended = transition.is_some_and(|it| it.changed);
                if ended {
                    self.metrics.resolved.inc();
                }
                Ok(ended)
            }
            Err(error @ (LedgerError::Illegal(_) | LedgerError::NoSuchRow(_))) => {
                tracing::info!(operation_id = %create.operation_id, %error, "another task resolved the create");
                self.schedules.remove(&create.operation_id);
                Ok(false)
            }
            Err(LedgerError::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
