//! Renders `docs/configuration.md`.

use ivs_ingest_gateway::config::{Entry, Kind};

const INTRODUCTION: &str = "\
<!-- Written by `BLESS=1 cargo test --test configuration` from src/config. -->

# Configuration

One TOML file. [gateway.example.toml](gateway.example.toml) has every key with its default, and [configuration.schema.json](configuration.schema.json) is a JSON schema for editors. Unknown keys are errors. Paths are relative to the folder of the file. [Operating the gateway](operating.md#configure) describes the environment, `check-config` and reloads.

`tenants.*` and the files of `[server.tls]` change on reload (SIGHUP). Other keys need a restart.
";

pub(crate) fn render(entries: &[Entry]) -> String {
    let mut text = INTRODUCTION.to_owned();
    for entry in entries {
        let Entry { path, kind, help, .. } = entry;
        if *kind == Kind::Section && !path.ends_with("_rate") {
            text += &format!("\n## `[{path}]`\n\n{help}\n");
            text += &table(entries, path);
        }
        if path == "tenants" {
            text += "\n## `[tenants.ID]`\n\n`ID` has 1 to 64 of the characters a-z, A-Z, 0-9, `-`, `_` and `.`, and begins with a letter or digit.\n";
            text += &table(entries, "tenants.ID");
        }
    }
    text
}

/// The keys of a section, including the keys of its rates.
fn table(entries: &[Entry], section: &str) -> String {
    let mut rows = String::new();
    for Entry { path, kind, default, help, .. } in entries {
        let Some(name) = path.strip_prefix(section).and_then(|rest| rest.strip_prefix('.')) else {
            continue;
        };
        let is_own = match name.split_once('.') {
            None => true,
            Some((parent, key)) => parent.ends_with("_rate") && !key.contains('.'),
        };
        if !is_own || (*kind == Kind::Section && !name.ends_with("_rate")) {
            continue;
        }
        let default = match (default, name.starts_with("create_rate")) {
            (Some(default), false) if default.contains(' ') && !default.starts_with('[') => {
                default.clone()
            }
            (Some(default), false) => format!("`{default}`"),
            _ => String::new(),
        };
        rows += &format!("| `{name}` | {} | {default} | {help} |\n", values(kind));
    }
    if rows.is_empty() {
        return rows;
    }
    format!("\n| Key | Values | Default | Meaning |\n| --- | --- | --- | --- |\n{rows}")
}

fn values(kind: &Kind) -> String {
    match kind {
        Kind::Section => "section".to_owned(),
        Kind::Text(form) => (*form).to_owned(),
        Kind::OneOf(texts) => {
            texts.iter().map(|text| format!("`\"{text}\"`")).collect::<Vec<_>>().join(" or ")
        }
        Kind::Texts(form) => format!("list: {form}"),
        Kind::Tags => "section of tags".to_owned(),
        Kind::Integer(range) => format!("{} to {}", range.start(), range.end()),
        Kind::Positive(most) => format!("above 0, at most {most}"),
        Kind::Boolean => "`true` or `false`".to_owned(),
    }
}
