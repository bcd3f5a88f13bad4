//! The constraints of the model (`ivs-realtime/2020-07-14/service-2.json` of botocore).
//! All violations of a request are reported in one response.

use std::{collections::BTreeMap, ops::RangeInclusive};

use aws_tag_rules::{KEY_CHARACTERS, MAX_TAGS, PATTERN, VALUE_CHARACTERS};

use crate::wire::{ApiError, Result};

const MAX_ARN_CHARACTERS: usize = 128;
const MAX_NAME_CHARACTERS: usize = 128;
const MAX_USER_ID_CHARACTERS: usize = 128;
const MAX_TOKEN_CHARACTERS: usize = 1024;
/// The limit of all keys and values together, in UTF-8. AWS documents it as "The maximum
/// length of this field is 1 KB total".
const MAX_ATTRIBUTES_BYTES: usize = 1024;
const MAX_RESULTS: i64 = 100;
const DEFAULT_RESULTS: i64 = 50;

/// The type of a resource in its ARN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResourceType {
    Stage,
    IngestConfiguration,
}

impl ResourceType {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Stage => "stage",
            Self::IngestConfiguration => "ingest-configuration",
        }
    }
}

/// The violations of a request that were found so far.
#[derive(Default)]
pub(crate) struct Violations(Vec<String>);

impl Violations {
    /// Adds a violation. `constraint` continues the sentence "Member must …".
    pub(crate) fn add(&mut self, member: &str, constraint: &str) {
        self.0.push(format!(
            "Value at '{member}' failed to satisfy constraint: Member must {constraint}"
        ));
    }

    /// Returns an error if there are violations.
    ///
    /// # Errors
    /// A `ValidationException` that names every violation.
    pub(crate) fn finish(self) -> Result<()> {
        let count = self.0.len();
        if count == 0 {
            return Ok(());
        }
        let noun = if count == 1 { "error" } else { "errors" };
        Err(ApiError::validation(format!(
            "{count} validation {noun} detected: {}",
            self.0.join("; ")
        )))
    }

    pub(crate) fn name(&mut self, name: &str) {
        self.length("name", name, 0..=MAX_NAME_CHARACTERS);
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
            self.pattern("name", "[a-zA-Z0-9-_]*");
        }
    }

    pub(crate) fn user_id(&mut self, user_id: &str) {
        self.length("userId", user_id, 0..=MAX_USER_ID_CHARACTERS);
    }

    /// Checks the ARN of a stage. An empty ARN means no stage, which is valid.
    pub(crate) fn optional_stage_arn(&mut self, arn: &str) {
        if !arn.is_empty() {
            self.arn("stageArn", arn, ResourceType::Stage);
        }
    }

    /// Checks and returns the required member `arn`. Returns an empty text if it is absent.
    pub(crate) fn required_arn(&mut self, arn: Option<String>, kind: ResourceType) -> String {
        if let Some(arn) = &arn {
            self.arn("arn", arn, kind);
        } else {
            self.add("arn", "not be null");
        }
        arn.unwrap_or_default()
    }

    pub(crate) fn arn(&mut self, member: &str, arn: &str, kind: ResourceType) {
        self.length(member, arn, 1..=MAX_ARN_CHARACTERS);
        if resource_type(arn) != Some(kind) {
            let kind = kind.as_str();
            self.pattern(member, &format!("arn:aws:ivs:[a-z0-9-]+:[0-9]+:{kind}/[a-zA-Z0-9-]+"));
        }
    }

    pub(crate) fn attributes(&mut self, attributes: &BTreeMap<String, String>) {
        let bytes: usize = attributes.iter().map(|(key, value)| key.len() + value.len()).sum();
        if bytes > MAX_ATTRIBUTES_BYTES {
            self.add("attributes", "have a total length less than or equal to 1024 bytes");
        }
    }

    pub(crate) fn tags(&mut self, tags: &BTreeMap<String, String>) {
        if tags.len() > MAX_TAGS {
            self.add("tags", "have length less than or equal to 50");
        }
        for (key, value) in tags {
            self.tag_key("tags", key);
            self.length("tags", value, VALUE_CHARACTERS);
            self.tag_characters("tags", value);
        }
    }

    pub(crate) fn tag_key(&mut self, member: &str, key: &str) {
        self.length(member, key, KEY_CHARACTERS);
        self.tag_characters(member, key);
        if aws_tag_rules::is_reserved(key) {
            self.add(member, "not use the reserved prefix aws:");
        }
    }

    fn tag_characters(&mut self, member: &str, text: &str) {
        if !text.chars().all(aws_tag_rules::is_allowed) {
            self.pattern(member, PATTERN);
        }
    }

    /// Checks and returns the largest number of results of a page.
    pub(crate) fn max_results(&mut self, max_results: Option<i64>) -> usize {
        let max_results = max_results.unwrap_or(DEFAULT_RESULTS);
        if max_results < 1 {
            self.add("maxResults", "have value greater than or equal to 1");
        }
        if max_results > MAX_RESULTS {
            self.add("maxResults", "have value less than or equal to 100");
        }
        usize::try_from(max_results).unwrap_or_default()
    }

    /// Checks a token and returns the position after which the page begins. An empty token
    /// means the first page.
    pub(crate) fn next_token(&mut self, token: Option<&str>) -> Option<u64> {
        let token = token.filter(|token| !token.is_empty())?;
        self.length("nextToken", token, 0..=MAX_TOKEN_CHARACTERS);
        let position = parse_token(token);
        if position.is_none() {
            self.add("nextToken", "be a token of this operation");
        }
        position
    }

    fn length(&mut self, member: &str, text: &str, allowed: RangeInclusive<usize>) {
        let (least, most) = allowed.into_inner();
        let characters = text.chars().count();
        if characters < least {
            self.add(member, &format!("have length greater than or equal to {least}"));
        }
        if characters > most {
            self.add(member, &format!("have length less than or equal to {most}"));
        }
    }

    fn pattern(&mut self, member: &str, pattern: &str) {
        self.add(member, &format!("satisfy regular expression pattern: {pattern}"));
    }
}

