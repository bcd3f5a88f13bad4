//! The operations. Each request is parsed before the service acquires its lock, and
//! executed while it holds the lock.

mod ingest_configurations;
mod stages;
mod tagging;

use std::time::{Duration, SystemTime};

use http::{StatusCode, Uri};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::{
    operation::Operation,
    resources::Resources,
    settings::Settings,
    wire::{ApiError, Result},
};

/// A valid request.
pub(crate) enum Request {
    CreateIngestConfiguration(ingest_configurations::Create),
    GetIngestConfiguration(ingest_configurations::Get),
    ListIngestConfigurations(ingest_configurations::List),
    UpdateIngestConfiguration(ingest_configurations::Update),
    DeleteIngestConfiguration(ingest_configurations::Delete),
    CreateStage(stages::Create),
    GetStage(stages::Get),
    ListStages(stages::List),
    ListTagsForResource(tagging::ListTags),
    TagResource(tagging::Tag),
    UntagResource(tagging::Untag),
}

/// The time of an execution.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) now: Instant,
    pub(crate) wall_time: SystemTime,
    pub(crate) consistency: Consistency,
}

/// The time after which responses reflect a create, and the effect of deletes on lists.
#[derive(Clone, Copy)]
pub(crate) struct Consistency {
    pub(crate) visibility_delay: Duration,
    pub(crate) read_delay: Duration,
    pub(crate) tag_delay: Duration,
    pub(crate) pages_by_offset: bool,
    pub(crate) max_page_size: usize,
}

impl From<&Settings> for Consistency {
    fn from(settings: &Settings) -> Self {
        let Settings {
            visibility_delay,
            read_delay,
            tag_delay,
            pages_by_offset,
            max_page_size,
            ..
        } = *settings;
        Self { visibility_delay, read_delay, tag_delay, pages_by_offset, max_page_size }
    }
}

impl Request {
    /// Parses a request and checks the constraints of the model.
    ///
    /// # Errors
    /// `SerializationException` if the body is not JSON of the right types,
    /// `ValidationException` if it breaks a constraint of the model.
    pub(crate) fn parse(operation: Operation, uri: &Uri, body: &[u8]) -> Result<Self> {
        Ok(match operation {
            Operation::CreateIngestConfiguration => {
                Self::CreateIngestConfiguration(ingest_configurations::Create::parse(body)?)
            }
            Operation::GetIngestConfiguration => {
                Self::GetIngestConfiguration(ingest_configurations::Get::parse(body)?)
            }
            Operation::ListIngestConfigurations => {
                Self::ListIngestConfigurations(ingest_configurations::List::parse(body)?)
            }
            Operation::UpdateIngestConfiguration => {
                Self::UpdateIngestConfiguration(ingest_configurations::Update::parse(body)?)
            }
            Operation::DeleteIngestConfiguration => {
                Self::DeleteIngestConfiguration(ingest_configurations::Delete::parse(body)?)
            }
            Operation::CreateStage => Self::CreateStage(stages::Create::parse(body)?),
            Operation::GetStage => Self::GetStage(stages::Get::parse(body)?),
            Operation::ListStages => Self::ListStages(stages::List::parse(body)?),
            Operation::ListTagsForResource => {
                Self::ListTagsForResource(tagging::ListTags::parse(uri)?)
            }
            Operation::TagResource => Self::TagResource(tagging::Tag::parse(uri, body)?),
            Operation::UntagResource => Self::UntagResource(tagging::Untag::parse(uri)?),
        })
    }

    /// Executes the request and returns the body of the response.
    ///
    /// # Errors
    /// The declared errors of the operation.
    pub(crate) fn execute(self, resources: &mut Resources, moment: Moment) -> Result {
        match self {
            Self::CreateIngestConfiguration(create) => create.execute(resources, moment),
            Self::GetIngestConfiguration(get) => get.execute(resources, moment),
            Self::ListIngestConfigurations(list) => list.execute(resources, moment),
            Self::UpdateIngestConfiguration(update) => update.execute(resources, moment),
            Self::DeleteIngestConfiguration(delete) => delete.execute(resources, moment),
            Self::CreateStage(create) => create.execute(resources),
            Self::GetStage(get) => get.execute(resources),
            Self::ListStages(list) => list.execute(resources),
            Self::ListTagsForResource(list) => list.execute(resources, moment),
            Self::TagResource(tag) => tag.execute(resources, moment),
            Self::UntagResource(untag) => untag.execute(resources, moment),
        }
    }
}

/// Parses the members of a body. An empty body is read as `{}`, because the SDKs send no
/// body if no member is set.
fn members<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| {
        ApiError::new(StatusCode::BAD_REQUEST, "SerializationException", error.to_string())
    })
}
