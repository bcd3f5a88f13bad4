use std::{collections::BTreeSet, num::NonZeroU32};

use super::*;
use crate::{
    request::IngestProtocol,
    tenancy::{Rate, TenantId, TenantSettings},
};

const SMALLEST: &str =
    "ledger.url = 'sqlite:l.db'\nidentity.metadata.enabled = true\ntenants.globex = {}\n";

fn parse(text: &str) -> Result<Config, Problems> {
    Config::parse(text, "gateway.toml", [])
}

fn problems(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn every_documented_key_is_read() {
    let text = r#"
        [server]
        listen = "127.0.0.1:50051"
        admin_listen = "127.0.0.1:9090"
        [upstream]
        region = "us-east-1"
        endpoint_url = "http://127.0.0.1:4566"
        calls_per_second = 5
        attempt_timeout_ms = 4000
        [ledger]
        url = "sqlite:///var/lib/ivs-ingest-gateway/ledger.db"
        [settle]
        first_probe_ms = 1000
        retry_after_ms = 60000
        give_up_after_ms = 900000
        [sweep]
        interval_ms = 60000
        [identity.metadata]
        enabled = true
        [tenants.default]
        max_queued = 5
        [tenants.acme]
        max_ingest_configurations = 20
        request_rate = { per_second = 100, burst = 200 }
        create_rate = { per_second = 0.5, burst = 3 }
        max_concurrent_calls = 7
        max_in_flight = 2
        weight = 1
        allowed_protocols = ["RTMPS"]
        extra_tags = { cost-center = "42" }
        stage_owner_tag = "owner"
        stage_arns = ["arn:aws:ivs:us-east-1:123456789012:stage/a"]
    "#;
    let config = parse(text).unwrap();
    assert_eq!(config.upstream.region.as_deref(), Some("us-east-1"));
    assert_eq!(config.identity.metadata, Some(MetadataIdentity { allow_remote: false }));
    let acme = config.tenants.of(&TenantId::parse("acme").unwrap()).unwrap();
    let expected = TenantSettings {
        create_rate: Some(Rate { per_second: 0.5, burst: NonZeroU32::new(3).unwrap() }),
        max_queued: 5,
        max_concurrent_calls: 7,
        allowed_protocols: vec![IngestProtocol::Rtmps],
        extra_tags: [("cost-center".to_owned(), "42".to_owned())].into(),
        stage_owner_tag: "owner".to_owned(),
        ..TenantSettings::default()
    };
    assert_eq!(**acme, expected);
    let owners: Vec<_> = config.tenants.stage_owners.values().map(TenantId::as_str).collect();
    assert_eq!(owners, ["acme"]);
    let other = config.tenants.of(&TenantId::parse("other").unwrap()).unwrap();
    assert_eq!(**other, TenantSettings { max_queued: 5, ..TenantSettings::default() });
}

#[test]
fn unknown_tenants_are_rejected_without_a_default() {
    let config = parse(SMALLEST).unwrap();
    assert_eq!(config.tenants.of(&TenantId::parse("acme").unwrap()), None);
}

#[test]
fn all_problems_are_reported_together() {
    let text = r#"[server]
listen = "hunter2"
plaintext = true
lissten = "127.0.0.1:1"
region = "us-east-1"
max_connections = 0
[server.tls]
cert = "/nonexistent/hunter2.pem"
[upstream]
calls_per_second = 1e9
attempt_timeout_ms = "hunter2"
account_id = 123456789012
[leger]
url = "postgres://user:hunter2@host/db"
[identity.jwt]
issuer = "https://issuer.example"
[[principals]]
id = "hunter2"
[tenants."no spaces"]
[tenants.acme]
weight = 0
max_queued = 99999999999999999999
request_rate = 100
create_rate = { per_second = 0, burst = 0, brust = 1 }
allowed_protocols = [
  "RTMPS",
  "SRT",
]
[tenants.acme.extra_tags]
"AWS:x" = "1"
"Ivs-Ingest-Gateway:x" = "1"
"k€y" = "1"
fine = "hunter2!"
[tenants.globex]
allowed_protocols = []
stage_owner_tag = ""
[tenants.initech]
allowed_protocols = ["RTMP", "RTMP"]
stage_arns = ["arn:aws:ivs:us-east-1:1:stage/a", "stage/a"]
[tenants.umbrella]
stage_arns = ["arn:aws:ivs:us-east-1:1:stage/a"]
[tenants.default]
stage_arns = []
"#;
    let expected = r#"
gateway.toml: ledger.url: is missing; give sqlite:///absolute/path or sqlite:relative/path
gateway.toml:2: server.listen: is not an address; give IP:PORT, as in 127.0.0.1:50051
gateway.toml:3: server.plaintext: is a boolean; give "loopback" or "allow"
gateway.toml:4: server.lissten: is not a known key; did you mean server.listen?
gateway.toml:5: server.region: is not a known key; did you mean upstream.region?
gateway.toml:6: server.max_connections: is less than 1; give a whole number from 1 to 1000000
gateway.toml:7: server.tls.key: is missing; give the path of a PEM private key
gateway.toml:8: server.tls.cert: cannot be read (No such file or directory (os error 2)); paths are relative to the folder of the configuration file
gateway.toml:10: upstream.calls_per_second: is more than 1000000; give a number above 0 and at most 1000000
gateway.toml:11: upstream.attempt_timeout_ms: is text; give a whole number from 100 to 60000
gateway.toml:12: upstream.account_id: is a whole number; give text in quotes
gateway.toml:13: leger: is not a known key; did you mean ledger?
gateway.toml:15: identity.jwt: is not supported by this version; use identity.metadata
gateway.toml:15: identity: is empty, so no caller has access; set identity.metadata.enabled = true
gateway.toml:17: principals: is not supported by this version; use identity.metadata
gateway.toml:19: tenants."no spaces": a tenant id has 1 to 64 characters of a-z, A-Z, 0-9, '_', '.' and '-', and begins with a letter or a digit; rename the tenant
gateway.toml:21: tenants.acme.weight: is less than 1; give a whole number from 1 to 1000
gateway.toml:22: tenants.acme.max_queued: is more than 100000; give a whole number from 0 to 100000
gateway.toml:23: tenants.acme.request_rate: is a whole number; give a section of keys
gateway.toml:24: tenants.acme.create_rate.per_second: is not above 0; give a number above 0 and at most 1000000
gateway.toml:24: tenants.acme.create_rate.burst: is less than 1; give a whole number from 1 to 1000000
gateway.toml:24: tenants.acme.create_rate.brust: is not a known key; did you mean tenants.acme.create_rate.burst?
gateway.toml:27: tenants.acme.allowed_protocols[1]: is not a protocol; give RTMPS or RTMP
gateway.toml:30: tenants.acme.extra_tags."AWS:x": is a reserved tag; begin it with neither aws: nor ivs-ingest-gateway:
gateway.toml:31: tenants.acme.extra_tags."Ivs-Ingest-Gateway:x": is a reserved tag; begin it with neither aws: nor ivs-ingest-gateway:
gateway.toml:32: tenants.acme.extra_tags."k€y": is not a tag's key; give 1 to 128 letters, digits, spaces and _ . : / = + - @
gateway.toml:33: tenants.acme.extra_tags.fine: is not a tag's value; give up to 256 letters, digits, spaces and _ . : / = + - @
gateway.toml:35: tenants.globex.allowed_protocols: names no protocol; give RTMPS, RTMP or both
gateway.toml:36: tenants.globex.stage_owner_tag: is not a tag's key; give 1 to 128 letters, digits, spaces and _ . : / = + - @
gateway.toml:38: tenants.initech.allowed_protocols: names a protocol twice; name it once
gateway.toml:39: tenants.initech.stage_arns[1]: is not the ARN of a stage; give one as arn:aws:ivs:REGION:ACCOUNT:stage/ID
gateway.toml:41: tenants.umbrella.stage_arns: names a stage that the tenant initech lists too; list it once
gateway.toml:43: tenants.default.stage_arns: a stage has one owner; list it under that tenant"#;
    assert_eq!(problems(text), expected.trim_start());
}

#[test]
fn syntax_errors_are_reported_with_the_problems_of_other_lines() {
    let text = "[ledger]\nurl = postgres://user:hunter2@host\n[sweep\n[tenants.a]\nweight = 0\nweight = 1\n";
    assert_eq!(
        problems(text),
        "\
gateway.toml:2: is not TOML: string values must be quoted, expected literal string
gateway.toml:3: is not TOML: unclosed table, expected `]`
gateway.toml:5: tenants.a.weight: is less than 1; give a whole number from 1 to 1000
gateway.toml:6: is not TOML: duplicate key"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem() {
    let problems = Config::load(Path::new("/nonexistent/gateway.toml"), []).unwrap_err();
    let words = problems.to_string();
    assert!(words.starts_with("/nonexistent/gateway.toml: cannot be read"), "{words}");
}

/// The rule for reserved prefixes is that of callers' tags, in any letter case.
#[test]
fn extra_tags_have_no_reserved_prefix() {
    let problem = "is a reserved tag; begin it with neither aws: nor ivs-ingest-gateway:";
    for (key, reserved) in [
        ("aws:x", true),
        ("aw\u{17f}:x", true),
        ("IVS-INGE\u{17f}T-gateway:x", true),
        ("\u{131}vs-ingest-gateway:x", false),
        ("xaws:", false),
    ] {
        let text = format!("{SMALLEST}[tenants.acme.extra_tags]\n\"{key}\" = 'x'\n");
        let found = parse(&text).err().map(|problems| problems.to_string());
        let expected = reserved
            .then(|| format!("gateway.toml:5: tenants.acme.extra_tags.\"{key}\": {problem}"));
        assert_eq!(found, expected, "{key}");
    }
}

#[test]
fn extra_tags_are_at_most_16() {
    let tags: Vec<String> = (0..17).map(|tag| format!("t{tag} = 'x'")).collect();
    assert_eq!(
        problems(&format!("{SMALLEST}[tenants.acme.extra_tags]\n{}", tags.join("\n"))),
        "gateway.toml:4: tenants.acme.extra_tags: has more than 16 tags; remove some"
    );
}

/// Every key is declared where it is read, so the reference has it.
#[test]
fn the_reference_has_every_key() {
    let text = "[server.tls]\n[tenants.ID]\ncreate_rate = {}\n";
    let (_, report) = Config::examine(text, "f", []);
    let known: BTreeSet<String> = report.known().map(str::to_owned).collect();
    let listed: BTreeSet<String> = reference().into_iter().map(|entry| entry.path).collect();
    assert_eq!(known.difference(&listed).collect::<Vec<_>>(), ["tenants.ID"]);
    assert_eq!(listed.difference(&known).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn a_reload_names_the_keys_that_need_a_restart() {
    let running = parse(SMALLEST).unwrap();
    let keys = |lines: &str| {
        let new = parse(&format!("{lines}\n{SMALLEST}")).unwrap();
        new.restart_keys(&running).join(" ")
    };
    assert_eq!(
        keys("server.listen = '127.0.0.1:1'\nsettle.first_probe_ms = 20"),
        "server.listen settle.first_probe_ms"
    );
    assert_eq!(keys("tenants.acme.weight = 3"), "");
    // A key that is set to its default changes nothing.
    assert_eq!(keys("sweep.interval_ms = 60000"), "");
    assert_eq!(
        keys("ledger.request_id_retention_ms = 60000\ntenants.acme.weight = 3"),
        "ledger.request_id_retention_ms"
    );
}
