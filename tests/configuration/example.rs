//! Renders `docs/gateway.example.toml`.

use ivs_ingest_gateway::config::{Entry, Kind};

const INTRODUCTION: &str = "\
# The configuration of ivs-ingest-gateway, with every key. Written by
# `BLESS=1 cargo test --test configuration` from src/config.
#
# A line that begins with \"#\" and no space is a key with its default, or with an example
# if the default depends on the machine or there is none.
";
const WIDTH: usize = 88;

pub(crate) fn render(entries: &[Entry]) -> String {
    let mut text = INTRODUCTION.to_owned();
    for section in entries.iter().filter(|entry| entry.kind == Kind::Section) {
        match section.path.as_str() {
            // A rate is an inline table in its section.
            path if path.ends_with("_rate") => {}
            "tenants" => {
                text += &format!("\n{}#[tenants.default]\n", comment(section.help));
                text += &keys(entries, "tenants.ID", &["stage_arns"], true);
                text += "\n[tenants.acme]\nweight = 2\nextra_tags = { cost-center = \"42\" }\n";
                let stages = entries.iter().find(|entry| entry.path == "tenants.ID.stage_arns");
                text += &comment(stages.unwrap().help);
                text +=
                    "#stage_arns = [\"arn:aws:ivs:us-east-1:123456789012:stage/abcdABCDefgh\"]\n";
            }
            path => {
                let is_optional = path == "server.tls";
                let mark = if is_optional { "#" } else { "" };
                let keys = keys(entries, path, &[], is_optional);
                if !keys.is_empty() {
                    text += &format!("\n{}{mark}[{path}]\n{keys}", comment(section.help));
                }
            }
        }
    }
    text
}

/// The keys of a section, except those in `left_out`. All keys of an optional section are
/// comments.
fn keys(entries: &[Entry], section: &str, left_out: &[&str], is_optional: bool) -> String {
    let mut text = String::new();
    for entry in entries {
        let name = entry.path.strip_prefix(section).and_then(|rest| rest.strip_prefix('.'));
        let Some(name) = name.filter(|name| !name.contains('.') && !left_out.contains(name)) else {
            continue;
        };
        let value = match (&entry.kind, name) {
            (Kind::Section, "request_rate") => "{ per_second = 100, burst = 200 }",
            (Kind::Section, "create_rate") => "{ per_second = 0.5, burst = 3 }",
            (Kind::Section, _) => continue,
            _ => entry.example.as_deref().or(entry.default.as_deref()).unwrap(),
        };
        let mark = if entry.is_set_in_example && !is_optional { "" } else { "#" };
        text += &format!("{}{mark}{name} = {value}\n", comment(entry.help));
    }
    text
}

/// The text as a comment, in lines of at most [`WIDTH`] characters.
fn comment(text: &str) -> String {
    let mut lines = vec!["#".to_owned()];
    for word in text.split_whitespace().map(|word| word.replace('`', "")) {
        if lines.last().unwrap().len() + 1 + word.len() > WIDTH {
            lines.push("#".to_owned());
        }
        let line = lines.last_mut().unwrap();
        *line = format!("{line} {word}");
    }
    lines.join("\n") + "\n"
}
