//! The operations on ingest configurations.

mod responses;

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;

use self::responses::{ConfigurationResponse, ListResponse};
use super::{Moment, members};
use crate::{
    resources::{Credential, IngestConfiguration, Resources, is_past},
    validation::{ResourceType, Violations, token},
    wire::{ApiError, Result, json},
};

/// The values of `ingestProtocol`.
const PROTOCOLS: [&str; 2] = ["RTMP", "RTMPS"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateMembers {
    name: Option<String>,
    stage_arn: Option<String>,
    user_id: Option<String>,
    attributes: Option<BTreeMap<String, String>>,
    ingest_protocol: Option<String>,
    insecure_ingest: Option<bool>,
    redundant_ingest: Option<bool>,
    tags: Option<BTreeMap<String, String>>,
}

/// `CreateIngestConfiguration`.
pub(crate) struct Create {
    name: String,
    stage_arn: String,
    user_id: String,
    attributes: BTreeMap<String, String>,
    ingest_protocol: &'static str,
    redundant_ingest: bool,
    tags: BTreeMap<String, String>,
}

impl Create {
    pub(super) fn parse(body: &[u8]) -> Result<Self> {
        let members: CreateMembers = members(body)?;
        let mut violations = Violations::default();
        let name = members.name.unwrap_or_default();
        violations.name(&name);
        let stage_arn = members.stage_arn.unwrap_or_default();
        violations.optional_stage_arn(&stage_arn);
        let user_id = members.user_id.unwrap_or_default();
        violations.user_id(&user_id);
        let attributes = members.attributes.unwrap_or_default();
        violations.attributes(&attributes);
        let tags = members.tags.unwrap_or_default();
        violations.tags(&tags);
        let ingest_protocol = match members.ingest_protocol {
            None => {
                violations.add("ingestProtocol", "not be null");
                ""
            }
            Some(given) => {
                let known = PROTOCOLS.into_iter().find(|known| *known == given);
                known.unwrap_or_else(|| {
                    violations.add("ingestProtocol", "satisfy enum value set: [RTMP, RTMPS]");
                    ""
                })
            }
        };
        if ingest_protocol == "RTMP" && members.insecure_ingest != Some(true) {
            violations.add("insecureIngest", "be true if ingestProtocol is RTMP");
        }
        violations.finish()?;
        let redundant_ingest = members.redundant_ingest.unwrap_or_default();
        Ok(Self { name, stage_arn, user_id, attributes, ingest_protocol, redundant_ingest, tags })
    }

    pub(super) fn execute(self, resources: &mut Resources, moment: Moment) -> Result {
        // `CreateIngestConfiguration` does not declare ResourceNotFoundException.
        if !stage_exists(resources, &self.stage_arn) {
            return Err(ApiError::validation("The stage of stageArn does not exist"));
        }
        let arn = resources.new_arn(ResourceType::IngestConfiguration);
        let configuration = IngestConfiguration {
            arn: arn.clone(),
            name: self.name,
            ingest_protocol: self.ingest_protocol,
            stage_arn: self.stage_arn,
            user_id: self.user_id,
            attributes: self.attributes,
            tags: self.tags,
            credential: resources.credential(),
            redundant_credentials: redundant_credentials(resources, self.redundant_ingest),
            active: false,
            created_at: moment.wall_time,
            listed_from: moment.now.checked_add(moment.consistency.visibility_delay),
            found_from: moment.now.checked_add(moment.consistency.read_delay),
            tagged_from: moment.now.checked_add(moment.consistency.tag_delay),
        };
        let row = resources.ingest_configurations.insert(arn, configuration);
        json(&ConfigurationResponse::of(row, &row.tags))
    }
}

#[derive(Deserialize)]
struct GetMembers {
    arn: Option<String>,
}

/// `GetIngestConfiguration`.
pub(crate) struct Get {
    arn: String,
}

impl Get {
    pub(super) fn parse(body: &[u8]) -> Result<Self> {
        let members: GetMembers = members(body)?;
        let mut violations = Violations::default();
        let arn = violations.required_arn(members.arn, ResourceType::IngestConfiguration);
        violations.finish()?;
        Ok(Self { arn })
    }

    pub(super) fn execute(self, resources: &mut Resources, moment: Moment) -> Result {
        let found = resources.configuration(&self.arn, moment.now).ok_or_else(absent)?;
        json(&ConfigurationResponse::of(found, found.tags_at(moment.now)))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMembers {
    filter_by_stage_arn: Option<String>,
    filter_by_state: Option<String>,
    next_token: Option<String>,
    max_results: Option<i64>,
}

/// `ListIngestConfigurations`.
pub(crate) struct List {
    stage_arn: Option<String>,
    active: Option<bool>,
    after: Option<u64>,
    max_results: usize,
}

impl List {
    pub(super) fn parse(body: &[u8]) -> Result<Self> {
        let members: ListMembers = members(body)?;
        let mut violations = Violations::default();
        if let Some(arn) = &members.filter_by_stage_arn {
            violations.arn("filterByStageArn", arn, ResourceType::Stage);
        }
        let active = match members.filter_by_state.as_deref() {
            None => None,
            Some("ACTIVE") => Some(true),
            Some("INACTIVE") => Some(false),
            Some(_) => {
                violations.add("filterByState", "satisfy enum value set: [ACTIVE, INACTIVE]");
                None
            }
        };
        let max_results = violations.max_results(members.max_results);
        let after = violations.next_token(members.next_token.as_deref());
        violations.finish()?;
        if members.filter_by_stage_arn.is_some() && active.is_some() {
            return Err(ApiError::validation(
                "Only one of filterByStageArn and filterByState can be used at a time",
            ));
        }
        Ok(Self { stage_arn: members.filter_by_stage_arn, active, after, max_results })
    }

    pub(super) fn execute(self, resources: &Resources, moment: Moment) -> Result {
        let matches = |row: &IngestConfiguration| {
            is_past(row.listed_from, moment.now)
                && self.stage_arn.as_ref().is_none_or(|arn| *arn == row.stage_arn)
                && self.active.is_none_or(|active| active == row.active)
        };
        let rows = &resources.ingest_configurations;
        let size = self.max_results.min(moment.consistency.max_page_size);
        let (page, last) = if moment.consistency.pages_by_offset {
            rows.page_by_offset(self.after, size, matches)
        } else {
            rows.page(self.after, size, matches)
        };
        json(&ListResponse::of(&page, last.map(token)))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UpdateMembers {
    arn: Option<String>,
    stage_arn: Option<String>,
    redundant_ingest: Option<bool>,
}

/// `UpdateIngestConfiguration`. An absent member leaves its value unchanged.
pub(crate) struct Update {
    arn: String,
    stage_arn: Option<String>,
    redundant_ingest: Option<bool>,
}

impl Update {
    pub(super) fn parse(body: &[u8]) -> Result<Self> {
        let members: UpdateMembers = members(body)?;
        let mut violations = Violations::default();
        let arn = violations.required_arn(members.arn, ResourceType::IngestConfiguration);
        if let Some(stage_arn) = &members.stage_arn {
            violations.optional_stage_arn(stage_arn);
        }
        violations.finish()?;
        Ok(Self { arn, stage_arn: members.stage_arn, redundant_ingest: members.redundant_ingest })
    }

    pub(super) fn execute(self, resources: &mut Resources, moment: Moment) -> Result {
        let found = resources.configuration(&self.arn, moment.now).ok_or_else(absent)?;
        if found.active {
            return Err(ApiError::conflict("An active ingest configuration cannot be updated"));
        }
        let was_redundant = !found.redundant_credentials.is_empty();
        if self.stage_arn.as_ref().is_some_and(|arn| !stage_exists(resources, arn)) {
            return Err(ApiError::not_found("The stage of stageArn does not exist"));
        }
        let new_credentials = self
            .redundant_ingest
            .filter(|redundant| *redundant != was_redundant)
            .map(|redundant| redundant_credentials(resources, redundant));
        let row = resources.ingest_configurations.get_mut(&self.arn).ok_or_else(absent)?;
        if let Some(stage_arn) = self.stage_arn {
            row.stage_arn = stage_arn;
        }
        if let Some(credentials) = new_credentials {
            row.redundant_credentials = credentials;
        }
        json(&ConfigurationResponse::of(row, row.tags_at(moment.now)))
    }
}

#[derive(Deserialize)]
struct DeleteMembers {
    arn: Option<String>,
    force: Option<bool>,
}

/// `DeleteIngestConfiguration`.
pub(crate) struct Delete {
    arn: String,
    force: bool,
}

impl Delete {
    pub(super) fn parse(body: &[u8]) -> Result<Self> {
        let members: DeleteMembers = members(body)?;
        let mut violations = Violations::default();
        let arn = violations.required_arn(members.arn, ResourceType::IngestConfiguration);
        violations.finish()?;
        Ok(Self { arn, force: members.force.unwrap_or_default() })
    }

    pub(super) fn execute(self, resources: &mut Resources, moment: Moment) -> Result {
        let found = resources.configuration(&self.arn, moment.now).ok_or_else(absent)?;
        if found.active && !self.force {
            return Err(ApiError::conflict(
                "An active ingest configuration cannot be deleted without force",
            ));
        }
        resources.ingest_configurations.remove(&self.arn);
        Ok(Bytes::from_static(b"{}"))
    }
}

fn absent() -> ApiError {
    ApiError::not_found("The ingest configuration does not exist")
}

/// Returns whether the stage exists. An empty ARN means no stage, which is valid.
fn stage_exists(resources: &Resources, stage_arn: &str) -> bool {
    stage_arn.is_empty() || resources.stages.get(stage_arn).is_some()
}

fn redundant_credentials(resources: &Resources, redundant: bool) -> Vec<Credential> {
    let count = if redundant { 2 } else { 0 };
    (0..count).map(|_| resources.credential()).collect()
}
