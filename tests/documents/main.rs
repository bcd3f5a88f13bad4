//! Checks the documents against the program: replays each console block, compares each excerpt
//! with its file, parses each configuration, and resolves each link.
//!
//! `BLESS=1 cargo test --test documents` writes the outputs of this run into the console
//! blocks. Review the changes before you commit them.

#![allow(clippy::disallowed_methods, reason = "tests measure real time")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(clippy::print_stderr, reason = "tests")]

mod excerpts;
mod links;
mod markdown;
mod replay;
mod shell;
mod tokens;

use std::{env, fs, path::Path, thread};

use ivs_ingest_gateway::config::Config;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The commands of `sh` blocks. They install programs or run for minutes, so they are not
/// replayed.
const LONG: [&str; 7] = [
    "tests/run",
    "cargo install ",
    "cargo test ",
    "cargo bench ",
    "cargo run --profile simulation ",
    "CAMPAIGN_",
    "READY_",
];

/// Every Markdown file of the repository, by its path in it.
fn documents() -> Vec<String> {
    let folders = ["", "docs", "docs/decisions", "docs/examples", "crates/emulator"];
    let mut documents = Vec::new();
    for folder in folders {
        for entry in fs::read_dir(Path::new(ROOT).join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let document = path.strip_prefix(ROOT).unwrap();
                documents.push(document.to_str().unwrap().to_owned());
            }
        }
    }
    documents.sort();
    documents
}

fn read(document: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(document)).unwrap()
}

/// A Python with the packages of `tests/requirements.txt`: `PYTHON` of the environment, or
/// the one of `tests/run`.
fn python() -> String {
    let default = || format!("{ROOT}/target/tools/python/bin/python");
    let python = env::var("PYTHON").unwrap_or_else(|_| default());
    assert!(
        Path::new(&python).parent().unwrap().join("grpcurl").exists(),
        "there is no grpcurl beside {python}; run `tests/run test`, or set PYTHON"
    );
    python
}

#[test]
fn console_blocks_show_what_the_program_prints() {
    let differences = thread::scope(|scope| {
        let replays: Vec<_> = documents()
            .into_iter()
            .map(|document| scope.spawn(move || replay_document(&document)))
            .collect();
        replays.into_iter().map(|replay| replay.join().unwrap()).sum::<usize>()
    });
    assert_eq!(differences, 0, "see above; BLESS=1 writes the outputs of this run");
}

/// Replays the document, prints the differences, and returns their number.
fn replay_document(document: &str) -> usize {
    let text = read(document);
    if !markdown::blocks(&text).iter().any(|block| block.language == "console") {
        return 0;
    }
    let (renewed, differences) = replay::replay(&text);
    for difference in &differences {
        eprintln!(
            "{document}: $ {}\n--- documented\n{}\n--- actual\n{}\n",
            difference.command,
            difference.documented.join("\n"),
            difference.actual.join("\n")
        );
    }
    if env::var_os("BLESS").is_some() {
        fs::write(Path::new(ROOT).join(document), renewed).unwrap();
    }
    differences.len()
}

#[test]
fn sh_blocks_contain_only_long_commands() {
    for document in documents() {
        for block in markdown::blocks(&read(&document)) {
            let is_long = |line: &str| LONG.iter().any(|command| line.starts_with(command));
            assert!(
                block.language != "sh" || block.text.lines().all(is_long),
                "{document}: make it a console block, which is replayed:\n{}",
                block.text
            );
        }
    }
}

#[test]
fn configurations_are_valid() {
    let folder = tempfile::tempdir().unwrap();
    let pair = rcgen::generate_simple_self_signed(["gateway".to_owned()]).unwrap();
    let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
    write("server.pem", pair.cert.pem());
    write("clients.pem", pair.cert.pem());
    write("server.key", pair.signing_key.serialize_pem());
    let file = folder.path().join("gateway.toml").display().to_string();
    for document in documents() {
        for block in markdown::blocks(&read(&document)) {
            if block.language == "toml" && block.directive("from").is_none() {
                // A file with another name shows what `check-config` reports.
                let is_valid = Config::parse(&block.text, &file, []).map(drop);
                let should_be = block.directive("file") == Some("gateway.toml");
                assert_eq!(is_valid.is_ok(), should_be, "{document}: {is_valid:?}\n{}", block.text);
            }
        }
    }
}

#[test]
fn excerpts_are_parts_of_their_files() {
    for document in documents() {
        for block in markdown::blocks(&read(&document)) {
            excerpts::check(&document, &block);
        }
    }
}

#[test]
fn links_have_targets() {
    for document in documents() {
        links::check(&document);
    }
}

#[test]
fn the_readme_takes_ten_minutes() {
    let bytes = read("README.md").len();
    assert!(bytes < 12 * 1024, "README.md has {bytes} bytes; move a part into docs/");
}
