//! `DeleteIngestConfiguration`, parsed.

use super::{
    arn::ConfigurationArn,
    violations::{Found, Violations},
};
use crate::proto::v1::DeleteIngestConfigurationRequest;

/// A delete, with nothing wrong in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteIngestConfiguration {
    /// The configuration to delete.
    pub arn: ConfigurationArn,
    /// Whether to delete it even while an encoder is publishing.
    pub force: bool,
}

impl DeleteIngestConfiguration {
    /// Parses the message.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(message: DeleteIngestConfigurationRequest) -> Result<Self, Violations> {
        let mut found = Found::default();
        match found.value("arn", ConfigurationArn::parse(message.arn)) {
            Some(arn) => Ok(Self { arn, force: message.force }),
            None => Err(found.into_violations()),
        }
    }
}
