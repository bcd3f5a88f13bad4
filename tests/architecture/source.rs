//! The source files of the library, without their tests.

use std::{collections::BTreeMap, fs, path::Path, sync::OnceLock};

use proc_macro2::TokenStream;

use crate::tokens::{Contents, Use};

/// One source file.
#[derive(Debug)]
pub(crate) struct Source {
    /// The path below `src/` without its extension, such as `pacer/schedule`.
    pub(crate) module: String,
    contents: Contents,
}

/// The text of `src/lib.rs`.
pub(crate) fn library() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap()
}

/// Every file of the library except `src/lib.rs` and tests.
pub(crate) fn sources() -> &'static [Source] {
    static SOURCES: OnceLock<Vec<Source>> = OnceLock::new();
    SOURCES.get_or_init(read)
}

fn read() -> Vec<Source> {
    let mut left = modules(&library()).unwrap();
    let mut found = Vec::new();
    while let Some(module) = left.pop() {
        let file = format!("{}/src/{module}.rs", env!("CARGO_MANIFEST_DIR"));
        let source = Source::parse(&module, &fs::read_to_string(file).unwrap());
        left.extend_from_slice(source.modules());
        found.push(source);
    }
    found
}

/// Returns the modules of the root, or the text from the first item that is not `pub mod`.
pub(crate) fn modules(root: &str) -> Result<Vec<String>, String> {
    let tokens = root.parse::<TokenStream>().unwrap();
    let texts: Vec<String> = tokens.into_iter().map(|token| token.to_string()).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut found = Vec::new();
    let mut rest = texts.as_slice();
    loop {
        rest = match rest {
            [] => return Ok(found),
            ["#", "!", attribute, rest @ ..] if attribute.starts_with('[') => rest,
            ["pub", "mod", name, ";", rest @ ..] => {
                found.push((*name).to_owned());
                rest
            }
            other => return Err(other.join(" ")),
        };
    }
}

impl Source {
    pub(crate) fn parse(module: &str, text: &str) -> Self {
        Self { module: module.to_owned(), contents: Contents::read(module, text.parse().unwrap()) }
    }

    /// Returns whether the file is the module's own or below it.
    pub(crate) fn is_within(&self, module: &str) -> bool {
        self.module == module || self.module.starts_with(&format!("{module}/"))
    }

    /// Returns whether a path in the file contains `name` as whole segments.
    pub(crate) fn names(&self, name: &str) -> bool {
        self.contents.paths.iter().any(|path| contains(path, name))
    }

    /// Returns the modules below this one that have their own files and are not tests, such
    /// as `pacer/queue`.
    pub(crate) fn modules(&self) -> &[String] {
        &self.contents.modules
    }

    pub(crate) fn top(&self) -> &str {
        self.module.split('/').next().unwrap()
    }

    /// The top-level modules of the gateway that the file imports.
    pub(crate) fn imports(&self) -> impl Iterator<Item = String> {
        let imported = self.contents.paths.iter().filter_map(|path| path.strip_prefix("crate::"));
        imported.filter_map(|rest| rest.split("::").next()).map(str::to_owned)
    }

    /// Returns the crates of `all` that are the first segment of a path in the file.
    pub(crate) fn crates<'a>(&self, all: &'a [String]) -> Vec<&'a String> {
        let begins = |name: &String| {
            let mut paths = self.contents.paths.iter();
            paths.any(|path| path.split("::").next() == Some(name) && path.contains("::"))
                || self.contents.uses.iter().any(|it| it.path == *name)
        };
        all.iter().filter(|name| begins(name)).collect()
    }

    /// Returns the constructs that add names or code which the checks cannot see.
    pub(crate) fn hidden(&self) -> &[String] {
        &self.contents.hidden
    }

    /// Returns whether a `use` renames `name`.
    pub(crate) fn renames(&self, name: &str) -> bool {
        let mut uses = self.contents.uses.iter();
        uses.any(|it| it.alias.as_ref().is_some_and(|it| it != "_") && ends(&it.path, name))
    }

    /// Returns whether a `type` item is an alias of `name`, with or without arguments.
    pub(crate) fn aliases(&self, name: &str) -> bool {
        let mut aliases = self.contents.aliases.iter();
        aliases.any(|it| it.paths.iter().any(|path| ends(path, name)))
    }

    /// Returns the paths that `pub use` and `pub type` export to other modules, resolved
    /// through the `use` items of all sources.
    pub(crate) fn exports(&self, bindings: &Bindings<'_>) -> Vec<String> {
        let Contents { uses, aliases, .. } = &self.contents;
        let uses = uses.iter().filter(|it| it.is_exported).map(|it| (&it.path, &it.within));
        let types = aliases.iter().filter(|it| it.is_exported);
        let types = types.flat_map(|it| it.paths.iter().map(|path| (path, &it.within)));
        uses.chain(types).map(|(path, within)| bindings.follow(path, within)).collect()
    }
}

/// The names that the `use` items of all sources bind.
pub(crate) struct Bindings<'a>(BTreeMap<String, &'a Use>);

impl<'a> Bindings<'a> {
    pub(crate) fn of(sources: &'a [Source]) -> Self {
        let uses = sources.iter().flat_map(|source| &source.contents.uses);
        let bound = uses.map(|it| {
            let last = it.path.rsplit("::").next().unwrap_or_default();
            (format!("{}::{}", it.within, it.alias.as_deref().unwrap_or(last)), it)
        });
        Self(bound.collect())
    }

    /// Resolves a path in the module `within`: repeatedly replaces its longest prefix that a
    /// `use` binds with the path of that `use`.
    fn follow(&self, path: &str, within: &str) -> String {
        let (mut path, mut within) = (path.to_owned(), within);
        // The limit ends the loop for a name that is bound to itself.
        for _ in 0..8 {
            let relative = format!("{within}::{path}");
            let whole = if path.starts_with("crate::") { path.clone() } else { relative };
            let ends = whole.match_indices("::").map(|(end, _)| end).chain([whole.len()]);
            let bound = ends.filter_map(|end| Some((end, self.0.get(&whole[..end])?))).last();
            let Some((end, bound)) = bound else { break };
            path = format!("{}{}", bound.path, &whole[end..]);
            within = &bound.within;
        }
        path
    }
}

fn ends(path: &str, name: &str) -> bool {
    path.rsplit("::").next() == Some(name)
}

/// Returns whether `path` contains `name` as whole segments.
pub(crate) fn contains(path: &str, name: &str) -> bool {
    format!("::{path}::").contains(&format!("::{name}::"))
}
