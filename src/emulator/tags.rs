//! The rules that AWS has for tags
//! (<https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html>).

/// Tags of one resource.
pub(super) const MAX_TAGS: usize = 50;
pub(super) const MAX_KEY_CHARACTERS: usize = 128;
pub(super) const MAX_VALUE_CHARACTERS: usize = 256;

/// Letters, digits and spaces of any script, and a few signs.
pub(super) fn allows(character: char) -> bool {
    character.is_alphanumeric() || character == ' ' || "_.:/=+-@".contains(character)
}

/// Keys that begin like this, in any case, are for AWS alone.
pub(super) fn is_reserved(key: &str) -> bool {
    key.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:"))
}
