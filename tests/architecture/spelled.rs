//! Reads paths from tokens, with and without generic arguments.

use proc_macro2::{Punct, Spacing};

/// The path that ends at the current token.
#[derive(Default)]
pub(crate) struct Spelled {
    path: String,
    last: Last,
    /// The first path in the innermost angle brackets: `A` in `<A as B>`.
    first: Option<String>,
    is_first_complete: bool,
    /// The enclosing angle brackets, outermost first.
    outer: Vec<Angle>,
}

/// The last token.
#[derive(Default, Clone, Copy, PartialEq)]
enum Last {
    /// A colon that may be the first of a `::`.
    Colon,
    /// A `::`.
    Join,
    /// A character that may be the first of an arrow.
    Dash,
    #[default]
    Other,
}

/// The path before a `<`, and the first path in the enclosing angle brackets.
struct Angle {
    path: String,
    first: Option<String>,
    is_first_complete: bool,
}

impl Spelled {
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Whether the next identifier continues the path.
    pub(crate) fn joins(&self) -> bool {
        self.last == Last::Join && !self.path.is_empty()
    }

    /// Reads an identifier. Returns whether it belongs to a path.
    pub(crate) fn ident(&mut self, name: &str) -> bool {
        if ["as", "dyn", "impl", "mut", "const"].contains(&name) {
            self.end();
            return false;
        }
        if self.joins() {
            self.path = format!("{}::{name}", self.path);
        } else {
            self.is_first_complete |= self.first.is_some();
            name.clone_into(&mut self.path);
        }
        self.last = Last::Other;
        if !self.is_first_complete {
            self.first = Some(self.path.clone());
        }
        true
    }

    pub(crate) fn punct(&mut self, punct: &Punct) {
        let is_joint = punct.spacing() == Spacing::Joint;
        match punct.as_char() {
            ':' if self.last == Last::Colon => self.last = Last::Join,
            ':' if is_joint => self.last = Last::Colon,
            '<' => {
                if self.last == Last::Colon {
                    self.end();
                }
                let path = std::mem::take(&mut self.path);
                let first = self.first.take();
                let is_first_complete = std::mem::take(&mut self.is_first_complete);
                self.outer.push(Angle { path, first, is_first_complete });
                self.end();
            }
            '>' if self.last != Last::Dash && !self.outer.is_empty() => self.close(),
            '\'' => {}
            ';' => *self = Self::default(),
            other => {
                self.end();
                if is_joint && matches!(other, '-' | '=') {
                    self.last = Last::Dash;
                }
            }
        }
    }

    /// Leaves the innermost angle brackets. The path continues: `Pacer` after `Pacer<Get>`,
    /// and `A` after `<A as B>`.
    fn close(&mut self) {
        let Some(Angle { path, first, is_first_complete }) = self.outer.pop() else { return };
        let qualified = std::mem::replace(&mut self.first, first);
        self.end();
        self.path = if path.is_empty() { qualified.unwrap_or_default() } else { path };
        self.is_first_complete = is_first_complete;
    }

    /// Ends the path.
    pub(crate) fn end(&mut self) {
        self.path.clear();
        self.last = Last::Other;
    }
}
