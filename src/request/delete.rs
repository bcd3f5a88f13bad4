//! The parsed request of `DeleteIngestConfiguration`.

use super::{
    arn::ConfigurationArn,
    violations::{Found, Violations},
};
use crate::proto::v1::DeleteIngestConfigurationRequest;

/// A valid delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteIngestConfiguration {
    /// The configuration to delete.
    pub arn: ConfigurationArn,
    /// Whether to delete the configuration even while an encoder is publishing.
    pub force: bool,
}

impl DeleteIngestConfiguration {
    /// Parses the message.
    ///
    /// # Errors
    /// All violations of the message.
    pub fn parse(message: DeleteIngestConfigurationRequest) -> Result<Self, Violations> {
        let mut found = Found::default();
        match found.value("arn", ConfigurationArn::parse(message.arn)) {
            Some(arn) => Ok(Self { arn, force: message.force }),
            None => Err(found.into_violations()),
        }
    }
}
