//! The language of sources and documents: the project's terms and no others, and comments
//! that begin with their subject.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use regex::Regex;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Folders and files with text of the project's own.
const PLACES: [&str; 14] = [
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Cargo.toml",
    "README.md",
    "benches",
    "build.rs",
    "clippy.toml",
    "crates",
    "deny.toml",
    "docs",
    "proto/ivs",
    "rustfmt.toml",
    "src",
    "tests",
];

/// Not sources of the project, or this list.
const SKIPPED: [&str; 4] = ["node_modules", "package-lock.json", "tests/language", "target"];

/// Terms that are not used: a part that is quick to search for, the expression, and the
/// terms in its place. The keys `settle.*` and `sweep.*` of the configuration keep their
/// names.
const TERMS: [(&str, &str, &str); 20] = [
    ("at once", r"at once\b", "immediately, concurrently, or in one response"),
    ("at_once", r"at_once\b", "immediately, concurrently, or in one response"),
    ("body", r"(nobody|somebody|anybody)", "a named actor"),
    ("whoever", r"whoever", "a named actor"),
    (" told", r"(is|are|be|was|were|been) told\b", "receives, is notified"),
    ("_told", r"(is|are|be|was|were|been)_told", "receives, is notified"),
    ("way out", r"way out\b", "remedy"),
    ("way_out", r"way_out\b", "remedy"),
    ("mend", r"mend(s|ed|ing)?\b", "fix"),
    ("settl", r"settl(ed|ing|ers?)\b", "resolve"),
    ("settle", r"settles?[^\w.\]`_\x22]", "resolve"),
    ("sweep", r"sweep(s|ing|er)\b", "scan"),
    ("sweep", r"sweep[^\w.\]\\`_\x22]", "scan"),
    ("walk", r"walk(s|ed|ing)?\b", "scan"),
    ("rhythm", r"rhythm", "ScanConfig"),
    ("verdict", r"verdicts?\b", "resolution"),
    ("patience", r"patience", "a time-out"),
    ("doubt", r"(a|the|of|its|each|every|this) doubts?\b", "in-doubt create"),
    ("over_limit", r"over_limit", "limit_exceeded"),
    ("turn_wait", r"turn_wait", "aws_queue_wait"),
];

/// The first words with which no comment begins: its subject is an actor or a thing.
const NO_SUBJECTS: [&str; 5] = ["What", "Who", "Whose", "Whoever", "Whatever"];

fn files(path: &Path, found: &mut Vec<PathBuf>) {
    let name = path.strip_prefix(ROOT).unwrap().to_str().unwrap();
    if SKIPPED.iter().any(|skipped| name.ends_with(skipped)) {
        return;
    }
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            files(&entry.unwrap().path(), found);
        }
    } else {
        found.push(path.to_owned());
    }
}

/// The lines of all places, as `FILE:LINE` and text. Files that are not text have none.
fn lines() -> Vec<(String, String)> {
    let mut paths = Vec::new();
    for place in PLACES {
        files(&Path::new(ROOT).join(place), &mut paths);
    }
    let mut lines = Vec::new();
    for path in paths {
        let name = path.strip_prefix(ROOT).unwrap().display().to_string();
        for (index, line) in fs::read_to_string(&path).unwrap_or_default().lines().enumerate() {
            lines.push((format!("{name}:{}", index + 1), line.to_owned()));
        }
    }
    lines
}

#[test]
fn the_terms_are_those_of_the_project() {
    let terms = TERMS.map(|(part, term, instead)| {
        let regex = Regex::new(&format!(r"(?i)(^|[^A-Za-z]){term}")).unwrap();
        (part, regex, instead)
    });
    let lines = lines();
    assert!(lines.len() > 30_000, "{}", lines.len());
    let mut findings = Vec::new();
    for (place, line) in lines {
        let lower = line.to_ascii_lowercase();
        for (part, regex, instead) in &terms {
            // An unoptimised regex is too slow for every line.
            if lower.contains(part) && regex.is_match(&line) {
                findings.push(format!("{place}: use {instead}: {}", line.trim()));
            }
        }
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn comments_begin_with_their_subject() {
    let begins_without = |line: &str| {
        let marks = ["///", "//!", "//", "#", "--"];
        let comment = marks.iter().find_map(|mark| line.trim_start().strip_prefix(mark));
        let first = comment.and_then(|comment| comment.split_whitespace().next());
        first.is_some_and(|first| NO_SUBJECTS.contains(&first))
    };
    let findings: Vec<_> = lines().into_iter().filter(|(_, line)| begins_without(line)).collect();
    assert!(findings.is_empty(), "{findings:#?}");
}
