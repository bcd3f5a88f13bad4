//! The five operations as data: what is asked, and what is answered. The model and the
//! gateway get the same requests, and their responses are compared completely.

use std::collections::BTreeMap;

use ivs_ingest_gateway::proto::v1::{
    CreateIngestConfigurationRequest, DeleteIngestConfigurationRequest,
    GetIngestConfigurationRequest, IngestConfiguration, IngestConfigurationState,
    IngestConfigurationView, IngestProtocol, ListIngestConfigurationsRequest,
    UpdateIngestConfigurationRequest,
};
use prost_types::Timestamp;

use crate::support::{Caller, Refusal};

#[derive(Debug, Clone)]
pub(super) enum Request {
    Create(CreateIngestConfigurationRequest),
    Get(GetIngestConfigurationRequest),
    /// All pages of the list, each asked for with the token of the one before.
    List(ListIngestConfigurationsRequest),
    Update(UpdateIngestConfigurationRequest),
    Delete(DeleteIngestConfigurationRequest),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    Created {
        shown: Shown,
        replayed: bool,
    },
    One(Shown),
    Pages(Vec<Vec<Shown>>),
    Deleted,
    /// With the reason of the error table.
    Refused(String),
}

/// A configuration in a response: all of it but when its state was observed, and the
/// number of its keys in their place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shown {
    pub(super) arn: String,
    pub(super) name: String,
    pub(super) protocol: IngestProtocol,
    pub(super) stage_arn: String,
    pub(super) ingest_endpoint: String,
    pub(super) participant_id: String,
    pub(super) state: IngestConfigurationState,
    pub(super) user_id: String,
    pub(super) redundant_ingest: bool,
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) tags: BTreeMap<String, String>,
    /// None of what was only validated: there it is the moment of the call.
    pub(super) create_time: Option<Timestamp>,
    pub(super) keys: usize,
}

/// A success, and the keys in it.
pub(super) struct Answered {
    pub(super) answer: Answer,
    pub(super) keys: Vec<String>,
}

impl Shown {
    /// The content of a response, and its keys.
    fn of(answered: IngestConfiguration) -> (Self, Vec<String>) {
        assert!(answered.state_observe_time.is_some(), "{answered:?}");
        let (protocol, state) = (answered.ingest_protocol(), answered.state());
        let others = answered.redundant_ingest_credentials.into_iter().map(|it| it.stream_key);
        let keys = [answered.stream_key].into_iter().filter(|key| !key.is_empty());
        let keys: Vec<String> = keys.chain(others).collect();
        let shown = Self {
            create_time: answered.create_time.filter(|_| !answered.arn.is_empty()),
            arn: answered.arn,
            name: answered.name,
            protocol,
            stage_arn: answered.stage_arn,
            ingest_endpoint: answered.ingest_endpoint,
            participant_id: answered.participant_id,
            state,
            user_id: answered.user_id,
            redundant_ingest: answered.redundant_ingest,
            attributes: answered.attributes,
            tags: answered.tags,
            keys: keys.len(),
        };
        (shown, keys)
    }
}

impl Answer {
    /// The kind of the response.
    pub(super) fn kind(&self) -> &str {
        match self {
            Self::Created { replayed: true, .. } => "replayed",
            Self::Created { shown, .. } if shown.arn.is_empty() => "validated",
            Self::Created { .. } | Self::One(_) | Self::Pages(_) | Self::Deleted => "done",
            Self::Refused(reason) => reason,
        }
    }
}

impl Request {
    pub(super) fn method(&self) -> &'static str {
        match self {
            Self::Create(_) => "create",
            Self::Get(_) => "get",
            Self::List(_) => "list",
            Self::Update(_) => "update",
            Self::Delete(_) => "delete",
        }
    }

    /// The request after an error that leaves the outcome unknown. Without a `request_id` it has
    /// the `operation_id` instead, as the error table says.
    pub(super) fn repeat_after(&mut self, refusal: &Refusal) {
        let Self::Create(create) = self else { return };
        if create.request_id.is_empty() && refusal.reason() == "OUTCOME_UNKNOWN" {
            refusal.info("operation_id").unwrap().clone_into(&mut create.request_id);
        } else {
            assert!(refusal.retry_after().is_some(), "{refusal:?}");
        }
    }
}

impl Caller {
    /// Asks once.
    pub(super) async fn ask(&self, request: &Request) -> Result<Answered, Refusal> {
        let one = |configuration| {
            let (shown, keys) = Shown::of(configuration);
            Answered { answer: Answer::One(shown), keys }
        };
        Ok(match request.clone() {
            Request::Create(create) => {
                let created = self.create(create).await?;
                let (shown, keys) = Shown::of(created.ingest_configuration.unwrap());
                let answer = Answer::Created { shown, replayed: created.replayed };
                Answered { answer, keys }
            }
            Request::Get(GetIngestConfigurationRequest { arn, view }) => {
                let view = IngestConfigurationView::try_from(view).unwrap();
                one(self.get(&arn, view).await?)
            }
            Request::List(list) => {
                let answer = Answer::Pages(self.pages(list).await?);
                Answered { answer, keys: Vec::new() }
            }
            Request::Update(update) => one(self.update(update).await?),
            Request::Delete(DeleteIngestConfigurationRequest { arn, force }) => {
                self.delete(&arn, force).await?;
                Answered { answer: Answer::Deleted, keys: Vec::new() }
            }
        })
    }

    async fn pages(
        &self,
        mut list: ListIngestConfigurationsRequest,
    ) -> Result<Vec<Vec<Shown>>, Refusal> {
        let mut pages = Vec::new();
        loop {
            let (page, token) = self.list(list.clone()).await?;
            pages.push(page.into_iter().map(|one| Shown::of(one).0).collect());
            // One that goes round in circles shows more than there is, and ends here.
            if token.is_empty() || pages.len() > 100 {
                return Ok(pages);
            }
            list.page_token = token;
        }
    }
}
