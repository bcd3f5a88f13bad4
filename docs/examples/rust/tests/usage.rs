//! The options of the program are those that the README of the examples lists.

use std::process::Command;

#[test]
fn the_readme_lists_the_options() {
    let help = Command::new(env!("CARGO_BIN_EXE_create-ingest-configuration"))
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let listed: Vec<&str> = include_str!("../../README.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `--")?.split([' ', '`']).next())
        .collect();
    assert_eq!(listed.len(), 6);
    let options = help.lines().filter_map(|line| line.trim().strip_prefix("--"));
    let options: Vec<&str> = options.filter_map(|line| line.split([' ', '=']).next()).collect();
    assert_eq!(options, listed);
}
