//! The tag keys that callers and operators may not use.

/// The maximum number of tags that the gateway writes on a configuration.
pub const MANAGED_TAGS: usize = 4;

/// The prefix of the gateway's tag keys. Reserved in any letter case.
pub const MANAGED_TAG_PREFIX: &str = "ivs-ingest-gateway:";

/// Whether the key is reserved for AWS or for the gateway.
#[must_use]
pub fn is_reserved_tag(key: &str) -> bool {
    aws_tag_rules::is_reserved(key) || is_managed_tag(key)
}

/// Whether the key begins with [`MANAGED_TAG_PREFIX`], in any letter case.
#[must_use]
pub fn is_managed_tag(key: &str) -> bool {
    aws_tag_rules::begins_with(key, MANAGED_TAG_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_reserved_in_any_letter_case() {
        for reserved in
            ["aws:", "AWS:x", "aWs:x", "awſ:x", "ivs-ingest-gateway:", "Ivs-Ingest-Gateway:x"]
        {
            assert!(is_reserved_tag(reserved), "{reserved}");
        }
        for free in ["", "a", "aws", "awsx:", "xaws:", "ivs-ingest-gateway", "ıvs-ingest-gateway:"]
        {
            assert!(!is_reserved_tag(free), "{free}");
        }
    }
}
