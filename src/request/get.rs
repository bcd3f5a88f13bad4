//! The parsed request of `GetIngestConfiguration`.

use super::{
    arn::ConfigurationArn,
    violations::{Faults, Found, Violations, reason},
};
use crate::proto::v1::{GetIngestConfigurationRequest, IngestConfigurationView};

/// Which fields of a configuration the response contains, and their source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConfigurationView {
    /// From the ledger, without an AWS call and without the stream keys.
    Basic,
    /// From AWS, current and with the stream keys.
    Full,
}

/// A valid get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetIngestConfiguration {
    /// The configuration to read.
    pub arn: ConfigurationArn,
    /// The view of the response. Default full.
    pub view: ConfigurationView,
}

impl GetIngestConfiguration {
    /// Parses the message.
    ///
    /// # Errors
    /// All violations of the message.
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
                "{number} is not a view; use INGEST_CONFIGURATION_VIEW_BASIC or \
                 INGEST_CONFIGURATION_VIEW_FULL, or omit the field"
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_view_is_full_unless_basic_is_requested() {
        let arn = "arn:aws:ivs:us-east-1:1:ingest-configuration/x";
        let views = [ConfigurationView::Full, ConfigurationView::Basic, ConfigurationView::Full];
        for (number, view) in (0..).zip(views) {
            let message = GetIngestConfigurationRequest { arn: arn.into(), view: number };
            assert_eq!(GetIngestConfiguration::parse(message).unwrap().view, view);
        }
    }

    #[test]
    fn all_violations_are_reported() {
        let message = GetIngestConfigurationRequest { arn: String::new(), view: -1 };
        let violations = GetIngestConfiguration::parse(message).unwrap_err();
        let reasons: Vec<_> = violations.as_slice().iter().map(|v| v.reason).collect();
        assert_eq!(reasons, [reason::REQUIRED, reason::UNKNOWN_VALUE]);
    }
}
