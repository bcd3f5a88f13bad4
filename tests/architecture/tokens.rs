//! The paths, uses, type aliases and modules in the tokens of a file.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};

use crate::spelled::Spelled;

/// One path of a `use` item, with its groups expanded.
#[derive(Debug)]
pub(crate) struct Use {
    pub(crate) path: String,
    /// The name after `as`.
    pub(crate) alias: Option<String>,
    /// Whether the item has a visibility (`pub` or `pub(…)`).
    pub(crate) is_exported: bool,
    /// The module of the item, such as `crate::pacer`.
    pub(crate) within: String,
}

/// One `type NAME = …;`.
#[derive(Debug)]
pub(crate) struct Alias {
    pub(crate) paths: BTreeSet<String>,
    pub(crate) is_exported: bool,
    pub(crate) within: String,
}

/// The contents of a module, without its tests.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// The path of the current module, from `crate` down.
    module: Vec<String>,
    /// All paths, with `super` and `self` resolved.
    pub(crate) paths: BTreeSet<String>,
    pub(crate) uses: Vec<Use>,
    pub(crate) aliases: Vec<Alias>,
    /// The modules that have their own files, such as `pacer/queue`.
    pub(crate) modules: Vec<String>,
    /// Constructs that add names or code which the checks cannot see.
    pub(crate) hidden: Vec<String>,
}

impl Contents {
    /// Reads the file of `module`, which is a name such as `pacer/queue`.
    pub(crate) fn read(module: &str, tokens: TokenStream) -> Self {
        let module = ["crate"].into_iter().chain(module.split('/')).map(str::to_owned).collect();
        let mut contents = Self { module, ..Self::default() };
        contents.items(tokens);
        contents
    }

    fn items(&mut self, tokens: TokenStream) {
        let tokens = without_tests(tokens);
        let mut spelled = Spelled::default();
        let mut index = 0;
        while let Some(token) = tokens.get(index) {
            let is_item = match token {
                TokenTree::Ident(ident) => self.item(&ident.to_string(), &tokens, index),
                _ => None,
            };
            if let Some(end) = is_item {
                spelled = Spelled::default();
                index = end;
                continue;
            }
            match token {
                TokenTree::Ident(ident) => {
                    let is_lifetime = index > 0 && is_punct(&tokens[index - 1], '\'');
                    if !is_lifetime && spelled.ident(&name(ident)) {
                        self.paths.insert(self.absolute(spelled.path()));
                    }
                }
                TokenTree::Punct(punct) => spelled.punct(punct),
                TokenTree::Group(group) => self.group(group, &mut spelled),
                TokenTree::Literal(_) => spelled.end(),
            }
            index += 1;
        }
    }

    /// Reads the item that begins at `index`, if it is of a kind that is read as a whole.
    /// Returns the index of the first token after the read part.
    fn item(&mut self, keyword: &str, tokens: &[TokenTree], index: usize) -> Option<usize> {
        let next = tokens.get(index + 1)?;
        let is_exported = is_exported(&tokens[..index]);
        let end = || index + tokens[index..].iter().take_while(|it| !is_punct(it, ';')).count();
        match (keyword, next) {
            // `use<'a>` names lifetimes.
            ("use", next) if !is_punct(next, '<') => {
                self.use_tree(&tokens[index + 1..end()], "", is_exported);
                Some(end())
            }
            ("type", TokenTree::Ident(_)) => {
                let aliased = tokens[index..end()].iter().skip_while(|it| !is_punct(it, '='));
                let mut inner = Self { module: self.module.clone(), ..Self::default() };
                inner.items(aliased.cloned().collect());
                let within = self.module.join("::");
                self.aliases.push(Alias { paths: inner.paths, is_exported, within });
                None
            }
            ("mod", TokenTree::Ident(ident)) => {
                self.module.push(name(ident));
                match tokens.get(index + 2) {
                    Some(TokenTree::Group(group)) => self.items(group.stream()),
                    _ => self.modules.push(self.module[1..].join("/")),
                }
                self.module.pop();
                Some(index + 3)
            }
            ("extern", TokenTree::Ident(ident)) if ident == "crate" => {
                self.hidden.push("extern crate".to_owned());
                None
            }
            ("include", next) if is_punct(next, '!') => {
                self.hidden.push("include!".to_owned());
                None
            }
            _ => None,
        }
    }

