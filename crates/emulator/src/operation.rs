//! The operations of the API, and their methods and paths.

use http::Method;
use serde::{Deserialize, Serialize};

/// The path prefix of the tagging operations. The ARN of the resource follows it.
pub(crate) const TAGS_PATH: &str = "/tags/";

/// An operation of the API. Its JSON is its name, a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each has its name in the API")]
pub enum Operation {
    CreateIngestConfiguration,
    GetIngestConfiguration,
    ListIngestConfigurations,
    UpdateIngestConfiguration,
    DeleteIngestConfiguration,
    CreateStage,
    GetStage,
    ListStages,
    ListTagsForResource,
    TagResource,
    UntagResource,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 11] = [
        Self::CreateIngestConfiguration,
        Self::GetIngestConfiguration,
        Self::ListIngestConfigurations,
        Self::UpdateIngestConfiguration,
        Self::DeleteIngestConfiguration,
        Self::CreateStage,
        Self::GetStage,
        Self::ListStages,
        Self::ListTagsForResource,
        Self::TagResource,
        Self::UntagResource,
    ];

    /// Returns the operation of a request line, if there is one.
    pub(crate) fn route(method: &Method, path: &str) -> Option<Self> {
        if path.starts_with(TAGS_PATH) {
            return match *method {
                Method::GET => Some(Self::ListTagsForResource),
                Method::POST => Some(Self::TagResource),
                Method::DELETE => Some(Self::UntagResource),
                _ => None,
            };
        }
        if *method != Method::POST {
            return None;
        }
        match path {
            "/CreateIngestConfiguration" => Some(Self::CreateIngestConfiguration),
            "/GetIngestConfiguration" => Some(Self::GetIngestConfiguration),
            "/ListIngestConfigurations" => Some(Self::ListIngestConfigurations),
            "/UpdateIngestConfiguration" => Some(Self::UpdateIngestConfiguration),
            "/DeleteIngestConfiguration" => Some(Self::DeleteIngestConfiguration),
            "/CreateStage" => Some(Self::CreateStage),
            "/GetStage" => Some(Self::GetStage),
            "/ListStages" => Some(Self::ListStages),
            _ => None,
        }
    }

    /// Returns whether this is a tagging operation. AWS allows twice as many calls of these.
    pub(crate) fn is_tagging(self) -> bool {
        matches!(self, Self::ListTagsForResource | Self::TagResource | Self::UntagResource)
    }
}

/// One value for each operation.
#[derive(Debug, Clone)]
pub(crate) struct PerOperation<T>([T; Operation::ALL.len()]);

impl<T> PerOperation<T> {
    pub(crate) fn new(value: impl Fn(Operation) -> T) -> Self {
        Self(Operation::ALL.map(value))
    }

    pub(crate) fn of(&mut self, operation: Operation) -> &mut T {
        &mut self.0[operation as usize]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Operation, &T)> {
        Operation::ALL.into_iter().zip(&self.0)
    }
}
