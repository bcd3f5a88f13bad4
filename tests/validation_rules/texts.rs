//! The patterns of text fields and the bounds of their lengths, with test texts for each.

use std::collections::BTreeSet;

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use prost_reflect::Value;

use crate::values::{CONFIGURATION, STAGE};

/// A pattern, with texts that match it and texts that do not.
pub(crate) struct Pattern {
    pub(crate) source: &'static str,
    matching: &'static [&'static str],
    not_matching: &'static [&'static str],
    /// Makes a matching text with this number of characters.
    of_length: fn(usize) -> String,
    /// For a pattern of single characters: the ASCII characters that it allows besides
    /// letters and digits.
    punctuation: Option<&'static str>,
}

pub(crate) const PATTERNS: [Pattern; 5] = [
    Pattern {
        source: "^[a-zA-Z0-9_-]*$",
        matching: &["", "a", "Z9_-"],
        not_matching: &["é", "a\u{301}", "\u{1F980}", "ok\n", "\nok", "²", "Ⅷ"],
        of_length: |length| "x".repeat(length),
        punctuation: Some("_-"),
    },
    Pattern {
        source: "^[a-zA-Z0-9_.:/=+@-]*$",
        matching: &["", "a", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"],
        not_matching: &["é", "\u{1F980}", "ok\n", "\u{A0}", "²"],
        of_length: |length| "x".repeat(length),
        punctuation: Some("_.:/=+@-"),
    },
    Pattern {
        source: r"^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$",
        // Lu Ll Lt Lm Lo, Nd Nl No, Zs Zl Zp; then Mn Mc Me, S*, P*, C*.
        matching: &[
            "É", "é", "ǅ", "ʰ", "あ", "𠮷", "٣", "Ⅷ", "½", "\u{A0}", "\u{2028}", "\u{2029}",
        ],
        not_matching: &[
            "a\u{301}",
            "\u{903}",
            "\u{20DD}",
            "\u{1F980}",
            "ⓐ",
            "€",
            "—",
            "‿",
            "«",
            "\u{200D}",
            "\u{FEFF}",
            "\u{E000}",
            "\u{378}",
            "ok\n",
            "\u{85}",
        ],
        of_length: |length| "あ".repeat(length),
        punctuation: Some(" _.:/=+-@"),
    },
    Pattern {
        source: "^$|^arn:aws:ivs:[a-z0-9-]+:[0-9]+:stage/[a-zA-Z0-9-]+$",
        matching: &["", STAGE, "arn:aws:ivs:-:0:stage/-"],
        not_matching: &[
            CONFIGURATION,
            " ",
            "x",
            "arn:aws:ivs:us-east-1:1:stage/",
            "arn:aws:ivs:us-east-1:1:stage",
            "arn:aws:ivs::1:stage/x",
            "arn:aws:ivs:us-east-1::stage/x",
            "arn:aws:ivs:US-EAST-1:1:stage/x",
            "arn:aws:ivs:us-east-1:1a:stage/x",
            "arn:aws:ivs:us-east-1:1:stage/x_y",
            "arn:aws:ivs:us-east-1:1:stage/x/y",
            "arn:aws:ivs:us-east-1:1:stage/é",
            "arn:aws:ivs:us-east-1:٣:stage/x",
            "arn:aws:ivs:us-east-1:1:stage/x\n",
            "\narn:aws:ivs:us-east-1:1:stage/x",
            "arn:aws:ivs:us-east-1:1:2:stage/x",
            "arn:aws-cn:ivs:us-east-1:1:stage/x",
            "ARN:aws:ivs:us-east-1:1:stage/x",
            "arn:aws:ivs:us-east-1:1:stages/x",
        ],
        of_length: |length| padded("arn:aws:ivs:us-east-1:123456789012:stage/", length),
        punctuation: None,
    },
    Pattern {
        source: "^arn:aws:ivs:[a-z0-9-]+:[0-9]+:ingest-configuration/[a-zA-Z0-9-]+$",
        matching: &[CONFIGURATION, "arn:aws:ivs:-:0:ingest-configuration/-"],
        not_matching: &[
            "",
            STAGE,
            "x",
            "arn:aws:ivs:us-east-1:1:ingest-configuration/",
            "arn:aws:ivs::1:ingest-configuration/x",
            "arn:aws:ivs:us-east-1::ingest-configuration/x",
            "arn:aws:ivs:us-east-1:1:ingest-configuration/x_y",
            "arn:aws:ivs:us-east-1:1:ingest-configuration/é",
            "arn:aws:ivs:us-east-1:1:ingest-configuration/x\n",
            " arn:aws:ivs:us-east-1:1:ingest-configuration/x",
        ],
        of_length: |length| padded("arn:aws:ivs:us-east-1:1:ingest-configuration/", length),
        punctuation: None,
    },
];

fn padded(prefix: &str, length: usize) -> String {
    format!("{prefix}{}", "x".repeat(length.saturating_sub(prefix.len()).max(1)))
}

/// A rule of a text field: test texts, and a function that decides whether a text is valid.
pub(crate) struct TextRule {
    pub(crate) texts: Vec<String>,
    pub(crate) valid: Box<dyn Fn(&str) -> bool>,
}

/// Returns one rule of a text field. A bound of the length has texts that match the pattern,
/// so that only the bound can make them invalid.
pub(crate) fn text_rule(name: &str, rule: &Value, pattern: Option<&'static Pattern>) -> TextRule {
    let around = |bound: usize| {
        let lengths = bound.saturating_sub(1)..=bound + 1;
        let mut texts: Vec<_> = match pattern {
            Some(pattern) => lengths.clone().map(pattern.of_length).collect(),
            None => lengths.clone().map(|length| "x".repeat(length)).collect(),
        };
        // Characters of two and four bytes, because the bound counts characters, not bytes.
        texts.extend(lengths.clone().map(|length| "é".repeat(length)));
        texts.extend(lengths.map(|length| "\u{1F980}".repeat(length)));
        texts
    };
    match name {
        "min_len" | "max_len" => {
            let bound = usize::try_from(rule.as_u64().unwrap()).unwrap();
            let is_min = name == "min_len";
            TextRule {
                texts: around(bound),
                valid: Box::new(move |text| {
                    let length = text.chars().count();
                    if is_min { length >= bound } else { length <= bound }
                }),
            }
        }
        "pattern" => pattern_rule(pattern.unwrap()),
        unknown => panic!("no values for the rule {unknown} of texts"),
    }
}

fn pattern_rule(pattern: &'static Pattern) -> TextRule {
    let mut matching: BTreeSet<String> =
        pattern.matching.iter().map(|&text| text.to_owned()).collect();
    let mut not_matching: BTreeSet<String> =
        pattern.not_matching.iter().map(|&text| text.to_owned()).collect();
    for character in (0_u8..128).map(char::from) {
        match pattern.punctuation {
            Some(allowed) if character.is_ascii_alphanumeric() || allowed.contains(character) => {
                matching.insert(format!("a{character}z"));
            }
            Some(_) => {
                not_matching.insert(format!("a{character}z"));
            }
            None => {}
        }
    }
    // The parser must also accept texts that proptest generates from the pattern.
    let alternatives = pattern.source.split('|').map(|one| one.trim_matches(['^', '$']));
    let mut runner = TestRunner::deterministic();
    for alternative in alternatives {
        let texts = proptest::string::string_regex(alternative).unwrap();
        matching.extend((0..200).map(|_| texts.new_tree(&mut runner).unwrap().current()));
    }
    TextRule {
        texts: matching.iter().chain(&not_matching).cloned().collect(),
        valid: Box::new(move |text| {
            matching.contains(text) || matches_by_construction(pattern, text, &not_matching)
        }),
    }
}

/// Returns whether a text that another rule generated matches the pattern.
fn matches_by_construction(pattern: &Pattern, text: &str, not_matching: &BTreeSet<String>) -> bool {
    let made = (pattern.of_length)(text.chars().count()) == text;
    let character = text.chars().next().map(String::from);
    let repeated = character.as_ref().is_some_and(|one| text.replace(one, "").is_empty());
    let known = character.is_some_and(|one| pattern.matching.contains(&one.as_str()));
    !not_matching.contains(text) && (made || (pattern.punctuation.is_some() && repeated && known))
}