    fn group(&mut self, group: &Group, spelled: &mut Spelled) {
        let is_brace = group.delimiter() == Delimiter::Brace;
        if group.delimiter() == Delimiter::Bracket {
            let mut tokens = group.stream().into_iter();
            let is_path = matches!(tokens.next(), Some(TokenTree::Ident(it)) if it == "path");
            if is_path && tokens.next().is_some_and(|token| is_punct(&token, '=')) {
                self.hidden.push(group.to_string());
            }
        }
        if is_brace && spelled.joins() {
            // The tree of a `use` item whose keyword comes from a macro.
            let tokens: Vec<_> = group.stream().into_iter().collect();
            self.use_tree(&tokens, spelled.path(), false);
        } else {
            self.items(group.stream());
        }
        spelled.end();
        if is_brace {
            *spelled = Spelled::default();
        }
    }

    /// Reads the tree of a `use` item. All its paths begin with `prefix`.
    fn use_tree(&mut self, tokens: &[TokenTree], prefix: &str, is_exported: bool) {
        for tokens in tokens.split(|token| is_punct(token, ',')) {
            let mut segments: Vec<String> = Vec::new();
            segments.extend((!prefix.is_empty()).then(|| prefix.to_owned()));
            let mut alias = None;
            let mut tokens = tokens.iter();
            let mut is_leaf = !tokens.as_slice().is_empty();
            while let Some(token) = tokens.next() {
                match token {
                    TokenTree::Ident(ident) if ident == "as" => {
                        alias = tokens.next().map(ToString::to_string);
                    }
                    TokenTree::Ident(ident) if ident == "self" && !segments.is_empty() => {}
                    TokenTree::Ident(ident) => segments.push(name(ident)),
                    TokenTree::Group(group) => {
                        let tokens: Vec<_> = group.stream().into_iter().collect();
                        self.use_tree(&tokens, &segments.join("::"), is_exported);
                        is_leaf = false;
                    }
                    token if is_punct(token, '*') => segments.push("*".to_owned()),
                    _ => {}
                }
            }
            if is_leaf {
                let (path, within) = (self.absolute(&segments.join("::")), self.module.join("::"));
                self.paths.insert(path.clone());
                self.hide(&segments, &path, alias.as_deref());
                self.uses.push(Use { path, alias, is_exported, within });
            }
        }
    }

    /// Records a `use` that renames `crate`, `super` or `self`, or imports all their names.
    fn hide(&mut self, segments: &[String], path: &str, alias: Option<&str>) {
        let is_root = |name: &str| ["crate", "super", "self"].contains(&name);
        let names = segments.iter().flat_map(|segment| segment.split("::"));
        if names.filter(|name| *name != "*").all(is_root)
            && (alias.is_some() || path.ends_with('*'))
        {
            self.hidden.push(format!("use {} as {alias:?}", segments.join("::")));
        }
    }

    /// Returns the path with `super` and `self` resolved.
    fn absolute(&self, path: &str) -> String {
        let mut segments = path.split("::").peekable();
        let mut parents: Vec<&str> = self.module.iter().map(String::as_str).collect();
        match segments.peek() {
            Some(&"self") => drop(segments.next()),
            Some(&"super") => {}
            _ => return path.to_owned(),
        }
        while segments.next_if_eq(&"super").is_some() {
            parents.pop();
        }
        parents.into_iter().chain(segments).collect::<Vec<_>>().join("::")
    }
}

/// Returns the name of an identifier without a raw prefix.
fn name(ident: &Ident) -> String {
    ident.to_string().trim_start_matches("r#").to_owned()
}

fn is_punct(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}

/// Returns whether an item after these tokens begins with `pub` or `pub(…)`.
fn is_exported(before: &[TokenTree]) -> bool {
    let is_pub = |token: &TokenTree| matches!(token, TokenTree::Ident(ident) if ident == "pub");
    match before {
        [.., visibility, TokenTree::Group(_)] if is_pub(visibility) => true,
        [.., last] => is_pub(last),
        [] => false,
    }
}

/// Removes each item with `#[cfg(test)]`.
fn without_tests(tokens: TokenStream) -> Vec<TokenTree> {
    let mut kept: Vec<TokenTree> = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let attribute = is_punct(&token, '#').then(|| tokens.peek().map(ToString::to_string));
        let attribute = attribute.flatten().map(|it| it.split_whitespace().collect::<String>());
        if attribute.as_deref() != Some("[cfg(test)]") {
            kept.push(token);
            continue;
        }
        tokens.next();
        // The item ends with a block, a semicolon or, for a field, a comma. A comma in
        // generics ends it too early; then the rest of the test must obey the rules too.
        for token in tokens.by_ref() {
            let is_block =
                matches!(&token, TokenTree::Group(it) if it.delimiter() == Delimiter::Brace);
            if is_block || is_punct(&token, ';') || is_punct(&token, ',') {
                break;
            }
        }
    }
    kept
}
