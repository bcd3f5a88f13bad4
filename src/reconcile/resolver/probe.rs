//! One probe: looks at AWS for the in-doubt creates of one stage.

use std::collections::{BTreeMap, HashMap, HashSet};

use tokio::time::Instant;

use super::{
    super::{
        check_account,
        pages::{PAGE_RETRIES, Pages},
        tags_read::Owner,
        tags_reader::Unreadable,
    },
    Resolution, Resolver, ScanError,
    schedule::Began,
};
use crate::{
    ivs::{FailureKind, Summary},
    ledger::{Event, InDoubtCreate, LedgerError, Resource},
    request::{IngestConfigurationState, IngestProtocol, OperationId},
};

/// The failed reads of tags after which a probe reads no more: in an outage, each one lasts as long
/// as the time-out. One unreadable configuration must not hide the others.
const MAX_FAILED_READS: u32 = 3;

/// The fields in which a summary must match the row of its create. The stage is not compared: AWS
/// removes it from a configuration when the stage is deleted.
type MatchKey<'a> = (&'a str, &'a str, Option<IngestProtocol>);

fn key_of_summary(summary: &Summary) -> MatchKey<'_> {
    (&summary.name, &summary.user_id, summary.ingest_protocol)
}

fn key_of_create(create: &InDoubtCreate) -> MatchKey<'_> {
    (&create.name, &create.user_id, Some(create.ingest_protocol))
}

/// Whether the failure may mean that the stage of the filter no longer exists.
const fn may_be_the_stage(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::NotFound | FailureKind::Validation | FailureKind::Rejected)
}

/// The results of a probe.
struct Found<'a> {
    /// The configurations of each create that tags name.
    by_create: BTreeMap<OperationId, Vec<Summary>>,
    /// The fields of configurations whose owner is undecided.
    undecided: HashSet<MatchKey<'a>>,
}

impl Resolver {
    /// Looks for the creates that are due, all of one stage; without a stage, among all
    /// configurations of the account. A probe that fails halfway proves nothing about any of
    /// them. `in_doubt` are all creates in doubt: whatever the probe finds of them counts.
    pub(super) async fn probe(
        &mut self,
        stage_arn: Option<&str>,
        due: &[&InDoubtCreate],
        in_doubt: &BTreeMap<OperationId, InDoubtCreate>,
    ) -> Result<(), LedgerError> {
        let began = Began { wall: self.clock.wall(), monotonic: Instant::now() };
        let was_complete = self.completeness.borrow().is_complete();
        let found = match self.find_by_tags(stage_arn, due).await {
            Ok(found) => found,
            Err(ScanError::Ledger(error)) => return Err(error),
            Err(error) => {
                tracing::warn!(stage_arn, in_doubt = due.len(), %error, "a probe failed");
                for create in due {
                    self.postpone(create.operation_id);
                }
                return Ok(());
            }
        };
        for create in due {
            if found.by_create.contains_key(&create.operation_id) {
                continue;
            }
            if found.undecided.contains(&key_of_create(create)) {
                self.postpone(create.operation_id);
            } else {
                self.not_found(create, began, was_complete).await?;
            }
        }
        for (operation_id, matches) in &found.by_create {
            if let Some(create) = in_doubt.get(operation_id) {
                self.found(create, matches).await?;
            }
        }
        Ok(())
    }

    /// Records that a probe has proved nothing. An earlier proof does not count any more.
    pub(super) fn postpone(&mut self, operation_id: OperationId) {
        self.resolutions.unset_absent(operation_id);
        if let Some(schedule) = self.schedules.get_mut(&operation_id) {
            schedule.postpone();
        }
    }

    /// Reads the tags of the configurations at AWS that may be those of the creates.
    async fn find_by_tags<'a>(
        &mut self,
        mut stage_arn: Option<&str>,
        due: &[&'a InDoubtCreate],
    ) -> Result<Found<'a>, ScanError> {
        // Creates may have equal fields. One of them stands for the others.
        let keys: HashMap<MatchKey<'_>, usize> =
            due.iter().enumerate().map(|(index, create)| (key_of_create(create), index)).collect();
        let mut candidates = Vec::new();
        let mut pages = Pages::default();
        let mut retries = 0;
        loop {
            self.lists.tick().await;
            let permit = self.pacers.list.internal_permit().await;
            let list = self.ivs.list_ingest_configurations(permit, stage_arn, pages.token());
            let page = match list.await {
                Err(error) if stage_arn.is_some() && may_be_the_stage(error.failure().kind) => {
                    // List the whole account instead, from the first page.
                    (stage_arn, pages) = (None, Pages::default());
                    continue;
                }
                Err(_) if retries < PAGE_RETRIES => {
                    retries += 1;
                    continue;
                }
                page => page.map_err(ScanError::Aws)?,
            };
            retries = 0;
            if let Some(summary) = page.summaries.first() {
                check_account(&*self.ledger, &summary.arn).await?;
            }
            for summary in page.summaries {
                if let Some(index) = keys.get(&key_of_summary(&summary)).copied() {
                    candidates.push((index, summary));
                }
            }
            if !pages.advance(page.next_token)? {
                break;
            }
        }
        let arns = candidates.iter().map(|(_, candidate)| candidate.arn.clone()).collect();
        let owners = self.ledger.owners(arns).await?;
        let mut found = Found { by_create: BTreeMap::new(), undecided: HashSet::new() };
        let mut failed = 0;
        for (index, candidate) in candidates {
            if owners.contains_key(&candidate.arn) {
                continue;
            }
            let owner = match self.tags.known(&candidate.arn) {
                Some(owner) => owner,
                None if failed == MAX_FAILED_READS => Owner::Undecided,
                None => match self.tags.read(&candidate.arn).await {
                    Ok((owner, _)) => owner,
                    Err(Unreadable { error, is_foreign }) => {
                        let (arn, failure) = (&candidate.arn, error.failure());
                        if is_foreign {
                            tracing::error!(arn, %failure, "a configuration has been unreadable for long, and is ignored; if it is the gateway's, a create may repeat it");
                            Owner::Foreign
                        } else {
                            failed += 1;
                            tracing::warn!(arn, %failure, "could not read the tags of a configuration");
                            Owner::Undecided
                        }
                    }
                },
            };
            match owner {
                Owner::Create(id) => found.by_create.entry(id).or_default().push(candidate),
                Owner::Undecided => {
                    found.undecided.insert(key_of_create(due[index]));
                }
                Owner::Foreign => {}
            }
        }
        Ok(found)
    }

    /// Assigns the configuration to the row. A create that was sent again may have several
    /// configurations: the active one is assigned, and the scan finds the others.
    async fn found(
        &mut self,
        create: &InDoubtCreate,
        matches: &[Summary],
    ) -> Result<(), LedgerError> {
        let in_use = |summary: &&Summary| summary.state == IngestConfigurationState::Active;
        let Some(kept) = matches.iter().find(in_use).or(matches.first()) else { return Ok(()) };
        let participant_id = kept.participant_id.clone();
        let resource = Resource { arn: kept.arn.clone(), participant_id };
        if self.resolved(create, Event::Found(resource.clone())).await? {
            self.metrics.adopted.inc();
            tracing::info!(operation_id = %create.operation_id, tenant = %create.tenant,
                arn = kept.arn, "resolved an in-doubt create: AWS created it");
            self.resolutions.publish(create.operation_id, &Resolution::Live(resource));
        }
        Ok(())
    }
}
