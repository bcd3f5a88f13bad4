//! One probe: looks at AWS for the in-doubt creates of one stage.

use std::collections::{BTreeMap, HashSet};

use super::{Resolution, Resolver, ScanError};
use crate::{
    ivs::{CallError, FailureKind, Summary},
    ledger::{Event, InDoubtCreate, LedgerError, Resource},
    request::{IngestConfigurationState, IngestProtocol, OperationId},
    tenancy::tags::TenancyTags,
};

/// Maximum size of the cache of tags. A full cache is cleared.
const MAX_READ: usize = 100_000;

/// The fields in which a summary must match the row of its create.
type MatchKey<'a> = (Option<&'a str>, &'a str, &'a str, Option<IngestProtocol>);

fn key_of_summary(summary: &Summary) -> MatchKey<'_> {
    (summary.stage_arn.as_deref(), &summary.name, &summary.user_id, summary.ingest_protocol)
}

fn key_of_create(create: &InDoubtCreate) -> MatchKey<'_> {
    (create.stage_arn.as_deref(), &create.name, &create.user_id, Some(create.ingest_protocol))
}

impl Resolver {
    /// Looks for the in-doubt creates of one stage; without a stage, among all configurations
    /// of the account. A probe that fails halfway proves nothing about any of them.
    pub(super) async fn probe(
        &mut self,
        stage_arn: Option<&str>,
        in_doubt: Vec<InDoubtCreate>,
    ) -> Result<(), LedgerError> {
        let began = self.clock.wall();
        let found = match self.find_by_tags(stage_arn, &in_doubt).await {
            Ok(found) => found,
            Err(ScanError::Ledger(error)) => return Err(error),
            Err(ScanError::Aws(error)) => {
                let failure = error.failure();
                tracing::warn!(stage_arn, in_doubt = in_doubt.len(), %failure, "a probe failed");
                for create in &in_doubt {
                    if let Some(schedule) = self.schedules.get_mut(&create.operation_id) {
                        schedule.postpone();
                    }
                }
                return Ok(());
            }
        };
        for create in &in_doubt {
            match found.get(&create.operation_id) {
                Some(matches) => self.found(create, matches).await?,
                None => self.not_found(create, began).await?,
            }
        }
        Ok(())
    }

    /// Returns the configurations at AWS whose tags name one of the creates.
    async fn find_by_tags(
        &mut self,
        stage_arn: Option<&str>,
        in_doubt: &[InDoubtCreate],
    ) -> Result<BTreeMap<OperationId, Vec<Summary>>, ScanError> {
        let keys: HashSet<MatchKey<'_>> = in_doubt.iter().map(key_of_create).collect();
        let mut candidates = Vec::new();
        let mut next_token = None;
        loop {
            self.lists.tick().await;
            let permit = self.pacers.list.internal_permit().await;
            let list = self.ivs.list_ingest_configurations(permit, stage_arn, next_token);
            let page = match list.await {
                Ok(page) => page,
                Err(error) => return Err(ScanError::Aws(error)),
            };
            candidates.extend(
                page.summaries
                    .into_iter()
                    .filter(|summary| keys.contains(&key_of_summary(summary))),
            );
            next_token = page.next_token;
            if next_token.is_none() {
                break;
            }
        }
        let arns = candidates.iter().map(|candidate| candidate.arn.clone()).collect();
        let owners = self.ledger.owners(arns).await?;
        let mut found: BTreeMap<OperationId, Vec<Summary>> = BTreeMap::new();
        for candidate in candidates {
            if owners.contains_key(&candidate.arn) {
                continue;
            }
            match self.operation_of(&candidate.arn).await {
                Ok(Some(operation_id)) => found.entry(operation_id).or_default().push(candidate),
                Ok(None) => {}
                Err(error) => return Err(ScanError::Aws(error)),
            }
        }
        Ok(found)
    }

    /// Returns the create that the tags of a configuration name.
    async fn operation_of(&mut self, arn: &str) -> Result<Option<OperationId>, CallError> {
        if let Some(read) = self.read.get(arn) {
            return Ok(*read);
        }
        self.tags.tick().await;
        let permit = self.pacers.list_tags.internal_permit().await;
        let operation_id = match self.ivs.list_tags(permit, arn).await {
            Ok(tags) => TenancyTags::read(&tags).map(|tags| tags.operation_id),
            // The configuration was deleted after the list.
            Err(error) if error.failure().kind == FailureKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if self.read.len() >= MAX_READ {
            self.read.clear();
        }
        self.read.insert(arn.to_owned(), operation_id);
        Ok(operation_id)
    }

    /// Assigns the configuration to the row. A create that was sent again may have several
    /// configurations: the active one is kept, and the others are deleted unless they are
    /// active too.
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
            for orphan in matches.iter().filter(|other| other.arn != kept.arn) {
                self.orphan(create.operation_id, orphan).await;
            }
        }
        Ok(())
    }

    /// Deletes a duplicate configuration of a create, which its tags identify. AWS rejects the
    /// delete of an active configuration: then it stays, and the error is logged.
    async fn orphan(&mut self, operation_id: OperationId, orphan: &Summary) {
        self.metrics.orphans.inc();
        self.deletes.tick().await;
        let arn = &orphan.arn;
        let permit = self.pacers.delete.internal_permit().await;
        match self.ivs.delete_ingest_configuration(permit, arn, false).await {
            Ok(()) => tracing::warn!(%operation_id, arn, "deleted a duplicate configuration"),
            Err(error) => {
                let failure = error.failure();
                tracing::error!(%operation_id, arn, %failure, "could not delete a duplicate configuration");
            }
        }
    }
}
