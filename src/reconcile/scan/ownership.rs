//! The configurations without a row: the tags of each decide whether it is the gateway's, and
//! then it gets a row.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::{
    super::{
        Completeness, Reading, ScanError,
        resolutions::Resolution,
        tags_read::{IGNORED_AFTER, Owner},
        tags_reader::{Tags, Unreadable},
    },
    Scan, ScanResult,
};
use crate::{
    ivs::{CallError, FailureKind, Summary},
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
    /// It is the gateway's, and AWS does not show it, or with an unknown protocol.
    NotShown,
}

/// Whether the failure may be one of all calls.
const fn may_be_an_outage(kind: FailureKind) -> bool {
    !matches!(kind, FailureKind::AccessDenied | FailureKind::Validation | FailureKind::Rejected)
}

/// The error that ended the inspection of a configuration.
enum InspectError {
    /// Its tags cannot be read: it may be foreign.
    Tags(Unreadable),
    /// It is the gateway's, and cannot be read.
    Own(CallError),
    /// The ledger failed.
    Ledger(LedgerError),
}

impl Scan {
    /// Adopts the configurations of the gateway. One that cannot be read is skipped: it may be
    /// foreign.
    pub(super) async fn adopt_all(
        &mut self,
        unknown: Vec<Summary>,
    ) -> Result<ScanResult, ScanError> {
        let is_listed = |arn: &String| unknown.iter().any(|summary| summary.arn == *arn);
        self.own_unreadable.retain(|arn, _| is_listed(arn));
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
                Err(InspectError::Tags(Unreadable { error, is_foreign })) => {
                    if is_foreign {
                        tracing::error!(
                            arn,
                            "a configuration has been unreadable for long, and is ignored; if it is the gateway's, a create may repeat it"
                        );
                    }
                    scanned.unreadable += u64::from(!is_foreign);
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
        let (summary, attributes) = match self.read(arn).await {
            Ok(response) => {
                self.own_unreadable.remove(arn);
                (response.value.summary(), response.value.attributes)
            }
            Err(error) => {
                let since = *self.own_unreadable.entry(arn.to_owned()).or_insert_with(Instant::now);
                if since.elapsed() < self.config.visible_after * IGNORED_AFTER {
                    // Deleted since the list, or not shown yet: the next scan decides.
                    return match error.failure().kind {
                        FailureKind::NotFound => Ok(Inspected::NotShown),
                        _ => Err(InspectError::Own(error)),
                    };
                }
                let failure = error.failure();
                tracing::error!(arn, %failure, "a configuration of the gateway cannot be read: it is adopted as the list shows it, and its attributes are unknown");
                (summary, BTreeMap::new())
            }
        };
        let Some(protocol) = summary.ingest_protocol else { return Ok(Inspected::NotShown) };
        let seen = summary.observation(at);
        let adoption = self.adoption(tenancy, tags, summary, protocol, attributes);
        let was_unknown = self.adopt(adoption, seen).await.map_err(InspectError::Ledger)?;
        Ok(if was_unknown { Inspected::Unknown } else { Inspected::Known })
    }

    /// Reads the tags of a configuration. Returns `None` if it is not the gateway's, or if its
    /// tags may be late: then a later scan reads them again.
    async fn own_tags(&mut self, arn: &str) -> Result<Option<Tags>, Unreadable> {
        if self.tags.known(arn) == Some(Owner::Foreign) {
            return Ok(None);
        }
        let (owner, tags) = self.tags.read(arn).await?;
        Ok(matches!(owner, Owner::Create(_)).then_some(tags))
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

    fn adoption(
        &self,
        tenancy: TenancyTags,
        tags: Tags,
        summary: Summary,
        ingest_protocol: IngestProtocol,
        attributes: BTreeMap<String, String>,
    ) -> Adoption {
        let TenancyTags { tenant, operation_id, request_id, fingerprint } = tenancy;
        Adoption {
            operation_id,
            tenant,
            request_id: request_id.map_or_else(|| operation_id.to_string(), |id| id.to_string()),
            fingerprint,
            resource: Resource { arn: summary.arn, participant_id: summary.participant_id },
            fields: Fields {
                name: summary.name,
                stage_arn: summary.stage_arn,
                user_id: summary.user_id,
                attributes,
                ingest_protocol,
                redundant_ingest: summary.redundant_ingest,
                tags: tags::visible(tags, &BTreeMap::new()),
            },
            new_id: self.ids.next_operation_id(self.clock.wall()),
            ledger_is_complete: self.completeness.borrow().is_complete(),
        }
    }
}
