//! `GetIngestConfiguration`, parsed.

use super::{
    arn::ConfigurationArn,
    violations::{Faults, Found, Violations, reason},
};
use crate::proto::v1::{GetIngestConfigurationRequest, IngestConfigurationView};

/// How much of a configuration to answer with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConfigurationView {
    /// From the ledger: no AWS call and no keys.
    Basic,
    /// From AWS: fresh, and with the keys.
    Full,
}

/// A get, with nothing wrong in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetIngestConfiguration {
    /// The configuration to read.
    pub arn: ConfigurationArn,
    /// How much to answer with; full where the message says nothing.
    pub view: ConfigurationView,
}

impl GetIngestConfiguration {
    /// Parses the message.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(message: GetIngestConfigurationRequest) -> Result<Self, Violations> {
        let mut found = Found::default();
        let arn = found.value("arn", ConfigurationArn::parse(message.arn));
        let view = found.value("view", parse_view(message.view));
        match (arn, view) {
            (Some(arn), Some(view)) => Ok(Self { arn, view }),
            _ => Err(found.into_violations()),
        }
    }
}

fn parse_view(number: i32) -> Result<ConfigurationView, Faults> {
    use IngestConfigurationView as View;
    match View::try_from(number) {
        Ok(View::Unspecified | View::Full) => Ok(ConfigurationView::Full),
        Ok(View::Basic) => Ok(ConfigurationView::Basic),
        Err(_) => Err(Faults::one(
            reason::UNKNOWN_VALUE,
            format!(
                "must be INGEST_CONFIGURATION_VIEW_BASIC, INGEST_CONFIGURATION_VIEW_FULL or left \
                 out, received the number {number}"
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_view_is_full_unless_basic_is_asked_for() {
        let arn = "arn:aws:ivs:us-east-1:1:ingest-configuration/x";
        let views = [ConfigurationView::Full, ConfigurationView::Basic, ConfigurationView::Full];
        for (number, view) in (0..).zip(views) {
            let message = GetIngestConfigurationRequest { arn: arn.into(), view: number };
            assert_eq!(GetIngestConfiguration::parse(message).unwrap().view, view);
        }
    }

    #[test]
    fn all_that_is_wrong_is_told() {
        let message = GetIngestConfigurationRequest { arn: String::new(), view: -1 };
        let violations = GetIngestConfiguration::parse(message).unwrap_err();
        let reasons: Vec<_> = violations.as_slice().iter().map(|v| v.reason).collect();
        assert_eq!(reasons, [reason::REQUIRED, reason::UNKNOWN_VALUE]);
    }
}
