//! Makes the request of a step from the current state of the model.

use ivs_ingest_gateway::proto::v1::{
    CreateIngestConfigurationRequest, DeleteIngestConfigurationRequest,
    GetIngestConfigurationRequest, IngestProtocol, ListIngestConfigurationsRequest,
    UpdateIngestConfigurationRequest,
};
use prost_types::FieldMask;

use super::{
    calls::Request,
    model::{Configuration, Model, Tenant},
    steps::{Action, Content, Field, Id, Stage, Step, TENANTS, Target},
};

impl Step {
    /// Returns the request of the tenant, if the step is a call.
    pub(super) fn request(&self, model: &Model) -> Option<Request> {
        let tenant = &model.tenants[self.tenant];
        let others = &model.tenants[(self.tenant + 1) % TENANTS];
        let stage_arn = |stage: Stage| match stage {
            Stage::None => String::new(),
            Stage::Own(index) => tenant.stages[index].clone(),
            Stage::Others => others.stages[0].clone(),
            Stage::Absent => "arn:aws:ivs:us-east-1:123456789012:stage/Absent".to_owned(),
        };
        let arn = |target: &Target| target.arn(tenant, others);
        Some(match &self.action {
            Action::Create { content, id, validate_only } => {
                let content = content.request(stage_arn(content.stage), *validate_only);
                Request::Create(id.of(tenant, content))
            }
            Action::Get { target, view } => Request::Get(GetIngestConfigurationRequest {
                arn: arn(target),
                view: (*view).into(),
            }),
            Action::List { stage, state, page_size } => {
                Request::List(ListIngestConfigurationsRequest {
                    stage_arn: stage.map(stage_arn).unwrap_or_default(),
                    state: (*state).into(),
                    page_size: *page_size,
                    page_token: String::new(),
                })
            }
            Action::Update { target, stage, redundant_ingest, mask } => {
                let paths = mask.iter().map(|path| (*path).to_owned()).collect();
                Request::Update(UpdateIngestConfigurationRequest {
                    arn: arn(target),
                    stage_arn: stage_arn(*stage),
                    redundant_ingest: *redundant_ingest,
                    update_mask: Some(FieldMask { paths }),
                })
            }
            Action::Delete { target, force } => Request::Delete(DeleteIngestConfigurationRequest {
                arn: arn(target),
                force: *force,
            }),
            Action::Encoder { .. } => return None,
        })
    }
}

impl Content {
    fn request(&self, stage_arn: String, validate_only: bool) -> CreateIngestConfigurationRequest {
        let map = |pair: Option<(&str, &str)>| {
            pair.map(|(key, value)| (key.to_owned(), value.to_owned())).into_iter().collect()
        };
        CreateIngestConfigurationRequest {
            name: self.name.to_owned(),
            stage_arn,
            user_id: self.user_id.to_owned(),
            attributes: map(self.attribute),
            ingest_protocol: self.protocol.into(),
            insecure_ingest: self.protocol == IngestProtocol::Rtmp,
            redundant_ingest: self.redundant_ingest,
            tags: map(self.tag),
            request_id: String::new(),
            validate_only,
        }
    }
}

impl Id {
    /// Returns the create with this id, or with a fresh id if there is no earlier create. A
    /// fresh id consists of the number of creations, so that the id of a failed create is used
    /// again, and all tenants use the same ids.
    fn of(
        &self,
        tenant: &Tenant,
        content: CreateIngestConfigurationRequest,
    ) -> CreateIngestConfigurationRequest {
        let with_id = |one: &&Configuration| !one.asked.request_id.is_empty();
        let earlier = |nth| pick(tenant.configurations.iter().filter(with_id), nth);
        let again = match self {
            Self::None => return content,
            Self::Fresh => None,
            Self::Again(nth) => earlier(*nth).map(|earlier| earlier.asked.clone()),
            Self::Reused(nth, field) => {
                earlier(*nth).map(|earlier| field.changed(earlier.asked.clone(), tenant))
            }
        };
        again.unwrap_or_else(|| {
            let request_id = format!("request-{}", tenant.configurations.len());
            CreateIngestConfigurationRequest { request_id, ..content }
        })
    }
}

impl Field {
    /// Returns the create with another valid value of this field.
    fn changed(
        self,
        mut create: CreateIngestConfigurationRequest,
        tenant: &Tenant,
    ) -> CreateIngestConfigurationRequest {
        let other = || ("other".to_owned(), String::new());
        match self {
            Self::Name => create.name += "-2",
            Self::Stage if create.stage_arn.is_empty() => {
                create.stage_arn.clone_from(&tenant.stages[0]);
            }
            Self::Stage => create.stage_arn.clear(),
            Self::UserId => create.user_id += " too",
            Self::Attributes => create.attributes.extend([other()]),
            Self::Protocol if create.ingest_protocol() == IngestProtocol::Rtmp => {
                create.ingest_protocol = IngestProtocol::Rtmps.into();
            }
            Self::Protocol => {
                create.ingest_protocol = IngestProtocol::Rtmp.into();
                create.insecure_ingest = true;
            }
            Self::Redundancy => create.redundant_ingest = !create.redundant_ingest,
            Self::Tags => create.tags.extend([other()]),
        }
        create
    }
}

impl Target {
    fn arn(&self, tenant: &Tenant, others: &Tenant) -> String {
        let gone = |one: &&Configuration| one.gone;
        let found = match self {
            Self::Live(nth) => pick(tenant.live(), *nth),
            Self::Gone(nth) => pick(tenant.configurations.iter().filter(gone), *nth),
            Self::Others(nth) => pick(others.configurations.iter(), *nth),
            Self::Unknown => None,
        };
        match found {
            Some(found) => found.shown.arn.clone(),
            None => "arn:aws:ivs:us-east-1:123456789012:ingest-configuration/Unknown".to_owned(),
        }
    }
}

/// Returns the element `nth` modulo the number of elements, or `None` if there are none.
pub(super) fn pick<T>(all: impl Iterator<Item = T>, nth: usize) -> Option<T> {
    let mut all: Vec<T> = all.collect();
    (!all.is_empty()).then(|| all.swap_remove(nth % all.len()))
}
