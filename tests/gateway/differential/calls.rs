//! The five operations as data: requests and outcomes. The model and the gateway receive the
//! same requests, and their whole outcomes are compared.

use std::collections::BTreeMap;

use ivs_ingest_gateway::proto::v1::{
    CreateIngestConfigurationRequest, DeleteIngestConfigurationRequest,
    GetIngestConfigurationRequest, IngestConfiguration, IngestConfigurationState,
    IngestConfigurationView, IngestProtocol, ListIngestConfigurationsRequest,
    UpdateIngestConfigurationRequest,
};
use prost_types::Timestamp;

use crate::support::{Caller, Rejection};

#[derive(Debug, Clone)]
pub(super) enum Request {
    Create(CreateIngestConfigurationRequest),
    Get(GetIngestConfigurationRequest),
    /// All pages of the list, each requested with the token of the previous page.
    List(ListIngestConfigurationsRequest),
    Update(UpdateIngestConfigurationRequest),
    Delete(DeleteIngestConfigurationRequest),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    Created {
        shown: Shown,
        replayed: bool,
    },
    One(Shown),
    Pages(Vec<Vec<Shown>>),
    Deleted,
    /// An error with this reason.
    Rejected(String),
}

/// A configuration in a response, with the number of its stream keys instead of the keys, and
/// without the time at which its state was observed.
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
    /// `None` after `validate_only`, where it is the time of the call.
    pub(super) create_time: Option<Timestamp>,
    pub(super) keys: usize,
}

/// A final outcome, and the stream keys in the response.
pub(super) struct Success {
    pub(super) outcome: Outcome,
    pub(super) keys: Vec<String>,
}

impl Shown {
    /// Splits a configuration of a response into its comparable part and its stream keys.
    fn of(configuration: IngestConfiguration) -> (Self, Vec<String>) {
        assert!(configuration.state_observe_time.is_some(), "{configuration:?}");
        let (protocol, state) = (configuration.ingest_protocol(), configuration.state());
        let others = configuration.redundant_ingest_credentials.into_iter().map(|it| it.stream_key);
        let keys = [configuration.stream_key].into_iter().filter(|key| !key.is_empty());
        let keys: Vec<String> = keys.chain(others).collect();
        let shown = Self {
            create_time: configuration.create_time.filter(|_| !configuration.arn.is_empty()),
            arn: configuration.arn,
            name: configuration.name,
            protocol,
            stage_arn: configuration.stage_arn,
            ingest_endpoint: configuration.ingest_endpoint,
            participant_id: configuration.participant_id,
            state,
            user_id: configuration.user_id,
            redundant_ingest: configuration.redundant_ingest,
            attributes: configuration.attributes,
            tags: configuration.tags,
            keys: keys.len(),
        };
        (shown, keys)
    }
}

impl Outcome {
    /// Returns the name under which the outcome is counted.
    pub(super) fn kind(&self) -> &str {
        match self {
            Self::Created { replayed: true, .. } => "replayed",
            Self::Created { shown, .. } if shown.arn.is_empty() => "validated",
            Self::Created { .. } | Self::One(_) | Self::Pages(_) | Self::Deleted => "done",
            Self::Rejected(reason) => reason,
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

    /// Changes the request for a retry after an error that leaves the outcome open. As the
    /// error table requires, a create without a `request_id` sends the operation id as its
    /// `request_id`.
    pub(super) fn repeat_after(&mut self, rejection: &Rejection) {
        let Self::Create(create) = self else { return };
        if create.request_id.is_empty() && rejection.reason() == "OUTCOME_UNKNOWN" {
            rejection.info("operation_id").unwrap().clone_into(&mut create.request_id);
        } else {
            assert!(rejection.retry_after().is_some(), "{rejection:?}");
        }
    }
}

impl Caller {
    /// Sends the request once.
    pub(super) async fn send_once(&self, request: &Request) -> Result<Success, Rejection> {
        let one = |configuration| {
            let (shown, keys) = Shown::of(configuration);
            Success { outcome: Outcome::One(shown), keys }
        };
        Ok(match request.clone() {
            Request::Create(create) => {
                let created = self.create(create).await?;
                let (shown, keys) = Shown::of(created.ingest_configuration.unwrap());
                let outcome = Outcome::Created { shown, replayed: created.replayed };
                Success { outcome, keys }
            }
            Request::Get(GetIngestConfigurationRequest { arn, view }) => {
                let view = IngestConfigurationView::try_from(view).unwrap();
                one(self.get(&arn, view).await?)
            }
            Request::List(list) => {
                let outcome = Outcome::Pages(self.pages(list).await?);
                Success { outcome, keys: Vec::new() }
            }
            Request::Update(update) => one(self.update(update).await?),
            Request::Delete(DeleteIngestConfigurationRequest { arn, force }) => {
                self.delete(&arn, force).await?;
                Success { outcome: Outcome::Deleted, keys: Vec::new() }
            }
        })
    }

    async fn pages(
        &self,
        mut list: ListIngestConfigurationsRequest,
    ) -> Result<Vec<Vec<Shown>>, Rejection> {
        let mut pages = Vec::new();
        loop {
            let (page, token) = self.list(list.clone()).await?;
            pages.push(page.into_iter().map(|one| Shown::of(one).0).collect());
            // The limit of 100 pages ends a list whose tokens form a loop.
            if token.is_empty() || pages.len() > 100 {
                return Ok(pages);
            }
            list.page_token = token;
        }
    }
}
