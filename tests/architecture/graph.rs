//! Sources without their tests, and the graph of their top-level modules.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use proc_macro2::{Spacing, TokenStream, TokenTree};

/// One file: its module and the paths in it, `use` groups written out.
pub(crate) struct Source {
    /// `pacer/schedule` for `src/pacer/schedule.rs`.
    pub(crate) module: String,
    paths: BTreeSet<String>,
}

/// Every source of the library except tests.
pub(crate) fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    read(&root, &root, &mut found);
    found
}

fn read(root: &Path, folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(root, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let module = path.strip_prefix(root).unwrap().with_extension("");
            let module = module.to_str().unwrap().to_owned();
            // Files of tests, and the two roots, which name every module.
            let is_test = module.split('/').any(|part| part == "tests" || part == "behaviour");
            if !is_test && module != "lib" && module != "main" {
                found.push(Source::parse(&module, &fs::read_to_string(path).unwrap()));
            }
        }
    }
}

impl Source {
    pub(crate) fn parse(module: &str, text: &str) -> Self {
        let mut paths = BTreeSet::new();
        collect(&without_tests(text.parse().unwrap()), "", &mut paths);
        let paths = paths.into_iter().map(|path| absolute(module, &path)).collect();
        Self { module: module.to_owned(), paths }
    }

    /// Whether a path in the file contains `name`, whole segments only.
    pub(crate) fn names(&self, name: &str) -> bool {
        let name = format!("::{name}::");
        self.paths.iter().any(|path| format!("::{path}::").contains(&name))
    }

    fn top(&self) -> String {
        self.module.split('/').next().unwrap().to_owned()
    }

    /// The top-level modules of the gateway that the file imports.
    fn imports(&self) -> impl Iterator<Item = String> {
        let imported = self.paths.iter().filter_map(|path| path.strip_prefix("crate::"));
        imported.filter_map(|rest| rest.split("::").next()).map(str::to_owned)
    }
}

/// The path with `super` and `self` written out.
fn absolute(module: &str, path: &str) -> String {
    let mut segments = path.split("::").peekable();
    let mut parents: Vec<&str> = module.split('/').collect();
    match segments.peek() {
        Some(&"self") => drop(segments.next()),
        Some(&"super") => {}
        _ => return path.to_owned(),
    }
    while segments.next_if_eq(&"super").is_some() {
        parents.pop();
    }
    ["crate"].into_iter().chain(parents).chain(segments).collect::<Vec<_>>().join("::")
}

/// Drops each item behind `#[cfg(test)]`.
fn without_tests(tokens: TokenStream) -> Vec<TokenTree> {
    let mut kept: Vec<TokenTree> = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let attribute = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '#')
            .then(|| tokens.peek().map(ToString::to_string))
            .flatten();
        let attribute = attribute.map(|text| text.split_whitespace().collect::<String>());
        if attribute.as_deref() != Some("[cfg(test)]") {
            kept.push(token);
            continue;
        }
        tokens.next();
        // The item ends with a block or a semicolon.
        for token in tokens.by_ref() {
            let text = token.to_string();
            if text == ";" || text.starts_with('{') {
                break;
            }
        }
    }
    kept
}

/// Collects the paths of the tokens. `prefix` is the path before a group of a `use`.
fn collect(tokens: &[TokenTree], prefix: &str, paths: &mut BTreeSet<String>) {
    let mut path = prefix.to_owned();
    let mut joins = true;
    let mut first_colon = false;
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                if joins && !path.is_empty() {
                    path = format!("{path}::{ident}");
                } else {
                    path = ident.to_string();
                }
                paths.insert(path.clone());
                joins = false;
            }
            // Two colons join; one alone is that of a type.
            TokenTree::Punct(punct) if punct.as_char() == ':' => {
                if punct.spacing() == Spacing::Joint {
                    first_colon = true;
                } else if std::mem::take(&mut first_colon) {
                    joins = true;
                } else {
                    (path, joins) = (prefix.to_owned(), true);
                }
            }
            TokenTree::Group(group) => {
                let inner = without_tests(group.stream());
                let base = if joins && path != prefix { path.clone() } else { String::new() };
                collect(&inner, &base, paths);
                (path, joins) = (prefix.to_owned(), true);
            }
            _ => (path, joins) = (prefix.to_owned(), true),
        }
    }
}

/// The top-level modules, and those that each imports.
#[derive(Debug)]
pub(crate) struct Graph(BTreeMap<String, BTreeSet<String>>);

impl Graph {
    pub(crate) fn of(sources: &[Source]) -> Self {
        let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for source in sources {
            graph.entry(source.top()).or_default().extend(source.imports());
        }
        let modules: BTreeSet<String> = graph.keys().cloned().collect();
        for (module, imports) in &mut graph {
            imports.retain(|import| import != module && modules.contains(import));
        }
        Self(graph)
    }

    pub(crate) fn modules(&self) -> Vec<&String> {
        self.0.keys().collect()
    }

    pub(crate) fn imports(&self, module: &str) -> BTreeSet<String> {
        self.0.get(module).cloned().unwrap_or_default()
    }

    /// The modules that are left after all without imports are removed, again and again:
    /// those of a cycle and those that import one.
    pub(crate) fn cycle(&self) -> Option<Vec<String>> {
        let mut left = self.0.clone();
        loop {
            let leaf = left.iter().find(|(_, imports)| imports.is_empty());
            let Some(leaf) = leaf.map(|(module, _)| module.clone()) else { break };
            left.remove(&leaf);
            for imports in left.values_mut() {
                imports.remove(&leaf);
            }
        }
        (!left.is_empty()).then(|| left.into_keys().collect())
    }
}
