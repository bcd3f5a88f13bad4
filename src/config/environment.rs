//! Overrides values of the file with variables: `IVS_INGEST_GATEWAY__SERVER__LISTEN` sets
//! `server.listen`. A variable that names no key becomes an unknown key of the document,
//! and is reported as one.

use super::{
    document::{Node, Table, Value},
    problems::Origin,
    report::{Report, dotted},
};

const PREFIX: &str = "IVS_INGEST_GATEWAY__";
/// The prefix of a variable with too few underscores. Kubernetes sets variables with this
/// prefix for a service of the name `ivs-ingest-gateway`.
const SHORT_PREFIX: &str = "IVS_INGEST_GATEWAY_";

/// Overrides the document's values with those of the variables.
pub(super) fn overlay(
    document: &mut Table,
    environment: impl IntoIterator<Item = (String, String)>,
    report: &mut Report,
) {
    let (mut variables, others): (Vec<_>, Vec<_>) = environment
        .into_iter()
        .filter(|(name, _)| name.starts_with(SHORT_PREFIX))
        .partition(|(name, _)| name.starts_with(PREFIX));
    for (name, _) in others {
        report.ignored_variable(name);
    }
    // In this order a variable that sets a section comes before those that set its keys.
    variables.sort();
    for (name, text) in variables {
        let path = name[PREFIX.len()..].to_ascii_lowercase();
        let segments: Vec<&str> = path.split("__").collect();
        let node = Node::from_variable(Origin::Variable(name.clone()), &text);
        let set = set(document, &segments, node);
        // In a file with syntax errors, the parent of the key may be on a line that was not read.
        if let Err((key, words)) = set
            && report.is_toml()
        {
            report.problem_at(Origin::Variable(name), key, words);
        }
    }
}

/// A key that cannot be set, and the problem.
type Unsettable = (String, String);

fn set(document: &mut Table, segments: &[&str], node: Node) -> Result<(), Unsettable> {
    let Some((last, parents)) = segments.split_last() else { return Ok(()) };
    let mut table = document;
    let mut key = String::new();
    for segment in parents {
        let name = matching(table, &key, segment)?;
        key = dotted(&key, &name);
        let parent = table.entry(name).or_insert_with(|| Node::section(node.origin.clone()));
        table = match &mut parent.value {
            Value::Table(entries) => entries,
            _ => return Err((key, "is not a section, so it has no keys".to_owned())),
        };
    }
    let name = matching(table, &key, last)?;
    table.insert(name, node);
    Ok(())
}

/// Returns the variable that sets the key, if `name` is that variable with too few underscores.
pub(super) fn correction(name: &str, key: &str) -> Option<String> {
    let joined = |separator: &str| key.replace('.', separator).replace('-', "_").to_uppercase();
    let rest = name.strip_prefix(SHORT_PREFIX)?;
    let is_meant = rest.replace("__", "_").eq_ignore_ascii_case(&joined("_"));
    is_meant.then(|| format!("{PREFIX}{}", joined("__")))
}

