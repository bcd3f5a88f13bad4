//! `ListIngestConfigurations`, parsed.

use super::{
    arn::StageArn,
    state::IngestConfigurationState,
    text::{too_long, unless_empty},
    violations::{Faults, Found, Violations, reason},
};
use crate::proto::v1::ListIngestConfigurationsRequest;

/// How many configurations a page has where the message says nothing.
const DEFAULT_PAGE_SIZE: u32 = 50;

/// The most configurations of a page (that of AWS's List, too).
const MAX_PAGE_SIZE: u32 = 100;

/// The most characters of a token: several times what the gateway hands out.
const MAX_PAGE_TOKEN_CHARACTERS: usize = 512;

/// A list, with nothing wrong in it but perhaps its token, which only the ledger
/// can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListIngestConfigurations {
    /// Only those of this stage.
    pub stage_arn: Option<StageArn>,
    /// Only those in this state.
    pub state: Option<IngestConfigurationState>,
    /// How many to answer with: 1 to 100.
    pub page_size: u32,
    /// The end of the page before; `None` for the first page.
    pub page_token: Option<String>,
}

impl ListIngestConfigurations {
    /// Parses the message.
    ///
    /// # Errors
    /// All that is wrong with it.
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
                "must be 1 to {MAX_PAGE_SIZE}, or 0 for {DEFAULT_PAGE_SIZE}, received {size}: send \
                 a number from 0"
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
    fn what_is_left_out_is_the_first_page_of_all() {
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
    fn all_that_is_wrong_is_told() {
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
