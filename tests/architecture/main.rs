//! The module graph of `src/`, read from the sources: calls go down only, and the rules of
//! ARCHITECTURE.md on who may know what hold.

#![allow(clippy::unwrap_used, reason = "sources that cannot be read fail the test")]

mod graph;

use std::collections::BTreeSet;

use crate::graph::{Graph, Source, sources};

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
/// whatever does not make a cycle.
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
const IMPURE: [&str; 10] = [
    "tokio",
    "SystemTime::now",
    "Instant::now",
    "elapsed",
    "std::fs",
    "std::net",
    "std::env",
    "std::thread",
    "rand",
    "crate::clock",
];

/// The order of calls: a module imports only modules behind it.
const ORDER: [&str; 18] = [
    "cli",
    "gateway",
    "edge",
    "core",
    "rpc",
    "handlers",
    "error",
    "reconcile",
    "ivs",
    "config",
    "server",
    "ledger",
    "pacer",
    "tenancy",
    "ids",
    "request",
    "proto",
    "telemetry",
];

fn is_within(source: &Source, module: &str) -> bool {
    source.module == module || source.module.starts_with(&format!("{module}/"))
}

#[test]
fn calls_go_down_only() {
    let graph = Graph::of(&sources());
    assert!(graph.modules().len() > 10, "the sources were not read: {graph:?}");
    assert_eq!(graph.cycle(), None, "{graph:#?}");
}

#[test]
fn imports_follow_the_order() {
    let graph = Graph::of(&sources());
    let modules: BTreeSet<_> = graph.modules().into_iter().map(String::as_str).collect();
    let ordered: BTreeSet<_> = ORDER.into_iter().chain(["clock"]).collect();
    assert_eq!(modules, ordered);
    for (index, module) in ORDER.into_iter().enumerate() {
        for import in graph.imports(module) {
            // The clock is behind everything.
            let behind = import == "clock" || ORDER[index..].contains(&import.as_str());
            assert!(behind, "{module} imports {import}");
        }
    }
}

/// A rule about a module that does not exist holds nothing.
#[test]
fn every_rule_names_modules_that_exist() {
    let sources = sources();
    let allowed = KNOWN_TO.iter().flat_map(|(_, modules)| *modules);
    for module in IMPORTS.iter().map(|(module, _)| module).chain(&PURE).chain(allowed) {
        assert!(sources.iter().any(|source| is_within(source, module)), "no module {module}");
    }
}

#[test]
fn relative_paths_are_resolved() {
    let deep = Source::parse("pacer/queue", "use super::super::handlers::X; use super::ticket::Y;");
    assert!(deep.names("crate::handlers::X") && deep.names("crate::pacer::ticket::Y"));
    let top = Source::parse("pacer", "use super::handlers::X; use self::queue::Z;");
    assert!(top.names("crate::handlers::X") && top.names("crate::pacer::queue::Z"));
}

#[test]
fn a_cycle_is_found() {
    let source = |module: &str, text: &str| Source::parse(module, text);
    let sources = [
        source("a", "use crate::b::B;"),
        source("b/deep", "use crate::{x, c::{C, D}};"),
        source("c", "fn f() { let _ = g!(crate::a::A); }"),
        source("x", ""),
    ];
    let cycle = Graph::of(&sources).cycle().unwrap();
    assert_eq!(
        cycle.into_iter().collect::<BTreeSet<_>>(),
        ["a", "b", "c"].map(str::to_owned).into()
    );
}

#[test]
fn modules_import_what_they_may() {
    let graph = Graph::of(&sources());
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
            let allowed = modules.iter().any(|module| is_within(&source, module));
            assert!(allowed || !source.names(library), "{} names {library}", source.module);
        }
    }
}

#[test]
fn pure_modules_do_no_io_and_read_no_clock() {
    for source in sources() {
        if PURE.iter().any(|module| is_within(&source, module)) {
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
        let may = ["core", "cli/adopt"].iter().any(|module| is_within(&source, module));
        assert!(!makes || may, "{} makes pacers", source.module);
        let makes_one = source.names("Pacer::new");
        assert!(!makes_one || is_within(&source, "ivs/pacers"), "{} makes one", source.module);
    }
}

/// No handler runs without an authenticated tenant and its concurrency permit.
#[test]
fn only_the_edge_makes_a_call_context() {
    for source in sources() {
        if source.names("CallContext::new") {
            assert!(is_within(&source, "edge"), "{} makes a call context", source.module);
        }
    }
}
