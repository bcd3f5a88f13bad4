//! Walks over all that AWS has and keeps the ledger true: refreshes what each row
//! last knew, adopts what carries our tags and has no row, and notices what is gone.
//!
//! Run by `gateway`. It spends at most a tenth of AWS's rate, and never deletes what
//! it cannot prove is ours. A new ledger, which may stand in place of a lost one, is
//! rebuilt by a first whole walk before anything may be created: what was there would be
//! made twice. A create that was under way when the ledger was lost can still escape that
//! walk; a later one finds it and reports it.

mod rebuild;

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    Parts, ScanError,
    metrics::ReconcileMetrics,
    resolutions::{Resolution, Resolutions},
    ticker::Ticker,
};
use crate::{
    clock::Clock,
    ivs::{Answer, CallError, Configuration, FailureKind, Ivs, Pacers, Page},
    ledger::{
        Adopted, Adoption, Event, Fields, Ledger, LedgerError, Observation, Resource,
        UnconfirmedRow,
    },
    request::OperationId,
    tenancy::tags::{self, TenancyTags},
};

/// The most configurations of others that are remembered, so as not to read them
/// again on each walk.
const MAX_FOREIGN: usize = 100_000;

/// When what was not ours is read again: an operator may have given it to a tenant.
const FOREIGN_AGE: Duration = Duration::from_hours(1);

/// The share of AWS's rate that a walk spends, and the one that rebuilds a ledger.
const SHARE: f64 = 0.1;
const REBUILD_SHARE: f64 = 0.5;

/// How the sweep runs.
#[derive(Debug, Clone, Copy)]
pub struct ScanConfig {
    /// From the end of one walk to the start of the next.
    pub interval: Duration,
    /// AWS's rate of each operation.
    pub calls_per_second: f64,
    /// How long a row that has ended is remembered.
    pub retention: Duration,
}

/// Walks over all that AWS has.
pub struct Scan {
    ledger: Arc<dyn Ledger>,
    ivs: Ivs,
    pacers: Pacers,
    config: ScanConfig,
    resolutions: Resolutions,
    metrics: ReconcileMetrics,
    lists: Ticker,
    reads: Ticker,
    /// Read, and not ours.
    foreign: HashSet<String>,
    foreign_since: Instant,
    clock: Clock,
}

impl Scan {
    /// A sweep of what `ivs` shows into `ledger`.
    #[must_use]
    pub fn new(parts: Parts, config: ScanConfig) -> Self {
        let Parts { ledger, ivs, pacers, resolutions, metrics, clock } = parts;
        let rate = config.calls_per_second * REBUILD_SHARE;
        Self {
            ledger,
            ivs,
            pacers,
            config,
            resolutions,
            metrics,
            lists: Ticker::per_second(rate),
            reads: Ticker::per_second(rate),
            foreign: HashSet::new(),
            foreign_since: clock.monotonic(),
            clock,
        }
    }

