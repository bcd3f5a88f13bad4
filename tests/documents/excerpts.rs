//! Checks that code in documents is part of files that other tests compile and run.

use crate::markdown::Block;

/// Languages whose blocks must be excerpts.
const LANGUAGES: [&str; 5] = ["rust", "python", "js", "proto", "typescript"];

/// Checks that the block is a contiguous part of the file that its directive
/// `from: FILE` names, except for the indentation.
pub(crate) fn check(document: &str, block: &Block) {
    let Some(file) = block.directive("from") else {
        // The commands of the document run a file of the session.
        let is_code =
            LANGUAGES.contains(&block.language.as_str()) && block.directive("file").is_none();
        assert!(!is_code, "{document}: code without a file that runs it:\n{}", block.text);
        return;
    };
    let file_text = crate::read(file);
    let normal = |text: &str| text.lines().map(str::trim).collect::<Vec<_>>().join("\n");
    assert!(
        normal(&file_text).contains(&normal(&block.text)),
        "{document}: not a part of {file}:\n{}",
        block.text
    );
}
