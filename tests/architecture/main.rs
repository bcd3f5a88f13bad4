//! The module graph of `src/`, read from the sources: imports go down the table of
//! `src/lib.rs` only, and the rules of ARCHITECTURE.md on who may know what hold.
//!
//! | module | content |
//! | --- | --- |
//! | `breaches` | breaches of the rules, each of which must be found |
//! | `graph` | the graph of the top-level modules |
//! | `source` | the files of the library, without tests |
//! | `tokens`, `spelled` | the paths in the tokens of a file |

#![allow(clippy::unwrap_used, reason = "sources that cannot be read fail the test")]

mod breaches;
mod graph;
mod source;
mod spelled;
mod tokens;

use std::{collections::BTreeSet, fs, path::Path};

use crate::{
    graph::Graph,
    source::{Bindings, Source, contains, library, modules, sources},
};

/// Names that stand in these modules alone. A module is a file or a folder below `src/`.
const KNOWN_TO: [(&str, &[&str]); 11] = [
    // tonic. `gateway` starts the health service, `proto` holds the generated code.
    ("tonic", &["edge", "rpc", "proto"]),
    ("tonic_health", &["edge", "gateway"]),
    ("tonic_reflection", &["edge"]),
    ("tonic_types", &["edge", "rpc"]),
    ("aws_sdk_ivsrealtime", &["ivs"]),
    ("aws_config", &["ivs"]),
    ("aws_smithy_async", &["ivs"]),
    ("aws_smithy_http_client", &["ivs"]),
    // `dev` signs for the emulator, and `gateway` hands its credentials down.
    ("aws_credential_types", &["ivs", "gateway", "cli"]),
    ("rusqlite", &["ledger/sqlite"]),
    ("ivs_realtime_emulator", &["cli"]),
];

/// Modules of the gateway that a module may import. Modules that are not named may import
/// all that stand below them in the table of `src/lib.rs`.
const IMPORTS: [(&str, &[&str]); 8] = [
    ("pacer", &[]),
    ("telemetry", &[]),
    ("clock", &[]),
    ("ids", &["request"]),
    ("request", &["proto"]),
    ("tenancy", &["clock", "request"]),
    ("server", &[]),
    ("ivs", &["clock", "config", "ledger", "pacer", "request"]),
];

/// Pure modules, and names that none of them may use.
const PURE: [&str; 5] =
    ["request", "tenancy/tags", "ledger/state", "ledger/decide", "pacer/schedule"];
const IMPURE: [&str; 11] = [
    "tokio",
    "SystemTime::now",
    "Instant::now",
    "elapsed",
    "std::io",
    "std::fs",
    "std::net",
    "std::env",
    "std::thread",
    "rand",
    "crate::clock",
];

/// The libraries that `pacer` may name, beside the standard library.
const PACER: [&str; 2] = ["tokio", "thiserror"];

/// Types that only some modules may make. Under another name they could not be found.
const GUARDED: [&str; 3] = ["Pacers", "Pacer", "CallContext"];

/// The modules of the table in `src/lib.rs`, in its order.
fn table(library: &str) -> Vec<&str> {
    let rows = library.lines().filter_map(|line| line.strip_prefix("//! | [`"));
    rows.filter_map(|row| row.split_once("`] |")).map(|(module, _)| module).collect()
}

/// The names of the libraries that the package depends on, as paths spell them.
fn libraries() -> Vec<String> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest: toml::Table = fs::read_to_string(manifest).unwrap().parse().unwrap();
    let names = manifest["dependencies"].as_table().unwrap().keys();
    names.map(|name| name.replace('-', "_")).collect()
}

#[test]
fn imports_make_no_cycle() {
    let graph = Graph::of(sources());
    assert!(graph.modules().len() > 10, "the sources were not read: {graph:?}");
    assert_eq!(graph.cycle(), None, "{graph:#?}");
}

#[test]
fn imports_go_down_the_table_of_the_library() {
    let (library, graph) = (library(), Graph::of(sources()));
    let table = table(&library);
    let mut sorted = table.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, graph.modules());
    for (index, module) in table.iter().enumerate() {
        for import in graph.imports(module) {
            assert!(table[index..].contains(&import.as_str()), "{module} imports {import}");
        }
    }
}

