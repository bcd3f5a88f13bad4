//! The tags that the caller wants on the AWS resource.

use std::collections::BTreeMap;

use aws_tag_rules::{KEY_CHARACTERS, MAX_TAGS, VALUE_CHARACTERS};

use super::reserved_tags::{MANAGED_TAGS, is_reserved_tag};
use super::{
    text::TextRule,
    violations::{EntryPath, Faults, Found, Violations, reason},
};

const ALLOWED: &str = "letters, digits, spaces and _ . : / = + - @";

const KEY: TextRule = TextRule {
    min_characters: *KEY_CHARACTERS.start(),
    max_characters: *KEY_CHARACTERS.end(),
    allows: aws_tag_rules::is_allowed,
    allowed: ALLOWED,
};

const VALUE: TextRule = TextRule {
    min_characters: *VALUE_CHARACTERS.start(),
    max_characters: *VALUE_CHARACTERS.end(),
    allows: aws_tag_rules::is_allowed,
    allowed: ALLOWED,
};

/// The caller's tags: none that AWS or the gateway would refuse or overwrite, and few
/// enough that the gateway's own fit beside them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallerTags(BTreeMap<String, String>);

impl CallerTags {
    /// Parses the tags of a caller of the tenant for which the operator sets
    /// `extra_tags`.
    ///
    /// # Errors
    /// All that is wrong with them, as of the field `tags`.
    pub fn parse(
        tags: BTreeMap<String, String>,
        extra_tags: &BTreeMap<String, String>,
    ) -> Result<Self, Violations> {
        let mut found = Found::default();
        let tags = Self::parse_into(tags, extra_tags, &mut found);
        if found.is_empty() { Ok(tags) } else { Err(found.into_violations()) }
    }

    /// The tags, which are to be used only if nothing was found.
    pub(super) fn parse_into(
        tags: BTreeMap<String, String>,
        extra_tags: &BTreeMap<String, String>,
        found: &mut Found,
    ) -> Self {
        let most = MAX_TAGS.saturating_sub(MANAGED_TAGS + extra_tags.len());
        if tags.len() > most {
            let description = format!(
                "must be at most {most} pairs, received {}: of AWS's {MAX_TAGS} the gateway needs \
                 {MANAGED_TAGS} and the operator sets {}; drop some",
                tags.len(),
                extra_tags.len()
            );
            found.add("tags", reason::TOO_MANY, description);
        }
        for (key, value) in &tags {
            let path = || EntryPath { field: "tags", key };
            if let Err(faults) = Faults::or(KEY.faults(key), ()) {
                found.add_all(path(), "key ", faults);
            }
            if is_reserved_tag(key) {
                let description = "key must not begin with aws: or ivs-ingest-gateway:, in any letter \
                                   case: choose another";
                found.add(path(), reason::RESERVED_PREFIX, description);
            }
            if extra_tags.contains_key(key) {
                let description = "is set by the gateway's operator for this tenant: leave it out";
                found.add(path(), reason::MANAGED_BY_GATEWAY, description);
            }
            if let Err(faults) = Faults::or(VALUE.faults(value), ()) {
                found.add_all(path(), "value ", faults);
            }
        }
        Self(tags)
    }

    /// The tags by key.
    #[must_use]
    pub fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

impl From<CallerTags> for BTreeMap<String, String> {
    fn from(tags: CallerTags) -> Self {
        tags.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
    }

    fn found(
        tags: BTreeMap<String, String>,
        extra: &BTreeMap<String, String>,
    ) -> Vec<(String, &'static str)> {
        let violations = CallerTags::parse(tags, extra).unwrap_err();
        violations.into_iter().map(|violation| (violation.field, violation.reason)).collect()
    }

    #[test]
    fn the_operators_tags_are_not_the_callers() {
        let extra = map(&[("cost-center", "42")]);
        let entry = (r#"tags["cost-center"]"#.to_owned(), reason::MANAGED_BY_GATEWAY);
        assert_eq!(found(map(&[("cost-center", "42"), ("show", "x")]), &extra), [entry]);
        // AWS tells keys apart by case, so this one is the caller's.
        assert!(CallerTags::parse(map(&[("Cost-Center", "1")]), &extra).is_ok());
    }

    #[test]
    fn the_operators_tags_take_their_room() {
        let extra: BTreeMap<_, _> = (0..3).map(|n| (format!("extra{n}"), String::new())).collect();
        let tags = |count| (0..count).map(|n| (format!("k{n}"), String::new())).collect();
        assert!(CallerTags::parse(tags(43), &extra).is_ok());
        assert_eq!(found(tags(44), &extra), [("tags".to_owned(), reason::TOO_MANY)]);
    }

    #[test]
    fn key_and_value_are_told_apart() {
        let violations = CallerTags::parse(map(&[("a#", "b#")]), &map(&[])).unwrap_err();
        let told: Vec<_> = violations.as_slice().iter().map(|v| v.description.as_str()).collect();
        assert!(told[0].starts_with("key must consist of"), "{told:?}");
        assert!(told[1].starts_with("value must consist of"), "{told:?}");
    }
}
