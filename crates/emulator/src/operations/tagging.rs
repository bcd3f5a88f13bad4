//! The operations on tags. The ARN is in the path, with or without percent-encoding.

use std::collections::BTreeMap;

use aws_tag_rules::MAX_TAGS;
use bytes::Bytes;
use http::Uri;
use serde::{Deserialize, Serialize};

use super::{Moment, members};
use crate::{
    operation::TAGS_PATH,
    resources::Resources,
    validation::{Violations, resource_type},
    wire::{ApiError, Result, json},
};

/// `ListTagsForResource`.
pub(crate) struct ListTags {
    arn: String,
}

#[derive(Serialize)]
struct ListTagsResponse<'a> {
    tags: &'a BTreeMap<String, String>,
}

impl ListTags {
    pub(super) fn parse(uri: &Uri) -> Result<Self> {
        let mut violations = Violations::default();
        let arn = resource_arn(uri, &mut violations);
        violations.finish()?;
        Ok(Self { arn })
    }

    pub(super) fn execute(self, resources: &mut Resources, moment: Moment) -> Result {
        let tags = resources.tags(&self.arn, moment.now).ok_or_else(absent)?;
        json(&ListTagsResponse { tags })
    }
}

#[derive(Deserialize)]
struct TagMembers {
    tags: Option<BTreeMap<String, String>>,
}

/// `TagResource`.
pub(crate) struct Tag {
    arn: String,
    tags: BTreeMap<String, String>,
}

impl Tag {
    pub(super) fn parse(uri: &Uri, body: &[u8]) -> Result<Self> {
        let members: TagMembers = members(body)?;
        let mut violations = Violations::default();
        let arn = resource_arn(uri, &mut violations);
        if members.tags.is_none() {
            violations.add("tags", "not be null");
        }
        let tags = members.tags.unwrap_or_default();
        violations.tags(&tags);
        violations.finish()?;
        Ok(Self { arn, tags })
    }

    pub(super) fn execute(self, resources: &mut Resources, moment: Moment) -> Result {
        let present = resources.tags_mut(&self.arn, moment.now).ok_or_else(absent)?;
        let added = self.tags.keys().filter(|key| !present.contains_key(*key)).count();
        if present.len() + added > MAX_TAGS {
            return Err(ApiError::validation("A resource has at most 50 tags"));
        }
        present.extend(self.tags);
        Ok(Bytes::from_static(b"{}"))
    }
}

/// `UntagResource`. It ignores keys that the resource does not have.
pub(crate) struct Untag {
    arn: String,
    tag_keys: Vec<String>,
}

impl Untag {
    pub(super) fn parse(uri: &Uri) -> Result<Self> {
        let mut violations = Violations::default();
        let arn = resource_arn(uri, &mut violations);
        let tag_keys = tag_keys(uri.query().unwrap_or_default());
        if tag_keys.is_empty() {
            violations.add("tagKeys", "not be null");
        }
        if tag_keys.len() > MAX_TAGS {
            violations.add("tagKeys", "have length less than or equal to 50");
        }
        for key in &tag_keys {
            violations.tag_key("tagKeys", key);
        }
        violations.finish()?;
        Ok(Self { arn, tag_keys })
    }

    pub(super) fn execute(self, resources: &mut Resources, moment: Moment) -> Result {
        let present = resources.tags_mut(&self.arn, moment.now).ok_or_else(absent)?;
        for key in &self.tag_keys {
            present.remove(key);
        }
        Ok(Bytes::from_static(b"{}"))
    }
}

fn absent() -> ApiError {
    ApiError::not_found("The resource does not exist")
}

/// Returns the ARN in the path. The model's pattern for it allows a resource type of a
/// single letter only, which no resource has. The pattern in the violation allows one letter
/// or more.
fn resource_arn(uri: &Uri, violations: &mut Violations) -> String {
    let label = uri.path().strip_prefix(TAGS_PATH).unwrap_or_default();
    let arn = percent_decoded(label);
    if resource_type(&arn).is_none() {
        let pattern = "arn:aws:ivs:[a-z0-9-]+:[0-9]+:[a-z-]+/[a-zA-Z0-9-]+";
        violations.add("resourceArn", &format!("satisfy regular expression pattern: {pattern}"));
    }
    arn
}

fn tag_keys(query: &str) -> Vec<String> {
    let values = query.split('&').filter_map(|pair| pair.strip_prefix("tagKeys="));
    values.map(|value| percent_decoded(&value.replace('+', " "))).collect()
}

/// Decodes percent-encoded bytes. Invalid UTF-8 becomes U+FFFD, which no ARN and no tag
/// can contain.
fn percent_decoded(text: &str) -> String {
    let digit =
        |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        let mut byte = *first;
        if let (b'%', [high, low, after @ ..]) = (byte, tail)
            && let (Some(high), Some(low)) = (digit(high), digit(low))
        {
            byte = high * 16 + low;
            rest = after;
        }
        decoded.push(byte);
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_encoded_bytes_are_decoded_and_other_text_is_kept() {
        assert_eq!(percent_decoded("a%3Ab%2fc"), "a:b/c");
        assert_eq!(percent_decoded("%C3%BC%"), "ü%");
        assert_eq!(percent_decoded("%zz%4"), "%zz%4");
        assert_eq!(percent_decoded("%ff"), "\u{fffd}");
        assert_eq!(tag_keys("tagKeys=a%2Bb&x=1&tagKeys=c+d"), ["a+b", "c d"]);
    }
}