    /// Rebuilds a new ledger, says so in `complete`, and then walks until
    /// `shutdown` fires.
    pub async fn run(mut self, complete: watch::Sender<bool>, shutdown: CancellationToken) {
        let scans = async {
            self.rebuild(&complete).await;
            let rate = self.config.calls_per_second * SHARE;
            (self.lists, self.reads) = (Ticker::per_second(rate), Ticker::per_second(rate));
            loop {
                tokio::time::sleep(self.config.interval).await;
                if let Err(error) = self.scan().await {
                    tracing::warn!(%error, "a sweep ended early");
                }
                if let Err(error) = self.prune().await {
                    tracing::error!(%error, "ended rows could not be forgotten");
                }
            }
        };
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            () = scans => {}
        }
    }

    async fn scan(&mut self) -> Result<(), ScanError> {
        if self.foreign.len() >= MAX_FOREIGN
            || self.clock.monotonic() - self.foreign_since > FOREIGN_AGE
        {
            self.foreign.clear();
            self.foreign_since = self.clock.monotonic();
        }
        let began = self.clock.wall();
        let mut next_token = None;
        let mut unknown = Vec::new();
        loop {
            self.lists.turn().await;
            let permit = self.pacers.list.internal_permit().await;
            let at = self.clock.wall();
            let list = self.ivs.list_ingest_configurations(permit, None, next_token);
            let Page { summaries, next_token: next } = list.await.map_err(ScanError::Aws)?;
            let seen = summaries.into_iter().map(|summary| Observation {
                arn: summary.arn,
                state: summary.state,
                stage_arn: summary.stage_arn,
                redundant_ingest: summary.redundant_ingest,
                at,
            });
            unknown.extend(self.ledger.observe(seen.collect()).await?);
            next_token = next;
            if next_token.is_none() {
                break;
            }
        }
        for arn in unknown {
            self.look_into(arn).await?;
        }
        for missed in self.ledger.finish_scan(began).await? {
            self.confirm_gone(missed).await?;
        }
        self.metrics.scans.inc();
        Ok(())
    }

    async fn read(&mut self, arn: &str) -> Result<Answer<Configuration>, CallError> {
        self.reads.turn().await;
        let permit = self.pacers.get.internal_permit().await;
        self.ivs.get_ingest_configuration(permit, arn).await
    }

    /// A configuration without a row: ours to adopt, or somebody else's.
    async fn look_into(&mut self, arn: String) -> Result<(), ScanError> {
        if self.foreign.contains(&arn) {
            return Ok(());
        }
        let found = match self.read(&arn).await {
            Ok(answer) => answer.value,
            Err(error) if error.failure().kind == FailureKind::NotFound => return Ok(()),
            Err(error) => return Err(ScanError::Aws(error)),
        };
        let Some(tenancy) = TenancyTags::read(&found.tags) else {
            self.foreign.insert(arn);
            return Ok(());
        };
        let operation_id = tenancy.operation_id;
        let adoption = adoption(tenancy, found);
        let resource = adoption.resource.clone();
        match self.ledger.adopt(adoption).await? {
            Adopted::Live => {
                self.metrics.adopted.inc();
                tracing::info!(%operation_id, arn, "adopted a configuration that had no row");
                self.resolutions.publish(operation_id, &Resolution::Live(resource));
            }
            Adopted::Orphan { kept } => self.orphan(operation_id, &arn, kept.as_deref()).await,
            Adopted::Displaced => {
                // Somebody may have been told of it: it is not ours to delete.
                self.metrics.orphans.inc();
                tracing::error!(%operation_id, arn, "a configuration without a row, whose request_id made another; delete it if nobody uses it");
            }
            Adopted::UnderWay => {}
        }
        Ok(())
    }

    /// Its tags prove it ours, and another configuration stands for its create. AWS
    /// refuses to delete it if an encoder is publishing: then it stays.
    async fn orphan(&mut self, operation_id: OperationId, arn: &str, kept: Option<&str>) {
        self.metrics.orphans.inc();
        self.reads.turn().await;
        let permit = self.pacers.delete.internal_permit().await;
        match self.ivs.delete_ingest_configuration(permit, arn, false).await {
            Ok(()) => tracing::warn!(%operation_id, arn, kept, "deleted a configuration too many"),
            Err(error) => {
                let failure = error.failure();
                tracing::error!(%operation_id, arn, kept, %failure, "a configuration too many remains");
            }
        }
    }

    /// Two walks missed it. Only AWS's own word that it is not there frees its quota: a
    /// list that shows nothing may be a list of the wrong place.
    async fn confirm_gone(&mut self, missed: UnconfirmedRow) -> Result<(), ScanError> {
        let UnconfirmedRow { operation_id, arn } = missed;
        match self.read(&arn).await {
            Ok(answer) => {
                let at = self.clock.wall();
                let Configuration { state, stage_arn, redundant_ingest, .. } = answer.value;
                let seen = Observation { arn, state, stage_arn, redundant_ingest, at };
                self.ledger.observe(vec![seen]).await?;
            }
            Err(error) if error.failure().kind == FailureKind::NotFound => {
                self.ledger.apply(operation_id, Event::Vanished).await?;
                self.metrics.vanished.inc();
                tracing::warn!(%operation_id, arn, "AWS no longer has it; its quota is free");
            }
            Err(error) => return Err(ScanError::Aws(error)),
        }
        Ok(())
    }

    async fn prune(&self) -> Result<(), LedgerError> {
        let before = self.clock.wall() - self.config.retention;
        while self.ledger.prune(before).await? > 0 {}
        Ok(())
    }
}

fn adoption(tenancy: TenancyTags, found: Configuration) -> Adoption {
    let TenancyTags { tenant, operation_id, request_id, fingerprint } = tenancy;
    Adoption {
        operation_id,
        tenant,
        request_id: request_id.map_or_else(|| operation_id.to_string(), |id| id.to_string()),
        fingerprint,
        resource: Resource { arn: found.arn, participant_id: found.participant_id },
        fields: Fields {
            name: found.name,
            stage_arn: found.stage_arn,
            user_id: found.user_id,
            attributes: found.attributes,
            ingest_protocol: found.ingest_protocol,
            redundant_ingest: found.redundant_ingest,
            tags: tags::visible(found.tags, &std::collections::BTreeMap::new()),
        },
    }
}