/// Returns the key that a segment of a variable names. A shell does not accept `-` in the name
/// of a variable, and ids of tenants may contain it, so `_` matches `-`. Case is ignored.
fn matching(table: &Table, parent: &str, segment: &str) -> Result<String, Unsettable> {
    let normal = |text: &str| text.replace('-', "_").to_ascii_lowercase();
    let mut names = table.keys().filter(|name| normal(name) == normal(segment));
    match (names.next(), names.next()) {
        (Some(name), None) => Ok(name.clone()),
        (Some(_), Some(_)) => Err((
            dotted(parent, segment),
            "matches several keys that differ only in case or in - and _; change them in the file"
                .to_owned(),
        )),
        // A misspelt id must not add a tenant.
        (None, _) if parent == "tenants" && segment != "default" => Err((
            dotted(parent, segment),
            "is not a tenant of the file; add the tenant there, or correct the variable".to_owned(),
        )),
        (None, _) => Ok(segment.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Problems};

    fn parse(text: &str, environment: &[(&str, &str)]) -> Result<Config, Problems> {
        let environment =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::parse(text, "gateway.toml", environment)
    }

    const FILE: &str = "
        ledger.url = 'sqlite:ledger.db'
        identity.metadata.enabled = true
        [tenants.Acme-1]
        weight = 2
    ";

    #[test]
    fn any_key_can_be_set_by_a_variable() {
        let config = parse(
            FILE,
            &[
                ("IVS_INGEST_GATEWAY__SERVER__LISTEN", "127.0.0.1:7000"),
                ("IVS_INGEST_GATEWAY__SERVER__ADMIN_LISTEN", "off"),
                ("IVS_INGEST_GATEWAY__UPSTREAM", "{ region = 'eu-west-1', calls_per_second = 4 }"),
                ("IVS_INGEST_GATEWAY__UPSTREAM__CALLS_PER_SECOND", "2.5\n"),
                ("IVS_INGEST_GATEWAY__UPSTREAM__ACCOUNT_ID", "123456789012"),
                ("IVS_INGEST_GATEWAY__TENANTS__ACME-1__WEIGHT", "7"),
                ("IVS_INGEST_GATEWAY__TENANTS__ACME_1__REQUEST_RATE__BURST", "9"),
                ("IVS_INGEST_GATEWAY__TENANTS__ACME-1__ALLOWED_PROTOCOLS", r#"["RTMPS"]"#),
                ("IVS_INGEST_GATEWAY__TENANTS__DEFAULT__MAX_QUEUED", "3"),
                ("IVS_INGEST_GATEWAY_SERVICE_PORT", "another variable: one underscore"),
                ("PATH", "/bin"),
            ],
        )
        .unwrap();
        assert_eq!(config.server.listen, "127.0.0.1:7000".parse().unwrap());
        assert_eq!(config.server.admin_listen, None);
        assert_eq!(config.upstream.region.as_deref(), Some("eu-west-1"));
        assert!((config.upstream.calls_per_second - 2.5).abs() < f64::EPSILON);
        assert_eq!(config.upstream.account_id.as_deref(), Some("123456789012"));
        let (id, acme) = config.tenants.named.iter().next().unwrap();
        assert_eq!((id.as_str(), acme.weight), ("Acme-1", 7));
        assert_eq!(acme.request_rate.burst.get(), 9);
        assert_eq!(acme.allowed_protocols.len(), 1);
        assert_eq!(acme.max_queued, 3, "inherited from the default that a variable added");
    }

    #[test]
    fn problems_name_the_variable() {
        let text = format!("{FILE}\n[tenants.twin]\n[tenants.TWIN]\n");
        let problems = parse(
            &text,
            &[
                ("IVS_INGEST_GATEWAY__SERVER__LISTN", "127.0.0.1:1"),
                ("IVS_INGEST_GATEWAY_SERVER_LISTEN", "127.0.0.1:1"),
                ("IVS_INGEST_GATEWAY__SETTLE__RETRY_AFTER_MS", "soon"),
                ("IVS_INGEST_GATEWAY__LEDGER__URL", "postgres://user:hunter2@host/db"),
                ("IVS_INGEST_GATEWAY__LEDGER__URL__PORT", "1"),
                ("IVS_INGEST_GATEWAY__TENANTS__ACNE__WEIGHT", "1"),
                ("IVS_INGEST_GATEWAY__TENANTS__TWIN__WEIGHT", "1"),
            ],
        )
        .unwrap_err()
        .to_string();
        assert_eq!(
            problems,
            "\
IVS_INGEST_GATEWAY_SERVER_LISTEN: server.listen: is not set by this variable, which has too few underscores; use IVS_INGEST_GATEWAY__SERVER__LISTEN
IVS_INGEST_GATEWAY__LEDGER__URL: ledger.url: PostgreSQL is not supported by this version; give sqlite:///absolute/path or sqlite:relative/path
IVS_INGEST_GATEWAY__LEDGER__URL__PORT: ledger.url: is not a section, so it has no keys
IVS_INGEST_GATEWAY__SERVER__LISTN: server.listn: is not a known key; did you mean server.listen?
IVS_INGEST_GATEWAY__SETTLE__RETRY_AFTER_MS: settle.retry_after_ms: is text; give a whole number from 1000 to 3600000
IVS_INGEST_GATEWAY__TENANTS__ACNE__WEIGHT: tenants.acne: is not a tenant of the file; add the tenant there, or correct the variable
IVS_INGEST_GATEWAY__TENANTS__TWIN__WEIGHT: tenants.twin: matches several keys that differ only in case or in - and _; change them in the file"
        );
    }
}