#[test]
fn the_root_declares_modules_and_nothing_else() {
    let modules = modules(&library()).unwrap();
    assert!(modules.is_sorted() && modules.len() > 10, "{modules:?}");
}

/// The rules find names, so nothing may give one another name or bring in unread code.
#[test]
fn nothing_is_hidden_from_the_rules() {
    let libraries: Vec<_> = libraries().into_iter().chain(["std".into(), "core".into()]).collect();
    for source in sources() {
        let Source { module, .. } = &source;
        assert!(source.hidden().is_empty(), "{module}: {:?}", source.hidden());
        let renamed = libraries.iter().find(|name| source.renames(name));
        assert_eq!(renamed, None, "in {module}");
        let renamed = GUARDED.iter().find(|name| source.renames(name) || source.aliases(name));
        assert_eq!(renamed, None, "in {module}");
    }
}

/// A rule about a module that does not exist holds nothing.
#[test]
fn every_rule_names_modules_that_exist() {
    let sources = sources();
    let allowed = KNOWN_TO.iter().flat_map(|(_, modules)| *modules);
    for module in IMPORTS.iter().map(|(module, _)| module).chain(&PURE).chain(allowed) {
        assert!(sources.iter().any(|source| source.is_within(module)), "no module {module}");
    }
}

#[test]
fn modules_import_what_they_may() {
    let graph = Graph::of(sources());
    for (module, allowed) in IMPORTS {
        let allowed: BTreeSet<String> = allowed.iter().map(|name| (*name).to_owned()).collect();
        let imports = graph.imports(module);
        let others: Vec<_> = imports.difference(&allowed).collect();
        assert!(others.is_empty(), "{module} imports {others:?}");
    }
}

#[test]
fn libraries_are_known_where_they_may_be() {
    for (library, modules) in KNOWN_TO {
        for source in sources() {
            let allowed = modules.iter().any(|module| source.is_within(module));
            assert!(allowed || !source.names(library), "{} names {library}", source.module);
        }
    }
}

#[test]
fn no_library_is_exported_under_a_name_of_the_gateway() {
    let sources = sources();
    let bindings = Bindings::of(sources);
    for source in sources {
        for path in source.exports(&bindings) {
            let library = KNOWN_TO.iter().find(|(library, _)| contains(&path, library));
            assert_eq!(library, None, "{} exports {path}", source.module);
        }
    }
}

#[test]
fn the_pacer_names_few_libraries() {
    let others: Vec<_> =
        libraries().into_iter().filter(|name| !PACER.contains(&name.as_str())).collect();
    for source in sources().iter().filter(|source| source.is_within("pacer")) {
        let named = source.crates(&others);
        assert!(named.is_empty(), "{} names {named:?}", source.module);
    }
}

/// gRPC codes stand in the error table alone.
#[test]
fn only_the_error_table_names_grpc_codes() {
    for source in sources() {
        let may = source.is_within("rpc/status");
        assert!(may || !source.names("Code"), "{} names gRPC codes", source.module);
    }
}

#[test]
fn pure_modules_do_no_io_and_read_no_clock() {
    for source in sources() {
        if PURE.iter().any(|module| source.is_within(module)) {
            let impure = IMPURE.iter().find(|name| source.names(name));
            assert_eq!(impure, None, "in {}", source.module);
        }
    }
}

/// A permit comes from the pacers of the account, of which there is one set in a process.
#[test]
fn only_the_core_and_adopt_make_pacers() {
    for source in sources() {
        let makes = source.names("Pacers::new");
        let may = ["core", "cli/adopt"].iter().any(|module| source.is_within(module));
        assert!(!makes || may, "{} makes pacers", source.module);
        let makes_one = source.names("Pacer::new");
        assert!(!makes_one || source.is_within("ivs/pacers"), "{} makes one", source.module);
    }
}

/// No handler runs without an authenticated tenant and its concurrency permit.
#[test]
fn only_the_edge_makes_a_call_context() {
    for source in sources() {
        if source.names("CallContext::new") {
            assert!(source.is_within("edge"), "{} makes a call context", source.module);
        }
    }
}
