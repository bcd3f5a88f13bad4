//! Checks of the module graph of `src/`, which is read from the sources: modules import only
//! modules below them in the table of `src/lib.rs`, and the import rules of ARCHITECTURE.md
//! hold.
//!
//! | module | content |
//! | --- | --- |
//! | `breaches` | tests that the checks find breaches |
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

/// Names that only these modules may use. A module is a file or a folder below `src/`.
const NAMED_ONLY_IN: [(&str, &[&str]); 11] = [
    // `gateway` starts tonic's health service, and `proto` holds the generated code.
    ("tonic", &["edge", "rpc", "proto"]),
    ("tonic_health", &["edge", "gateway"]),
    ("tonic_reflection", &["edge"]),
    ("tonic_types", &["edge", "rpc"]),
    ("aws_sdk_ivsrealtime", &["ivs"]),
    ("aws_config", &["ivs"]),
    ("aws_smithy_async", &["ivs"]),
    ("aws_smithy_http_client", &["ivs"]),
    // `cli` makes the credentials with which `dev` signs calls of the emulator, and `gateway`
    // passes them to `ivs`.
    ("aws_credential_types", &["ivs", "gateway", "cli"]),
    ("rusqlite", &["ledger/sqlite"]),
    ("ivs_realtime_emulator", &["cli"]),
];

/// The modules that a module may import. A module that is not named here may import all
/// modules below it in the table of `src/lib.rs`.
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

/// Modules that do no I/O and read no clock.
const PURE: [&str; 6] = [
    "request",
    "tenancy/tags",
    "ledger/state",
    "ledger/decide",
    "reconcile/rules",
    "pacer/schedule",
];
/// Names that the modules of [`PURE`] must not use.
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

/// The libraries that `pacer` may name besides the standard library.
const PACER: [&str; 2] = ["tokio", "thiserror"];

/// Types that only some modules may construct. They must not be renamed, because the checks
/// search for their names.
const GUARDED: [&str; 3] = ["Pacers", "Pacer", "CallContext"];

/// The modules of the table in `src/lib.rs`, in its order.
fn table(library: &str) -> Vec<&str> {
    let rows = library.lines().filter_map(|line| line.strip_prefix("//! | [`"));
    rows.filter_map(|row| row.split_once("`] |")).map(|(module, _)| module).collect()
}

/// Returns the names of the package's dependencies as they appear in paths.
fn libraries() -> Vec<String> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest: toml::Table = fs::read_to_string(manifest).unwrap().parse().unwrap();
    let names = manifest["dependencies"].as_table().unwrap().keys();
    names.map(|name| name.replace('-', "_")).collect()
}

#[test]
fn imports_have_no_cycle() {
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

/// The checks search for names, so sources must not rename modules and guarded types, and
/// must not include code that the checks do not read.
#[test]
fn no_source_hides_names_from_the_checks() {
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

/// A rule about a module that does not exist would check nothing.
#[test]
fn every_rule_names_modules_that_exist() {
    let sources = sources();
    let allowed = NAMED_ONLY_IN.iter().flat_map(|(_, modules)| *modules);
    for module in IMPORTS.iter().map(|(module, _)| module).chain(&PURE).chain(allowed) {
        assert!(sources.iter().any(|source| source.is_within(module)), "no module {module}");
    }
}

#[test]
fn modules_import_only_allowed_modules() {
    let graph = Graph::of(sources());
    for (module, allowed) in IMPORTS {
        let allowed: BTreeSet<String> = allowed.iter().map(|name| (*name).to_owned()).collect();
        let imports = graph.imports(module);
        let others: Vec<_> = imports.difference(&allowed).collect();
        assert!(others.is_empty(), "{module} imports {others:?}");
    }
}

#[test]
fn libraries_are_named_only_in_allowed_modules() {
    for (library, modules) in NAMED_ONLY_IN {
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
            let library = NAMED_ONLY_IN.iter().find(|(library, _)| contains(&path, library));
            assert_eq!(library, None, "{} exports {path}", source.module);
        }
    }
}

#[test]
fn the_pacer_names_only_allowed_libraries() {
    let others: Vec<_> =
        libraries().into_iter().filter(|name| !PACER.contains(&name.as_str())).collect();
    for source in sources().iter().filter(|source| source.is_within("pacer")) {
        let named = source.crates(&others);
        assert!(named.is_empty(), "{} names {named:?}", source.module);
    }
}

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

/// Every permit must come from the one set of pacers of the process, or the gateway would
/// exceed AWS's limits.
#[test]
fn only_the_core_and_adopt_construct_pacers() {
    for source in sources() {
        let constructs_pacers = source.names("Pacers::new");
        let may = ["core", "cli/adopt"].iter().any(|module| source.is_within(module));
        assert!(!constructs_pacers || may, "{} constructs pacers", source.module);
        let constructs_one = source.names("Pacer::new");
        assert!(
            !constructs_one || source.is_within("ivs/pacers"),
            "{} constructs a pacer",
            source.module
        );
    }
}

/// No handler runs without an authenticated tenant and its concurrency permit.
#[test]
fn only_the_edge_constructs_a_call_context() {
    for source in sources() {
        if source.names("CallContext::new") {
            assert!(source.is_within("edge"), "{} constructs a call context", source.module);
        }
    }
}
