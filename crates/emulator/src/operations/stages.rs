//! The operations on stages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::members;
use crate::{
    resources::{Resources, Stage},
    validation::{ResourceType, Violations, token},
    wire::{ApiError, Result, json},
};

const EVENTS_ENDPOINT: &str = "wss://global.events.live-video.net";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateMembers {
    name: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    participant_token_configurations: Option<Vec<Value>>,
    auto_participant_recording_configuration: Option<Value>,
}

/// `CreateStage`. Participant tokens and recording are not supported.
pub(crate) struct Create {
    name: String,
    tags: BTreeMap<String, String>,
}

impl Create {
    pub(super) fn parse(body: &[u8]) -> Result<Self> {
        let members: CreateMembers = members(body)?;
        let mut violations = Violations::default();
        let name = members.name.unwrap_or_default();
        violations.name(&name);
        let tags = members.tags.unwrap_or_default();
        violations.tags(&tags);
        violations.finish()?;
        let tokens = members.participant_token_configurations.unwrap_or_default();
        if !tokens.is_empty() || members.auto_participant_recording_configuration.is_some() {
            return Err(ApiError::validation(
                "The emulator does not support participantTokenConfigurations and \
                 autoParticipantRecordingConfiguration",
            ));
        }
        Ok(Self { name, tags })
    }

    pub(super) fn execute(self, resources: &mut Resources) -> Result {
        let stage = resources.create_stage(self.name, self.tags);
        json(&CreateResponse { stage: Whole::of(stage), participant_tokens: [] })
    }
}

#[derive(Deserialize)]
struct GetMembers {
    arn: Option<String>,
}

/// `GetStage`.
pub(crate) struct Get {
    arn: String,
}

impl Get {
    pub(super) fn parse(body: &[u8]) -> Result<Self> {
        let members: GetMembers = members(body)?;
        let mut violations = Violations::default();
        let arn = violations.required_arn(members.arn, ResourceType::Stage);
        violations.finish()?;
        Ok(Self { arn })
    }

    pub(super) fn execute(self, resources: &Resources) -> Result {
        let stage = resources.stages.get(&self.arn);
        let stage = stage.ok_or_else(|| ApiError::not_found("The stage does not exist"))?;
        json(&GetResponse { stage: Whole::of(stage) })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMembers {
    next_token: Option<String>,
    max_results: Option<i64>,
}

/// `ListStages`.
pub(crate) struct List {
    after: Option<u64>,
    max_results: usize,
}

impl List {
    pub(super) fn parse(body: &[u8]) -> Result<Self> {
        let members: ListMembers = members(body)?;
        let mut violations = Violations::default();
        let max_results = violations.max_results(members.max_results);
        let after = violations.next_token(members.next_token.as_deref());
        violations.finish()?;
        Ok(Self { after, max_results })
    }

    pub(super) fn execute(self, resources: &Resources) -> Result {
        let (page, last) = resources.stages.page(self.after, self.max_results, |_| true);
        json(&ListResponse {
            stages: page.into_iter().map(Summary::of).collect(),
            next_token: last.map(token),
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CreateResponse<'a> {
    stage: Whole<'a>,
    participant_tokens: [(); 0],
}

#[derive(Serialize)]
struct GetResponse<'a> {
    stage: Whole<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListResponse<'a> {
    stages: Vec<Summary<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    summary: Summary<'a>,
    endpoints: Endpoints,
}

#[derive(Serialize)]
struct Summary<'a> {
    arn: &'a str,
    name: &'a str,
    tags: &'a BTreeMap<String, String>,
}

/// Addresses in the format of AWS. No server listens there.
#[derive(Serialize)]
struct Endpoints {
    events: &'static str,
    whip: String,
    rtmp: String,
    rtmps: String,
}

impl<'a> Whole<'a> {
    fn of(stage: &'a Stage) -> Self {
        // AWS has one host for each account. Here each stage has its own host, so that a
        // reader sees which stage an address belongs to.
        let id = stage.arn.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        let host = format!("{id}.global-contribute.live-video.net");
        let endpoints = Endpoints {
            events: EVENTS_ENDPOINT,
            whip: format!("https://{id}.global-bm.whip.live-video.net"),
            rtmp: format!("rtmp://{host}:1935/app/"),
            rtmps: format!("rtmps://{host}:443/app/"),
        };
        Self { summary: Summary::of(stage), endpoints }
    }
}

impl<'a> Summary<'a> {
    fn of(stage: &'a Stage) -> Self {
        Self { arn: &stage.arn, name: &stage.name, tags: &stage.tags }
    }
}
