//! The configurations without a row: the tags of each decide whether it is the gateway's, and
//! then it gets a row.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    super::{
        Completeness, Reading, ScanError,
        resolutions::Resolution,
        tags_read::{IGNORED_AFTER, Owner},
    },
    Scan, ScanResult,
};
use crate::{
    ivs::{CallError, Configuration, FailureKind, Summary},
    ledger::{Adopted, Adoption, Fields, LedgerError, Observation, Resource},
    request::{IngestProtocol, OperationId},
    tenancy::tags::{self, TenancyTags},
};

/// The consecutive failures after which a scan is given up: in an outage, each one lasts as long
/// as the time-out.
const MAX_FAILURES: u32 = 10;

/// The result of an inspection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inspected {
    /// The ledger knew it, or it is foreign.
    Known,
    /// The ledger did not know it.
    Unknown,
    /// It is the gateway's, and AWS does not show it.
    NotShown,
}

/// Whether the failure may be one of all calls.
const fn may_be_an_outage(kind: FailureKind) -> bool {
    !matches!(kind, FailureKind::AccessDenied | FailureKind::Validation | FailureKind::Rejected)
}

/// The error that ended the inspection of a configuration.
enum InspectError {
    /// Its tags cannot be read: it may be foreign.
    Tags(CallError),
    /// It is the gateway's, and cannot be read.
    Own(CallError),
    /// The ledger failed.
    Ledger(LedgerError),
}

/// The tags of a configuration of the gateway.
type Tags = HashMap<String, String>;

impl Scan {
    /// Adopts the configurations of the gateway. One that cannot be read is skipped: it may be
    /// foreign.
    pub(super) async fn adopt_all(
        &mut self,
        unknown: Vec<Summary>,
    ) -> Result<ScanResult, ScanError> {
        let mut scanned = ScanResult::default();
        let mut failures = 0;
        let all = unknown.len();
        for (done, summary) in unknown.into_iter().enumerate() {
            let arn = summary.arn.clone();
            self.publish_reading(Reading { done, all });
            let error = match self.inspect(summary).await {
                Ok(inspected) => {
                    failures = 0;
                    scanned.unknown += u64::from(inspected == Inspected::Unknown);
                    scanned.own_unreadable += u64::from(inspected == Inspected::NotShown);
                    continue;
                }
                Err(InspectError::Ledger(error)) => return Err(ScanError::Ledger(error)),
                Err(InspectError::Own(error)) => {
                    scanned.own_unreadable += 1;
                    let failure = error.failure();
                    tracing::error!(arn, %failure, "could not read a configuration of the gateway");
                    error
                }
                Err(InspectError::Tags(error)) => {
                    scanned.unreadable.insert(arn.clone());
                    error
                }
            };
            failures += u32::from(may_be_an_outage(error.failure().kind));
            self.metrics.unreadable.inc();
            let failure = error.failure();
            tracing::warn!(arn, %failure, "could not read a configuration; the scan skips it");
            if failures >= MAX_FAILURES {
                return Err(ScanError::Aws(error));
            }
        }
        Ok(scanned)
    }

    /// Publishes the progress, unless the ledger is complete.
    fn publish_reading(&self, reading: Reading) {
        let left = u32::try_from(reading.all - reading.done).unwrap_or(u32::MAX);
        let reads = Duration::from_secs_f64(f64::from(left) / self.config.calls_per_second);
        self.completeness.send_if_modified(|completeness| match completeness {
            Completeness::Complete => false,
            Completeness::Incomplete { not_before, reading: read } => {
                *not_before = (*not_before).max(Instant::now() + reads);
                *read = Some(reading);
                true
            }
        });
    }

    /// Adopts a configuration if it carries the gateway's tags.
    async fn inspect(&mut self, summary: Summary) -> Result<Inspected, InspectError> {
        let arn = summary.arn.as_str();
        let tags = self.own_tags(arn).await.map_err(InspectError::Tags)?;
        let Some((tenancy, tags)) = tags.and_then(|tags| Some((TenancyTags::read(&tags)?, tags)))
        else {
            return Ok(Inspected::Known);
        };
        let at = self.clock.wall();
        let (seen, adoption) = match self.read(arn).await {
            Ok(response) => {
                self.own_unreadable.remove(arn);
                let seen = response.value.observation(at);
                (seen, self.adoption_of_read(tenancy, tags, response.value))
            }
            Err(error) => {
                let since = *self.own_unreadable.entry(arn.to_owned()).or_insert_with(Instant::now);
                let is_long = since.elapsed() >= self.config.visible_after * IGNORED_AFTER;
                let protocol = summary.ingest_protocol.filter(|_| is_long);
                let Some(protocol) = protocol else {
                    // Deleted since the list, or not shown yet: the next scan decides.
                    return match error.failure().kind {
                        FailureKind::NotFound => Ok(Inspected::NotShown),
                        _ => Err(InspectError::Own(error)),
                    };
                };
                let failure = error.failure();
                tracing::error!(arn, %failure, "adopted a configuration that cannot be read, as the list shows it; its attributes are unknown");
                (
                    summary.observation(at),
                    self.adoption_of_summary(tenancy, tags, summary, protocol),
                )
            }
        };
        let was_unknown = self.adopt(adoption, seen).await.map_err(InspectError::Ledger)?;
        Ok(if was_unknown { Inspected::Unknown } else { Inspected::Known })
    }

