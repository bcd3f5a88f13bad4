//! Tests of the checker itself: it must find every breach in a source text.

use std::collections::BTreeSet;

use crate::{
    graph::Graph,
    source::{Bindings, Source, modules},
};

fn hides(module: &str, text: &str) -> bool {
    !Source::parse(module, text).hidden().is_empty()
}

#[test]
fn relative_paths_are_resolved() {
    let deep = Source::parse("pacer/queue", "use super::super::handlers::X; use super::ticket::Y;");
    assert!(deep.names("crate::handlers::X") && deep.names("crate::pacer::ticket::Y"));
    let top = Source::parse("pacer", "use super::handlers::X; use self::queue::Z;");
    assert!(top.names("crate::handlers::X") && top.names("crate::pacer::queue::Z"));
    let inline = Source::parse("pacer", "mod inner { use super::super::handlers::X; }");
    assert!(inline.names("crate::handlers::X"));
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
fn renamed_or_glob_imported_modules_are_found() {
    for text in [
        "use crate as gw; fn f() { gw::handlers::X; }",
        "use super::super as gw;",
        "use crate::{self as gw};",
        "use super::{super as gw};",
        "use self as here;",
        "use crate::*;",
        "use super::super::*;",
        "use super::{super::*, ticket::Ticket};",
        "extern crate self as gw;",
        "mod inner { extern crate tonic; }",
        "fn f() { use crate as gw; }",
        "macro_rules! m { () => { use $crate as gw; } }",
        "#[path = \"other.rs\"] mod inner;",
        "include!(\"other.rs\");",
    ] {
        assert!(hides("pacer/queue", text), "{text}");
    }
    for text in [
        "use crate::handlers::X as Y; use super::ticket::{self as t, Ticket};",
        "use rand::*;",
        "#[cfg(test)] mod tests { use super::*; }",
        "const SQL: &str = include_str!(\"schema.sql\");",
        "fn f<'a>(x: &'a str) -> impl Fn() + use<'a> { g }",
    ] {
        assert!(!hides("pacer/queue", text), "{text}");
    }
}

#[test]
fn renamed_guarded_types_are_found() {
    for text in [
        "use crate::handlers::CallContext as C; fn f() { C::new() }",
        "use crate::handlers::{Handlers, CallContext as C};",
    ] {
        assert!(Source::parse("rpc", text).renames("CallContext"), "{text}");
    }
    for text in ["type C = crate::handlers::CallContext;", "type C<T> = Option<CallContext>;"] {
        assert!(Source::parse("rpc", text).aliases("CallContext"), "{text}");
    }
    assert!(Source::parse("ivs", "use aws_config as c;").renames("aws_config"));
    let trait_only = Source::parse("rpc", "use crate::handlers::CallContext as _;");
    assert!(!trait_only.renames("CallContext"));
}

#[test]
fn paths_with_generic_arguments_are_found() {
    for text in [
        "Pacer::<Get>::new()",
        "Pacer::<Vec<Get>>::new()",
        "Pacer::<fn(u8) -> u8>::new()",
        "<Pacer>::new()",
        "<Pacer<Get>>::new()",
        "<&'a Pacer>::new()",
        "<Pacer as Make>::new()",
        "<crate::pacer::Pacer<Get> as Make<X>>::new()",
        "r#Pacer::r#new()",
        "m!(<Pacer>::new)",
        "if a < b { Pacer::<Get>::new() }",
    ] {
        let source = Source::parse("rpc", &format!("fn f() {{ {text} }}"));
        assert!(source.names("Pacer::new"), "{text}: {source:?}");
    }
    let other = Source::parse("rpc", "fn f(x: Pacer<Get>) -> Get { Get::new(a < b, c > d) }");
    assert!(!other.names("Pacer::new") && other.names("Get::new"));
}

#[test]
fn names_in_groups_are_found() {
    let source =
        Source::parse("request", "use std::{fmt, io::{self, Write}}; use tonic::{Code as C};");
    assert!(source.names("std::io") && source.names("std::io::Write") && source.names("Code"));
    assert!(!source.names("std::io::fmt"));
}

#[test]
fn raw_identifiers_are_read() {
    let source = Source::parse("pacer", "use r#crate_x::y; use crate::r#handlers::X;");
    assert!(source.names("crate::handlers::X"));
    assert!(Source::parse("rpc", "use r#tonic::Status;").names("tonic"));
}

#[test]
fn exported_libraries_are_found_through_other_names() {
    let exports = |texts: &[(&str, &str)]| {
        let sources: Vec<_> =
            texts.iter().map(|(module, text)| Source::parse(module, text)).collect();
        let bindings = Bindings::of(&sources);
        sources
            .iter()
            .any(|source| source.exports(&bindings).iter().any(|path| path.starts_with("aws_sdk")))
    };
    for text in [
        "pub use aws_sdk as sdk;",
        "pub(crate) use aws_sdk::Client;",
        "pub use {a::B, aws_sdk::{Client}};",
        "pub type Client = aws_sdk::Client;",
        "use aws_sdk::Client as C; pub type Client = Option<C>;",
        "use aws_sdk::config; pub use config::Builder;",
        "use aws_sdk::config; pub use self::config::Builder;",
        "use aws_sdk::config; pub mod inner { pub use super::config::Builder; }",
    ] {
        assert!(exports(&[("ivs", text)]), "{text}");
    }
    let parent = ("ivs", "use aws_sdk::config; mod calls;");
    assert!(exports(&[parent, ("ivs/calls", "pub use super::config::Builder;")]));
    for text in ["use aws_sdk::Client; pub use calls::Client;", "type Client = aws_sdk::Client;"] {
        assert!(!exports(&[("ivs", text)]), "{text}");
    }
}

#[test]
fn only_items_with_cfg_test_are_skipped() {
    let parent = "#[cfg(test)] mod behaviour; mod tests; #[cfg(unix)] mod x { mod deep; }";
    assert_eq!(Source::parse("ledger", parent).modules(), ["ledger/tests", "ledger/x/deep"]);
    let field = Source::parse("a", "struct S { #[cfg(test)] x: u8, y: tonic::Status }");
    assert!(field.names("tonic"));
}

#[test]
fn the_root_may_only_declare_modules() {
    let good = "//! Text.\n#![allow(x)]\npub mod a;\npub mod b;";
    assert_eq!(modules(good).unwrap(), ["a", "b"]);
    for item in [
        "pub use tenancy::TenantId;",
        "mod a;",
        "pub mod a {}",
        "macro_rules! m { () => {} }",
        "m!();",
        "#[macro_use] pub mod a;",
        "pub(crate) mod a;",
    ] {
        assert!(modules(&format!("pub mod a; {item}")).is_err(), "{item}");
    }
}

#[test]
fn crates_are_found_by_the_first_segment_of_a_path() {
    let all = ["bytes", "prometheus_client"].map(str::to_owned);
    let named = |text: &str| !Source::parse("pacer", text).crates(&all).is_empty();
    assert!(named("use prometheus_client::registry::Registry;"));
    assert!(named("use prometheus_client;") && named("fn f(x: ::bytes::Bytes) {}"));
    assert!(!named("fn f(bytes: u8) { g(bytes); self.bytes }"));
}
