//! Scans all configurations at AWS and corrects the ledger: refreshes the state of each
//! row, adopts configurations that carry the gateway's tags and have no row, and releases
//! rows whose configuration no longer exists.
//!
//! The scans of a start use AWS's whole call rate, and later ones at most a tenth. A scan deletes
//! only a duplicate whose key no caller has received.

mod comparison;
mod gone;
mod ownership;

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    Completeness, Parts, Problem, Problems, ScanError, check_account,
    metrics::ReconcileMetrics,
    pages::{PAGE_RETRIES, Pages},
    resolutions::Resolutions,
    tags_reader::TagsReader,
    ticker::Ticker,
};
use crate::{
    clock::Clock,
    ids::Ids,
    ivs::{AwsResponse, CallError, Configuration, Ivs, Pacers, Page, Summary},
    ledger::{Ledger, LedgerError},
};

/// The fraction of AWS's call rate that a scan uses.
const SHARE: f64 = 0.1;

/// The settings of the scan.
#[derive(Debug, Clone, Copy)]
pub struct ScanConfig {
    /// Time from the end of a scan to the start of the next.
    pub interval: Duration,
    /// Call rate that AWS allows for each operation.
    pub calls_per_second: f64,
    /// Time that an ended row is kept.
    pub retention: Duration,
    /// The time after which AWS shows a configuration and its tags to every operation.
    pub visible_after: Duration,
}

/// Scans all configurations at AWS.
pub struct Scan {
    ledger: Arc<dyn Ledger>,
    ivs: Ivs,
    pacers: Pacers,
    config: ScanConfig,
    resolutions: Resolutions,
    completeness: watch::Sender<Completeness>,
    problems: Problems,
    metrics: ReconcileMetrics,
    lists: Ticker,
    reads: Ticker,
    tags: TagsReader,
    /// The configurations of the gateway that cannot be read, and when a read first failed.
    own_unreadable: BTreeMap<String, Instant>,
    clock: Clock,
    ids: Ids,
}

/// The result of a complete scan.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct ScanResult {
    /// The number of configurations of the gateway that the ledger did not know.
    unknown: u64,
    /// The number of configurations of the gateway that could not be read. The ledger may know
    /// them.
    own_unreadable: u64,
    /// The number of configurations whose tags could not be read. It leaves out those that count
    /// as foreign for that.
    unreadable: u64,
    /// Whether AWS lacks so many configurations of the ledger that it may be another account.
    most_are_missing: bool,
}

/// The configurations that AWS lists.
#[derive(Debug, Default)]
struct Listed {
    /// Those without a row, or whose row had ended.
    unknown: Vec<Summary>,
    /// The number of the others.
    known: usize,
}

impl Scan {
    /// Returns a scan that corrects the ledger of `parts`, and publishes to `completeness` whether
    /// it is complete.
    #[must_use]
    pub fn new(
        parts: Parts,
        config: ScanConfig,
        completeness: watch::Sender<Completeness>,
    ) -> Self {
        let rate = config.calls_per_second;
        let tags = TagsReader::new(&parts, rate, config.visible_after);
        let Parts { ledger, ivs, pacers, resolutions, problems, metrics, clock, ids, .. } = parts;
        Self {
            ledger,
            ivs,
            pacers,
            config,
            resolutions,
            completeness,
            problems,
            metrics,
            lists: Ticker::per_second(rate),
            reads: Ticker::per_second(rate),
            tags,
            own_unreadable: BTreeMap::new(),
            clock,
            ids,
        }
    }

