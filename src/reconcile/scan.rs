//! Scans all configurations at AWS and corrects the ledger: refreshes the state of each
//! row, adopts configurations that carry the gateway's tags and have no row, and releases
//! rows whose configuration no longer exists.
//!
//! A scan uses at most a tenth of AWS's call rate, and a rebuild at most half. A scan deletes
//! only duplicates that their tags identify. A new ledger may replace a lost one, so a first
//! complete scan rebuilds it before the gateway creates anything; otherwise a create that
//! exists could be repeated. A create that was running when the ledger was lost can be missing
//! in that scan. A later scan adopts or reports it.

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
    ivs::{AwsResponse, CallError, Configuration, FailureKind, Ivs, Pacers, Page},
    ledger::{
        Adopted, Adoption, Event, Fields, Ledger, LedgerError, Observation, Resource,
        UnconfirmedRow,
    },
    request::OperationId,
    tenancy::tags::{self, TenancyTags},
};

/// Maximum number of foreign configurations that are cached, so that a scan does not read
/// them again.
const MAX_FOREIGN: usize = 100_000;

/// Age at which the cache of foreign configurations is cleared. The command `adopt` may have
/// assigned one to a tenant since.
const FOREIGN_AGE: Duration = Duration::from_hours(1);

/// The fractions of AWS's call rate that a scan and a rebuild use.
const SHARE: f64 = 0.1;
const REBUILD_SHARE: f64 = 0.5;

/// The settings of the scan.
#[derive(Debug, Clone, Copy)]
pub struct ScanConfig {
    /// Time from the end of a scan to the start of the next.
    pub interval: Duration,
    /// Call rate that AWS allows for each operation.
    pub calls_per_second: f64,
    /// Time that an ended row is kept.
    pub retention: Duration,
}

/// Scans all configurations at AWS.
pub struct Scan {
    ledger: Arc<dyn Ledger>,
    ivs: Ivs,
    pacers: Pacers,
    config: ScanConfig,
    resolutions: Resolutions,
    metrics: ReconcileMetrics,
    lists: Ticker,
    reads: Ticker,
    /// Configurations that do not carry the gateway's tags.
    foreign: HashSet<String>,
    foreign_since: Instant,
    clock: Clock,
}

impl Scan {
    /// Returns a scan that corrects the ledger of `parts`.
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

    /// Rebuilds a new ledger, sends `true` to `complete`, and then scans until `shutdown`
    /// fires.
    pub async fn run(mut self, complete: watch::Sender<bool>, shutdown: CancellationToken) {
        let scans = async {
            self.rebuild(&complete).await;
            let rate = self.config.calls_per_second * SHARE;
            (self.lists, self.reads) = (Ticker::per_second(rate), Ticker::per_second(rate));
            loop {
                tokio::time::sleep(self.config.interval).await;
                if let Err(error) = self.scan().await {
                    tracing::warn!(%error, "a scan failed");
                }
                if let Err(error) = self.prune().await {
                    tracing::error!(%error, "could not delete ended rows from the ledger");
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
            self.lists.tick().await;
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
            self.inspect(arn).await?;
        }
        for missed in self.ledger.finish_scan(began).await? {
            self.confirm_gone(missed).await?;
        }
        self.metrics.scans.inc();
        Ok(())
    }

    async fn read(&mut self, arn: &str) -> Result<AwsResponse<Configuration>, CallError> {
        self.reads.tick().await;
        let permit = self.pacers.get.internal_permit().await;
        self.ivs.get_ingest_configuration(permit, arn).await
    }

    /// Reads a configuration without a row, and adopts it if it carries the gateway's tags.
    async fn inspect(&mut self, arn: String) -> Result<(), ScanError> {
        if self.foreign.contains(&arn) {
            return Ok(());
        }
        let found = match self.read(&arn).await {
            Ok(response) => response.value,
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
                // A caller may hold its key, so the gateway must not delete it.
                self.metrics.orphans.inc();
                tracing::error!(%operation_id, arn, "found a duplicate configuration, whose key a caller may hold; delete it if no encoder uses it");
            }
            Adopted::UnderWay => {}
        }
        Ok(())
    }

    /// Deletes a duplicate configuration of a create, which its tags identify. AWS rejects the
    /// delete of an active configuration: then it stays.
    async fn orphan(&mut self, operation_id: OperationId, arn: &str, kept: Option<&str>) {
        self.metrics.orphans.inc();
        self.reads.tick().await;
        let permit = self.pacers.delete.internal_permit().await;
        match self.ivs.delete_ingest_configuration(permit, arn, false).await {
            Ok(()) => tracing::warn!(%operation_id, arn, kept, "deleted a duplicate configuration"),
            Err(error) => {
                let failure = error.failure();
                tracing::error!(%operation_id, arn, kept, %failure, "could not delete a duplicate configuration");
            }
        }
    }

    /// Reads a configuration that two scans have not listed. Only a read that does not find it
    /// releases its quota: an empty list may be a list of the wrong account or region.
    async fn confirm_gone(&mut self, missed: UnconfirmedRow) -> Result<(), ScanError> {
        let UnconfirmedRow { operation_id, arn, .. } = missed;
        match self.read(&arn).await {
            Ok(response) => {
                let at = self.clock.wall();
                let Configuration { state, stage_arn, redundant_ingest, .. } = response.value;
                let seen = Observation { arn, state, stage_arn, redundant_ingest, at };
                self.ledger.observe(vec![seen]).await?;
            }
            Err(error) if error.failure().kind == FailureKind::NotFound => {
                self.ledger.apply(operation_id, Event::Vanished).await?;
                self.metrics.vanished.inc();
                tracing::warn!(%operation_id, arn, "a configuration no longer exists at AWS; its quota is released");
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
