//! The fenced blocks of a Markdown document.

use std::ops::Range;

/// A fenced block.
pub(crate) struct Block {
    /// The text of an HTML comment in the line before the fence.
    pub(crate) directive: Option<String>,
    /// The language after the opening fence.
    pub(crate) language: String,
    /// The indices of its lines in the document, without the fences.
    pub(crate) lines: Range<usize>,
    pub(crate) text: String,
}

impl Block {
    /// The value of a directive `NAME: VALUE` of that name.
    pub(crate) fn directive(&self, name: &str) -> Option<&str> {
        self.directive.as_deref()?.strip_prefix(name)?.strip_prefix(": ")
    }
}

pub(crate) fn blocks(document: &str) -> Vec<Block> {
    let lines: Vec<&str> = document.lines().collect();
    let mut blocks = Vec::new();
    let mut index = 0;
    while index < lines.len() {
        let Some(language) = lines[index].strip_prefix("```") else {
            index += 1;
            continue;
        };
        let begin = index + 1;
        let end = begin + lines[begin..].iter().position(|line| *line == "```").unwrap();
        let before = index.checked_sub(1).map_or("", |before| lines[before]);
        let directive = before.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->"));
        blocks.push(Block {
            directive: directive.map(str::to_owned),
            language: language.to_owned(),
            lines: begin..end,
            text: text(&lines[begin..end]),
        });
        index = end + 1;
    }
    blocks
}

/// The lines as a text that ends with a line break.
pub(crate) fn text<T: AsRef<str>>(lines: &[T]) -> String {
    lines.iter().flat_map(|line| [line.as_ref(), "\n"]).collect()
}
