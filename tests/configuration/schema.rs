//! Renders `docs/configuration.schema.json`.

use ivs_ingest_gateway::config::{Entry, Kind};
use serde_json::{Map, Value, json};

pub(crate) fn render(entries: &[Entry]) -> String {
    let mut schema = section(entries, "");
    let tenant = section(entries, "tenants.ID");
    schema["properties"]["tenants"]["patternProperties"] =
        json!({ "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$": tenant });
    schema["required"] = json!(["ledger"]);
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "Configuration of ivs-ingest-gateway".into();
    format!("{}\n", serde_json::to_string_pretty(&schema).unwrap())
}

/// The schema of a section, including its subsections.
fn section(entries: &[Entry], path: &str) -> Value {
    let mut properties = Map::new();
    for entry in entries {
        let name = match path {
            "" => Some(entry.path.as_str()),
            path => entry.path.strip_prefix(path).and_then(|rest| rest.strip_prefix('.')),
        };
        if let Some(name) = name.filter(|name| !name.contains('.')) {
            properties.insert(name.to_owned(), property(entries, entry));
        }
    }
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

fn property(entries: &[Entry], entry: &Entry) -> Value {
    let mut property = match &entry.kind {
        Kind::Section => section(entries, &entry.path),
        Kind::Text(_) => json!({ "type": "string" }),
        Kind::OneOf(texts) => json!({ "enum": texts }),
        Kind::Texts(_) => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::Tags => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        Kind::Integer(range) => {
            json!({ "type": "integer", "minimum": range.start(), "maximum": range.end() })
        }
        Kind::Positive(most) => {
            json!({ "type": "number", "exclusiveMinimum": 0, "maximum": most })
        }
        Kind::Boolean => json!({ "type": "boolean" }),
    };
    property["description"] = entry.help.into();
    // A default in words is not a JSON value. A rate of creates has no default.
    let has_default = !entry.path.contains("create_rate.");
    if has_default
        && let Some(default) =
            entry.default.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok())
    {
        property["default"] = default;
    }
    property
}
