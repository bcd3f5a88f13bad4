//! Conditions between keys.

use super::{Identity, ResolutionTimes, Server, Upstream, report::Report};
use crate::tenancy::TenancySettings;

/// AWS's limit for each operation, account and region.
const AWS_CALLS_PER_SECOND: f64 = 5.0;

pub(super) fn check_server(server: &Server, report: &mut Report) {
    let has_plaintext = server.tls.is_none() && !report.has_problem("server.tls");
    if !is_loopback(server) && has_plaintext && !server.plaintext {
        report.problem(
            "server.listen",
            "is not on loopback, and plaintext would expose stream keys to the network; \
             add [server.tls], or set server.plaintext = \"allow\" behind a mesh that encrypts",
        );
    }
    if let Some(admin) = server.admin_listen
        && admin.port() == server.listen.port()
        && admin.port() != 0
        && (admin.ip() == server.listen.ip()
            || admin.ip().is_unspecified()
            || server.listen.ip().is_unspecified())
    {
        report.problem("server.listen", "has the port of server.admin_listen; change one of them");
    }
    if server.default_deadline > server.max_deadline {
        report.problem(
            "server.default_deadline_ms",
            "is more than server.max_deadline_ms; lower it, or raise server.max_deadline_ms",
        );
    }
}

pub(super) fn check_identity(identity: &Identity, server: &Server, report: &mut Report) {
    match &identity.metadata {
        None if report.has_problem("identity.metadata") => {}
        None => {
            report.problem("identity", "is empty, so no caller has access; set identity.metadata.enabled = true");
        }
        Some(metadata) if !metadata.allow_remote && !is_loopback(server) => report.problem(
            "identity.metadata.enabled",
            "lets every caller that reaches server.listen act for every tenant; listen on loopback, or \
             set identity.metadata.allow_remote = true behind a mesh that sets x-tenant-id",
        ),
        Some(_) => {}
    }
}

/// Checks the call rate. A rate above the limit of AWS is for an emulator.
pub(super) fn check_rate(upstream: &Upstream, report: &mut Report) {
    if upstream.endpoint_url.is_none() && upstream.calls_per_second > AWS_CALLS_PER_SECOND {
        report.problem(
            "upstream.calls_per_second",
            "is more than 5, the limit of AWS, which AWS does not raise; lower it, or set \
             upstream.endpoint_url to an emulator",
        );
    }
}

pub(super) fn check_tenants(tenants: &TenancySettings, report: &mut Report) {
    if tenants.named.is_empty() && tenants.default.is_none() {
        report.problem(
            "tenants",
            "names no tenant, so every call would be rejected; add [tenants.ID], or \
             [tenants.default] to admit any tenant",
        );
    }
}

pub(super) fn check_times(upstream: &Upstream, resolution: &ResolutionTimes, report: &mut Report) {
    if upstream.connect_timeout >= upstream.attempt_timeout {
        report.problem(
            "upstream.connect_timeout_ms",
            "is not less than upstream.attempt_timeout_ms, which includes it; lower it",
        );
    }
    if resolution.first_probe >= resolution.retry_after {
        report.problem(
            "settle.first_probe_ms",
            "is not less than settle.retry_after_ms, so a create could be sent again before the \
             first probe for it; lower it",
        );
    }
    if resolution.retry_after <= upstream.attempt_timeout {
        report.problem(
            "settle.retry_after_ms",
            "is not more than upstream.attempt_timeout_ms, so a create could be sent again while the first \
            attempt still runs; raise it",
        );
    }
    if resolution.retry_after >= resolution.give_up_after {
        report.problem(
            "settle.retry_after_ms",
            "is not less than settle.give_up_after_ms; lower it, or raise settle.give_up_after_ms",
        );
    }
}