/// Returns the resource type of an ARN, or `None` if this is not an ARN of the service.
pub(crate) fn resource_type(arn: &str) -> Option<ResourceType> {
    let (region, rest) = arn.strip_prefix("arn:aws:ivs:")?.split_once(':')?;
    let (account, resource) = rest.split_once(':')?;
    let (kind, id) = resource.split_once('/')?;
    let is_lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_id = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_valid = !region.is_empty()
        && region.bytes().all(is_lower)
        && !account.is_empty()
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && !id.is_empty()
        && id.bytes().all(is_id);
    let known = [ResourceType::Stage, ResourceType::IngestConfiguration];
    known.into_iter().find(|known| is_valid && known.as_str() == kind)
}

/// Makes tokens opaque, so that callers do not rely on the positions in them.
const TOKEN_MASK: u64 = 0x6976_7372_7465_6d75;

pub(crate) fn token(position: u64) -> String {
    format!("{:016x}", (position ^ TOKEN_MASK).rotate_left(23))
}

fn parse_token(token: &str) -> Option<u64> {
    let digits = token.len() == 16 && token.bytes().all(|byte| byte.is_ascii_hexdigit());
    let masked = digits.then(|| u64::from_str_radix(token, 16).ok())??;
    Some(masked.rotate_right(23) ^ TOKEN_MASK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_arn_of_the_service_has_a_resource_type() {
        let stage = "arn:aws:ivs:us-east-1:123456789012:stage/abc-DEF1";
        assert_eq!(resource_type(stage), Some(ResourceType::Stage));
        for bad in [
            "",
            "stage/abc",
            "arn:aws:s3:us-east-1:1:stage/a",
            "arn:aws:ivs::1:stage/a",
            "arn:aws:ivs:us-east-1::stage/a",
            "arn:aws:ivs:us-east-1:1:stage/",
            "arn:aws:ivs:us-east-1:1:stage/a/b",
            "arn:aws:ivs:us-east-1:1:channel/a",
            "arn:aws:ivs:us-east-1:1:stage/a\n",
        ] {
            assert_eq!(resource_type(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn lists_all_violations_in_one_response() {
        let mut violations = Violations::default();
        violations.name("a b");
        violations.user_id(&"ü".repeat(129));
        violations.tag_key("tags", "AWS:x");
        let message = violations.finish().unwrap_err().message;
        assert!(message.starts_with("3 validation errors detected: "), "{message}");
    }

    #[test]
    fn a_token_is_parsed_to_its_position() {
        for position in [0, 1, 99, u64::MAX] {
            assert_eq!(parse_token(&token(position)), Some(position));
        }
        assert_eq!(parse_token("next"), None);
    }
}
