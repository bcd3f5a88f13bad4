//! The parsed request of `ListIngestConfigurations`.

use super::{
    arn::StageArn,
    state::IngestConfigurationState,
    text::{too_long, unless_empty},
    violations::{Faults, Found, Violations, reason},
};
use crate::proto::v1::ListIngestConfigurationsRequest;

/// The page size if the message does not set one.
const DEFAULT_PAGE_SIZE: u32 = 50;

/// The maximum page size (also the maximum of AWS's List).
const MAX_PAGE_SIZE: u32 = 100;

/// Maximum length of a token in characters, several times the length of a token that the
/// gateway returns.
const MAX_PAGE_TOKEN_CHARACTERS: usize = 512;

/// A valid list. Its token is checked for length only: the handler parses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListIngestConfigurations {
    /// Returns only the configurations of this stage.
    pub stage_arn: Option<StageArn>,
    /// Returns only the configurations in this state.
    pub state: Option<IngestConfigurationState>,
    /// The maximum number of configurations in the response, 1 to 100. Default 50.
    pub page_size: u32,
    /// The `next_page_token` of the previous page; `None` for the first page.
    pub page_token: Option<String>,
}

impl ListIngestConfigurations {
    /// Parses the message.
    ///
    /// # Errors
    /// All violations of the message.
    pub fn parse(message: ListIngestConfigurationsRequest) -> Result<Self, Violations> {
        let mut found = Found::default();
        let stage_arn = found.value("stage_arn", unless_empty(message.stage_arn, StageArn::parse));
        let state = found.value("state", IngestConfigurationState::parse_filter(message.state));
        let page_size = found.value("page_size", parse_page_size(message.page_size));
        let page_token = found.value("page_token", parse_page_token(message.page_token));
        match (stage_arn, state, page_size, page_token) {
            (Some(stage_arn), Some(state), Some(page_size), Some(page_token)) => {
                Ok(Self { stage_arn, state, page_size, page_token })
            }
            _ => Err(found.into_violations()),
        }
    }
}

fn parse_page_size(size: i32) -> Result<u32, Faults> {
    match u32::try_from(size) {
        Ok(0) => Ok(DEFAULT_PAGE_SIZE),
        Ok(size) => Ok(size.min(MAX_PAGE_SIZE)),
        Err(_) => Err(Faults::one(
            reason::OUT_OF_RANGE,
            format!(
                "{size} is negative; use 1 to {MAX_PAGE_SIZE}, or 0 for the default of \
                 {DEFAULT_PAGE_SIZE}"
            ),
        )),
    }
}

fn parse_page_token(token: String) -> Result<Option<String>, Faults> {
    let faults = Vec::from_iter(too_long(&token, MAX_PAGE_TOKEN_CHARACTERS));
    Faults::or(faults, (!token.is_empty()).then_some(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_the_first_page_without_filters() {
        let list = ListIngestConfigurations::parse(ListIngestConfigurationsRequest::default());
        let all = ListIngestConfigurations {
            stage_arn: None,
            state: None,
            page_size: 50,
            page_token: None,
        };
        assert_eq!(list, Ok(all));
    }

    #[test]
    fn a_page_has_at_most_100_entries() {
        for (size, clamped) in [(1, 1), (100, 100), (101, 100), (1000, 100), (i32::MAX, 100)] {
            assert_eq!(parse_page_size(size), Ok(clamped));
        }
    }

    #[test]
    fn all_violations_are_reported() {
        let message = ListIngestConfigurationsRequest {
            stage_arn: "x".into(),
            state: 3,
            page_size: -1,
            page_token: "é".repeat(513),
        };
        let violations = ListIngestConfigurations::parse(message).unwrap_err();
        let fields: Vec<_> = violations.as_slice().iter().map(|v| v.field.as_str()).collect();
        assert_eq!(fields, ["stage_arn", "state", "page_size", "page_token"]);
    }
}