fn is_loopback(server: &Server) -> bool {
    server.listen.ip().to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    /// The problems of a file with these lines, which begin at line 3.
    fn problems(lines: &[&str]) -> String {
        let text = format!(
            "ledger.url = 'sqlite:l.db'\nidentity.metadata.enabled = true\n{}\n\
             tenants.acme = {{}}\n",
            lines.join("\n")
        );
        match Config::parse(&text, "f", []) {
            Ok(_) => String::new(),
            Err(problems) => problems.to_string(),
        }
    }

    #[test]
    fn beyond_loopback_plaintext_and_metadata_must_be_allowed() {
        let both = problems(&["server.listen = '0.0.0.0:50051'"]);
        assert_eq!(
            both,
            "\
f:2: identity.metadata.enabled: lets every caller that reaches server.listen act for every tenant; \
listen on loopback, or set identity.metadata.allow_remote = true behind a mesh that sets \
x-tenant-id
f:3: server.listen: is not on loopback, and plaintext would expose stream keys to the \
network; add [server.tls], or set server.plaintext = \"allow\" behind a mesh that encrypts"
        );
        let allowed = ["server.plaintext = 'allow'", "identity.metadata.allow_remote = true"];
        for listen in ["server.listen = '0.0.0.0:50051'", "server.listen = '[::]:50051'"] {
            assert_eq!(problems(&[listen, allowed[0], allowed[1]]), "");
            assert_eq!(problems(&[listen, allowed[0]]).lines().count(), 1);
            assert_eq!(problems(&[listen, allowed[1]]).lines().count(), 1);
        }
        for listen in ["127.0.0.2:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(problems(&[&format!("server.listen = '{listen}'")]), "");
        }
        assert_eq!(problems(&["server.admin_listen = '0.0.0.0:9090'"]), "");
    }

    #[test]
    fn tls_allows_a_listener_beyond_loopback() {
        let pair = || rcgen::generate_simple_self_signed(["gateway".to_owned()]).unwrap();
        let (pair, other) = (pair(), pair());
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let cert = write("cert.pem", pair.cert.pem());
        let key = write("key.pem", pair.signing_key.serialize_pem());
        let other = write("other.pem", other.signing_key.serialize_pem());
        let with = |cert: &str, key: &str| {
            let tls = format!("server.tls = {{ cert = '{cert}', key = '{key}' }}");
            let remote = "identity.metadata.allow_remote = true";
            problems(&["server.listen = '0.0.0.0:50051'", remote, &tls])
        };
        assert_eq!(with(&cert, &key), "");
        for (cert, key, problem) in [
            (&cert, &other, "f:5: server.tls.cert: cannot be used"),
            (&cert, &cert, "f:5: server.tls.key: cannot be used"),
            (&key, &key, "f:5: server.tls.cert: cannot be used"),
        ] {
            let found = with(cert, key);
            assert!(found.starts_with(problem) && found.contains(".pem"), "{found}");
            assert_eq!(found.lines().count(), 1, "{found}");
        }
    }

    #[test]
    fn a_rate_above_the_limit_of_aws_needs_another_endpoint() {
        let rate = "upstream.calls_per_second = 500";
        assert_eq!(
            problems(&[rate]),
            "f:3: upstream.calls_per_second: is more than 5, the limit of AWS, which AWS does not \
             raise; lower it, or set upstream.endpoint_url to an emulator"
        );
        assert_eq!(problems(&[rate, "upstream.endpoint_url = 'http://127.0.0.1:4566'"]), "");
    }

    #[test]
    fn a_tenant_is_needed() {
        let text = "ledger.url = 'sqlite:l.db'\nidentity.metadata.enabled = true\n";
        assert_eq!(
            Config::parse(text, "f", []).unwrap_err().to_string(),
            "f: tenants: names no tenant, so every call would be rejected; add [tenants.ID], or \
             [tenants.default] to admit any tenant"
        );
        Config::parse(&format!("{text}[tenants.default]\n"), "f", []).unwrap();
    }

    #[test]
    fn an_identity_is_needed() {
        let text = "tenants.acme = {}\nledger.url = 'sqlite:l.db'\n[identity]\nmetadata = { enabled = false }";
        assert_eq!(
            Config::parse(text, "f", []).unwrap_err().to_string(),
            "f:3: identity: is empty, so no caller has access; set identity.metadata.enabled = true"
        );
    }

    #[test]
    fn a_section_with_problems_causes_no_other_problem() {
        let remote = ["server.listen = '0.0.0.0:1'", "identity.metadata.allow_remote = true"];
        let tls = "server.tls = { cert = 'absent.pem', key = 'absent.key' }";
        let found = problems(&[remote[0], remote[1], tls]);
        assert_eq!(found.lines().count(), 2, "{found}");
        let text =
            "tenants.acme = {}\nledger.url = 'sqlite:l.db'\nidentity.metadata.enabled = 'true'";
        let found = Config::parse(text, "f", []).unwrap_err().to_string();
        assert_eq!(found, "f:3: identity.metadata.enabled: is text; give true or false");
    }

    #[test]
    fn the_listeners_have_different_ports() {
        let shared = "f:3: server.listen: has the port of server.admin_listen; change one of them";
        assert_eq!(problems(&["server.listen = '127.0.0.1:9090'"]), shared);
        assert_eq!(
            problems(&["server.listen = '127.0.0.1:7'", "server.admin_listen = '0.0.0.0:7'"]),
            shared
        );
        for other in ["127.0.0.1:8", "127.0.0.2:7", "off"] {
            let admin = format!("server.admin_listen = '{other}'");
            assert_eq!(problems(&["server.listen = '127.0.0.1:7'", &admin]), "");
        }
        let any_port = ["server.listen = '127.0.0.1:0'", "server.admin_listen = '127.0.0.1:0'"];
        assert_eq!(problems(&any_port), "");
    }

    #[test]
    fn times_have_an_order() {
        for (lines, key) in [
            (
                ["server.default_deadline_ms = 9000", "server.max_deadline_ms = 8000"],
                "f:3: server.default_deadline_ms: is more than server.max_deadline_ms",
            ),
            (
                ["upstream.connect_timeout_ms = 4000", ""],
                "f:3: upstream.connect_timeout_ms: is not less than upstream.attempt_timeout_ms",
            ),
            (
                ["settle.retry_after_ms = 5000", "settle.first_probe_ms = 5000"],
                "f:4: settle.first_probe_ms: is not less than settle.retry_after_ms",
            ),
            (
                ["settle.retry_after_ms = 4000", ""],
                "f:3: settle.retry_after_ms: is not more than upstream.attempt_timeout_ms",
            ),
            (
                ["upstream.attempt_timeout_ms = 60000", ""],
                "f: settle.retry_after_ms: is not more than upstream.attempt_timeout_ms",
            ),
            (
                ["settle.retry_after_ms = 9000", "settle.give_up_after_ms = 9000"],
                "f:3: settle.retry_after_ms: is not less than settle.give_up_after_ms",
            ),
        ] {
            let problems = problems(&lines);
            assert!(problems.starts_with(key) && problems.lines().count() == 1, "{problems}");
        }
    }
}