    /// Reads the tags of a configuration. Returns `None` if it is not the gateway's, or if its
    /// tags may be late: then a later scan reads them again.
    async fn own_tags(&mut self, arn: &str) -> Result<Option<Tags>, CallError> {
        if self.tags_read.known(arn) == Some(Owner::Foreign) {
            return Ok(None);
        }
        self.tickers.tags.tick().await;
        let permit = self.pacers.list_tags.internal_permit().await;
        let began = Instant::now();
        match self.ivs.list_tags(permit, arn).await {
            Ok(tags) => {
                let operation_id = TenancyTags::read(&tags).map(|tags| tags.operation_id);
                let owner = self.tags_read.record(arn, operation_id, began);
                Ok(matches!(owner, Owner::Create(_)).then_some(tags))
            }
            Err(error) if error.failure().kind == FailureKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Adopts a configuration that was seen as `seen`. Returns whether the ledger did not know it.
    async fn adopt(&mut self, adoption: Adoption, seen: Observation) -> Result<bool, LedgerError> {
        let operation_id = adoption.operation_id;
        let seen = vec![seen];
        // If the row is live, or ended after the read, the ledger is newer than this read: an adoption
        // would restore a deleted configuration.
        if self.ledger.observe(seen.clone()).await?.is_empty() {
            return Ok(false);
        }
        let resource = adoption.resource.clone();
        let arn = resource.arn.clone();
        let adopted = self.ledger.adopt(adoption).await?;
        // `adopt` does not record the state.
        self.ledger.observe(seen).await?;
        match adopted {
            Adopted::Inserted { has_new_request_id } => {
                self.metrics.adopted.inc();
                if has_new_request_id {
                    // A caller may hold its key, so it is not deleted.
                    self.metrics.orphans.inc();
                    tracing::error!(%operation_id, arn, "adopted a configuration whose request_id belongs to another one; it counts against the quota until its tenant deletes it");
                } else {
                    tracing::info!(%operation_id, arn, "adopted a configuration that had no row");
                }
                return Ok(true);
            }
            Adopted::Live { had_ended } => {
                self.metrics.adopted.inc();
                tracing::info!(%operation_id, arn, "a configuration exists, and its row is live");
                self.resolutions.publish(operation_id, &Resolution::Live(resource));
                return Ok(had_ended);
            }
            Adopted::Duplicate { kept } => self.delete_duplicate(operation_id, &arn, &kept).await,
            Adopted::UnderWay => {}
        }
        Ok(false)
    }

    /// Deletes a second configuration of a create whose key no caller has received. AWS rejects
    /// the delete of an active configuration: then it stays.
    async fn delete_duplicate(&mut self, operation_id: OperationId, arn: &str, kept: &str) {
        self.metrics.orphans.inc();
        self.tickers.reads.tick().await;
        let permit = self.pacers.delete.internal_permit().await;
        match self.ivs.delete_ingest_configuration(permit, arn, false).await {
            Ok(()) => tracing::warn!(%operation_id, arn, kept, "deleted a duplicate configuration"),
            Err(error) => {
                let failure = error.failure();
                tracing::error!(%operation_id, arn, kept, %failure, "could not delete a duplicate configuration");
            }
        }
    }

    fn adoption_of_read(&self, tenancy: TenancyTags, tags: Tags, found: Configuration) -> Adoption {
        let resource = Resource { arn: found.arn, participant_id: found.participant_id };
        let fields = Fields {
            name: found.name,
            stage_arn: found.stage_arn,
            user_id: found.user_id,
            attributes: found.attributes,
            ingest_protocol: found.ingest_protocol,
            redundant_ingest: found.redundant_ingest,
            tags: tags::visible(tags, &BTreeMap::new()),
        };
        self.adoption(tenancy, resource, fields)
    }

    fn adoption_of_summary(
        &self,
        tenancy: TenancyTags,
        tags: Tags,
        summary: Summary,
        ingest_protocol: IngestProtocol,
    ) -> Adoption {
        let resource = Resource { arn: summary.arn, participant_id: summary.participant_id };
        let fields = Fields {
            name: summary.name,
            stage_arn: summary.stage_arn,
            user_id: summary.user_id,
            attributes: BTreeMap::new(),
            ingest_protocol,
            redundant_ingest: summary.redundant_ingest,
            tags: tags::visible(tags, &BTreeMap::new()),
        };
        self.adoption(tenancy, resource, fields)
    }

    fn adoption(&self, tenancy: TenancyTags, resource: Resource, fields: Fields) -> Adoption {
        let TenancyTags { tenant, operation_id, request_id, fingerprint } = tenancy;
        Adoption {
            operation_id,
            tenant,
            request_id: request_id.map_or_else(|| operation_id.to_string(), |id| id.to_string()),
            fingerprint,
            resource,
            fields,
            new_id: self.ids.next_operation_id(self.clock.wall()),
            ledger_is_complete: self.completeness.borrow().is_complete(),
        }
    }
}