    /// Scans until the ledger is complete, publishes that, and then scans until `shutdown` fires.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let scans = async {
            self.complete_ledger().await;
            self.set_rate(self.config.calls_per_second * SHARE);
            loop {
                match self.scan().await {
                    Ok(scanned) => self.publish(!scanned.most_are_missing),
                    Err(error @ ScanError::OtherAccount { .. }) => {
                        tracing::error!(%error, "the credentials are those of another account");
                        self.publish(false);
                    }
                    Err(error) => tracing::warn!(%error, "a scan failed"),
                }
                if let Err(error) = self.prune().await {
                    tracing::error!(%error, "could not delete ended rows from the ledger");
                }
                tokio::time::sleep(self.config.interval).await;
            }
        };
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            () = scans => {}
        }
    }

    fn set_rate(&mut self, calls_per_second: f64) {
        self.lists = Ticker::per_second(calls_per_second);
        self.reads = Ticker::per_second(calls_per_second);
        self.tags.set_rate(calls_per_second);
    }

    /// Publishes whether the ledger is complete: not if AWS lists another account, or lacks most rows.
    fn publish(&self, is_complete: bool) {
        let not_before = Instant::now() + self.config.interval;
        self.completeness.send_replace(if is_complete {
            Completeness::Complete
        } else {
            Completeness::Incomplete { not_before, reading: None }
        });
    }

    async fn scan(&mut self) -> Result<ScanResult, ScanError> {
        let scanned = self.scan_once().await;
        let is_other_account = matches!(&scanned, Err(ScanError::OtherAccount { .. }));
        self.problems.set(Problem::OtherAccount, is_other_account);
        scanned
    }

    async fn scan_once(&mut self) -> Result<ScanResult, ScanError> {
        let began = self.clock.wall();
        let Listed { unknown, known } = self.list().await?;
        let mut scanned = self.adopt_all(unknown).await?;
        scanned.most_are_missing = self.release_all(began, known).await?;
        let is_complete = self.completeness.borrow().is_complete();
        self.problems.set(Problem::OwnUnreadable, scanned.own_unreadable > 0 && !is_complete);
        self.metrics.scans.inc();
        Ok(scanned)
    }

    /// Lists all configurations, and records their states.
    async fn list(&mut self) -> Result<Listed, ScanError> {
        let mut pages = Pages::default();
        let mut listed = Listed::default();
        loop {
            let (page, at) = self.page(pages.token()).await.map_err(ScanError::Aws)?;
            let Page { summaries, next_token } = page;
            if let Some(summary) = summaries.first() {
                check_account(&*self.ledger, &summary.arn).await?;
            }
            let count = summaries.len();
            let seen = summaries.iter().map(|summary| summary.observation(at));
            let unknown = self.ledger.observe(seen.collect()).await?;
            listed.known += count - unknown.len();
            let unknown: HashSet<_> = unknown.into_iter().collect();
            let is_unknown = |summary: &Summary| unknown.contains(&summary.arn);
            listed.unknown.extend(summaries.into_iter().filter(is_unknown));
            if !pages.advance(next_token)? {
                return Ok(listed);
            }
        }
    }

    /// Lists a page. Retries a failed call: a list of many pages would seldom succeed otherwise.
    /// Returns the page, and when AWS was asked.
    async fn page(&mut self, token: Option<String>) -> Result<(Page, SystemTime), CallError> {
        let mut attempts = 0;
        loop {
            self.lists.tick().await;
            let permit = self.pacers.list.internal_permit().await;
            let at = self.clock.wall();
            let list = self.ivs.list_ingest_configurations(permit, None, token.clone());
            match list.await {
                Ok(page) => return Ok((page, at)),
                Err(_) if attempts < PAGE_RETRIES => attempts += 1,
                Err(error) => return Err(error),
            }
        }
    }

    async fn read(&mut self, arn: &str) -> Result<AwsResponse<Configuration>, CallError> {
        self.reads.tick().await;
        let permit = self.pacers.get.internal_permit().await;
        self.ivs.get_ingest_configuration(permit, arn).await
    }

    async fn prune(&self) -> Result<(), LedgerError> {
        let before = self.clock.wall() - self.config.retention;
        while self.ledger.prune(before).await? > 0 {}
        Ok(())
    }
}
