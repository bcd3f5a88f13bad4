//! The rules of AWS for the tags of a resource.
//!
//! Sources: [Tagging best practices and strategies][guide] for the counts, the lengths
//! and the reserved prefix; the shapes `TagKey`, `TagValue` and `Tags` of botocore's
//! model `ivs-realtime/2020-07-14/service-2.json` for the same counts and lengths; the
//! [`Tag` type of AWS Directory Service][pattern] for the pattern of the characters.
//!
//! The crate is pure: it does no I/O and holds no state.
//!
//! [guide]: https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
//! [pattern]: https://docs.aws.amazon.com/directoryservice/latest/devguide/API_Tag.html

use std::ops::RangeInclusive;

use unicode_general_category::{GeneralCategory, get_general_category};

/// The largest number of tags that one resource can have.
pub const MAX_TAGS: usize = 50;

/// The length of a tag's key, in Unicode characters.
pub const KEY_CHARACTERS: RangeInclusive<usize> = 1..=128;

/// The length of a tag's value, in Unicode characters.
pub const VALUE_CHARACTERS: RangeInclusive<usize> = 0..=256;

/// The regular expression that keys and values match, as AWS writes it.
/// [`is_allowed`] implements its character class.
pub const PATTERN: &str = r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)";

/// The prefix of the keys that only AWS itself can set, in any letter case.
pub const RESERVED_PREFIX: &str = "aws:";

/// Returns whether a key or a value can contain the character: a letter, a separator or
/// a number by its Unicode general category, or one of `_ . : / = + - @`.
#[must_use]
pub fn is_allowed(character: char) -> bool {
    use GeneralCategory as Category;
    if character.is_ascii() {
        return character.is_ascii_alphanumeric()
            || matches!(character, ' ' | '_' | '.' | ':' | '/' | '=' | '+' | '-' | '@');
    }
    // `char::is_alphanumeric` also accepts combining marks, which AWS rejects.
    matches!(
        get_general_category(character),
        Category::UppercaseLetter
            | Category::LowercaseLetter
            | Category::TitlecaseLetter
            | Category::ModifierLetter
            | Category::OtherLetter
            | Category::DecimalNumber
            | Category::LetterNumber
            | Category::OtherNumber
            | Category::SpaceSeparator
            | Category::LineSeparator
            | Category::ParagraphSeparator
    )
}

/// Returns whether the length and the characters of a key are allowed. A reserved key
/// can be well-formed; see [`is_reserved`].
#[must_use]
pub fn is_key(text: &str) -> bool {
    KEY_CHARACTERS.contains(&text.chars().count()) && text.chars().all(is_allowed)
}

/// Returns whether the length and the characters of a value are allowed.
#[must_use]
pub fn is_value(text: &str) -> bool {
    VALUE_CHARACTERS.contains(&text.chars().count()) && text.chars().all(is_allowed)
}

/// Returns whether the key begins with [`RESERVED_PREFIX`], in any letter case.
#[must_use]
pub fn is_reserved(key: &str) -> bool {
    begins_with(key, RESERVED_PREFIX)
}

/// Returns whether the key begins with `prefix`, which is lower-case ASCII, in any letter
/// case.
#[must_use]
pub fn begins_with(key: &str, prefix: &str) -> bool {
    // Regular expressions that ignore letter case can match U+017F with `s`.
    let fold = |character: char| match character {
        'ſ' => 's',
        other => other.to_ascii_lowercase(),
    };
    let mut characters = key.chars().map(fold);
    prefix.chars().all(|expected| characters.next() == Some(expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_general_category_decides_whether_a_character_is_allowed() {
        // Ll, Lo, Lm, Lt, Nd, Nl, No, Zs, Zl, Zp.
        for good in "éあʰǅ٣Ⅷ½\u{A0}\u{2028}\u{2029}".chars() {
            assert!(is_allowed(good), "{good:?}");
        }
        // Mn, Mc, So (also circled letters), Sc, Pd, Cf, Co, Cn.
        for bad in "\u{301}\u{903}🦀ⓐ€—\u{200D}\u{E000}\u{378}".chars() {
            assert!(!is_allowed(bad), "{bad:?}");
        }
    }

    #[test]
    fn only_the_listed_ascii_punctuation_is_allowed() {
        let signs: String = (' '..='~')
            .filter(|character| !character.is_ascii_alphanumeric() && is_allowed(*character))
            .collect();
        assert_eq!(signs, " +-./:=@_");
        assert!(('\0'..' ').chain(['\u{7F}']).all(|control| !is_allowed(control)));
    }

    #[test]
    fn lengths_count_characters() {
        for (length, key, value) in
            [(0, false, true), (1, true, true), (128, true, true), (129, false, true)]
        {
            let text = "ü".repeat(length);
            assert_eq!((is_key(&text), is_value(&text)), (key, value), "{length}");
        }
        assert!(is_value(&"ü".repeat(256)));
        assert!(!is_value(&"ü".repeat(257)));
        assert!(!is_key("a\u{301}"));
        assert!(!is_value("a\u{301}"));
    }

    #[test]
    fn the_prefix_is_reserved_in_any_letter_case() {
        for reserved in ["aws:", "AWS:x", "aWs:x", "awſ:"] {
            assert!(is_reserved(reserved), "{reserved}");
        }
        for free in ["", "aws", "aws-x", "xaws:", "aü:s"] {
            assert!(!is_reserved(free), "{free}");
        }
    }
}
