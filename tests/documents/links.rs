//! Checks the links between documents.

use std::{path::Path, sync::LazyLock};

use regex::Regex;

static LINK: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\]\(([^)\s]+)\)").unwrap());

/// Checks that each relative link names a file of the repository and, with an anchor, a heading
/// in it.
pub(crate) fn check(document: &str) {
    for found in LINK.captures_iter(&crate::read(document)) {
        let link = &found[1];
        if link.starts_with("http") {
            continue;
        }
        let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
        let folder = Path::new(crate::ROOT).join(document);
        let target = match path {
            "" => folder,
            path => folder.parent().unwrap().join(path),
        };
        assert!(target.exists(), "{document}: {link} is not in the repository");
        let text = std::fs::read_to_string(&target).unwrap_or_default();
        let is_markdown = target.extension().is_some_and(|extension| extension == "md");
        let has_anchor = || text.lines().any(|line| is_heading(line, anchor));
        assert!(
            anchor.is_empty() || !is_markdown || has_anchor(),
            "{document}: {link} names no heading"
        );
    }
}

/// Whether the line is the heading that the anchor names, as GitHub derives it.
fn is_heading(line: &str, anchor: &str) -> bool {
    let Some(title) = line.strip_prefix('#') else { return false };
    let derived: String = title
        .trim_start_matches('#')
        .trim()
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect();
    derived == anchor
}
