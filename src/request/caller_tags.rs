//! The tags that the caller sets on the AWS resource.

use std::collections::BTreeMap;

use aws_tag_rules::{KEY_CHARACTERS, MAX_TAGS, VALUE_CHARACTERS};

use super::reserved_tags::{MANAGED_TAGS, is_reserved_tag};
use super::{
    text::TextRule,
    violations::{EntryPath, Faults, Found, Violations, reason},
};

const ALLOWED: &str = "letters, digits, spaces or _ . : / = + - @";

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

/// The caller's tags. AWS accepts all of them and the gateway overwrites none of them. The
/// number is low enough to leave space for the tags of the gateway and of the operator.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallerTags(BTreeMap<String, String>);

impl CallerTags {
    /// Parses the tags of a caller. `extra_tags` are those that the operator sets for the
    /// caller's tenant.
    ///
    /// # Errors
    /// All violations, as violations of the field `tags`.
    pub fn parse(
        tags: BTreeMap<String, String>,
        extra_tags: &BTreeMap<String, String>,
    ) -> Result<Self, Violations> {
        let mut found = Found::default();
        let (tags, _) = Self::parse_into(tags, extra_tags, &mut found);
        if found.is_empty() { Ok(tags) } else { Err(found.into_violations()) }
    }

    /// Parses the tags and adds their violations to `found`. The returned tags are valid only
    /// if `found` stays empty. Also returns the number of violations that the tags would not have
    /// without `extra_tags`.
    pub(super) fn parse_into(
        tags: BTreeMap<String, String>,
        extra_tags: &BTreeMap<String, String>,
        found: &mut Found,
    ) -> (Self, usize) {
        let mut conflicts = 0;
        let most = MAX_TAGS.saturating_sub(MANAGED_TAGS + extra_tags.len());
        if tags.len() > most {
            let description = format!(
                "{} tags are too many; use at most {most} (AWS allows {MAX_TAGS}, the gateway \
                 needs {MANAGED_TAGS} and the operator sets {})",
                tags.len(),
                extra_tags.len()
            );
            found.add("tags", reason::TOO_MANY, description);
            conflicts += usize::from(tags.len() <= MAX_TAGS - MANAGED_TAGS);
        }
        for (key, value) in &tags {
            let path = || EntryPath { field: "tags", key };
            if let Err(faults) = Faults::or(KEY.faults(key), ()) {
                found.add_all(path(), "key: ", faults);
            }
            if is_reserved_tag(key) {
                let description = "key: the prefixes aws: and ivs-ingest-gateway: are reserved in \
                                   any letter case; use another key";
                found.add(path(), reason::RESERVED_PREFIX, description);
            }
            if extra_tags.contains_key(key) {
                let description =
                    "the operator of the gateway sets this tag for the tenant; remove it";
                found.add(path(), reason::MANAGED_BY_GATEWAY, description);
                conflicts += 1;
            }
            if let Err(faults) = Faults::or(VALUE.faults(value), ()) {
                found.add_all(path(), "value: ", faults);
            }
        }
        (Self(tags), conflicts)
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
    fn a_caller_cannot_set_a_tag_of_the_operator() {
        let extra = map(&[("cost-center", "42")]);
        let entry = (r#"tags["cost-center"]"#.to_owned(), reason::MANAGED_BY_GATEWAY);
        assert_eq!(found(map(&[("cost-center", "42"), ("show", "x")]), &extra), [entry]);
        // AWS's tag keys are case-sensitive, so this is another key.
        assert!(CallerTags::parse(map(&[("Cost-Center", "1")]), &extra).is_ok());
    }

    #[test]
    fn the_operators_tags_count_against_the_limit() {
        let extra: BTreeMap<_, _> = (0..3).map(|n| (format!("extra{n}"), String::new())).collect();
        let tags = |count| (0..count).map(|n| (format!("k{n}"), String::new())).collect();
        assert!(CallerTags::parse(tags(43), &extra).is_ok());
        assert_eq!(found(tags(44), &extra), [("tags".to_owned(), reason::TOO_MANY)]);
    }

    #[test]
    fn a_violation_names_the_key_or_the_value() {
        let violations = CallerTags::parse(map(&[("a#", "b#")]), &map(&[])).unwrap_err();
        let descriptions: Vec<_> =
            violations.as_slice().iter().map(|v| v.description.as_str()).collect();
        assert!(descriptions[0].starts_with("key: U+0023 at position 2"), "{descriptions:?}");
        assert!(descriptions[1].starts_with("value: U+0023 at position 2"), "{descriptions:?}");
    }
}
