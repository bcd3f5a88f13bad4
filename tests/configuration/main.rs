//! `docs/configuration.md`, `docs/configuration.schema.json` and `docs/gateway.example.toml`
//! agree with the code that reads the configuration.
//!
//! `BLESS=1 cargo test --test configuration` writes them.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::panic, reason = "tests")]
#![allow(clippy::format_push_string, reason = "texts of some kilobytes")]

mod example;
mod guide;
mod schema;

use std::{env, fs, path::Path};

use ivs_ingest_gateway::config::{Config, reference};

fn path(name: &str) -> String {
    format!("{}/docs/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn assert_current(name: &str, text: &str) {
    if env::var_os("BLESS").is_some() {
        fs::write(path(name), text).unwrap();
    }
    let committed = fs::read_to_string(path(name)).unwrap();
    assert!(
        committed == text,
        "docs/{name} is not current; `BLESS=1 cargo test --test configuration` writes it"
    );
}

#[test]
fn the_guide_is_current() {
    assert_current("configuration.md", &guide::render(&reference()));
}

#[test]
fn the_schema_is_current() {
    assert_current("configuration.schema.json", &schema::render(&reference()));
}

#[test]
fn the_example_is_current() {
    assert_current("gateway.example.toml", &example::render(&reference()));
}

/// The example with its commented keys enabled. Such keys have no space after the `#`.
fn uncommented(example: &str) -> String {
    let uncomment = |line: &str| match line.strip_prefix('#') {
        Some(key) if !key.is_empty() && !key.starts_with(' ') => format!("{key}\n"),
        _ => format!("{line}\n"),
    };
    example.lines().map(uncomment).collect()
}

#[test]
fn the_example_is_valid_with_and_without_its_comments() {
    let folder = tempfile::tempdir().unwrap();
    let pair = rcgen::generate_simple_self_signed(["gateway".to_owned()]).unwrap();
    let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
    write("server.pem", pair.cert.pem());
    write("clients.pem", pair.cert.pem());
    write("server.key", pair.signing_key.serialize_pem());
    let file = folder.path().join("gateway.toml").display().to_string();
    let text = example::render(&reference());
    for text in [uncommented(&text), text] {
        Config::parse(&text, &file, []).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    }
}

/// A configuration that sets every documented default equals one that sets none.
#[test]
fn the_documented_defaults_are_in_force() {
    let required = "ledger.url = 'sqlite:l.db'\nidentity.metadata.enabled = true\n";
    let mut text = format!("{required}tenants.ID.weight = 1\n");
    for entry in reference() {
        let is_set = ["identity.metadata.enabled", "tenants.ID.weight"].contains(&&*entry.path);
        // The default of a key with an example is in words.
        if let (Some(default), None, false) = (&entry.default, &entry.example, is_set)
            && !entry.path.contains("create_rate")
        {
            text += &format!("{} = {default}\n", entry.path);
        }
    }
    assert!(text.lines().count() > 25, "{text}");
    let unset = format!("{required}tenants.ID.weight = 1\n");
    let parse = |text: &str| Config::parse(text, "f", []).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let (all, none) = (parse(&text), parse(&unset));
    assert_eq!(all.restart_keys(&none), [""; 0]);
    assert_eq!(all.tenants, none.tenants);
}

/// Checks the schema with a real validator, Python's `jsonschema`.
#[test]
fn the_schema_accepts_the_example_and_rejects_mistakes() {
    let python = env::var("PYTHON").unwrap_or_else(|_| {
        format!("{}/target/tools/python/bin/python", env!("CARGO_MANIFEST_DIR"))
    });
    let example = uncommented(&example::render(&reference()));
    let check = |text: &str| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.toml");
        fs::write(&file, text).unwrap();
        validate(&python, &file)
    };
    assert_eq!(check(&example), "");
    for (line, key) in [
        ("server.lissten = 'x'", "lissten"),
        ("sweep.interval_ms = 1", "interval_ms"),
        ("server.plaintext = 'never'", "never"),
        ("upstream.calls_per_second = 0", "calls_per_second"),
        ("tenants.acme.allowed_protocols = 'RTMPS'", "allowed_protocols"),
    ] {
        let problem = check(&format!("ledger.url = 'sqlite:l.db'\n{line}\n"));
        assert!(problem.contains(key), "{line}: {problem}");
    }
}

fn validate(python: &str, file: &Path) -> String {
    const PROGRAM: &str = "
import json, sys, tomllib
import jsonschema
schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
for error in jsonschema.Draft202012Validator(schema).iter_errors(tomllib.load(open(sys.argv[2], 'rb'))):
    print(error.json_path, error.message)
";
    let output = std::process::Command::new(python)
        .args(["-c", PROGRAM, &path("configuration.schema.json")])
        .arg(file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
