//! Section `[upstream]`: Amazon IVS Real-Time, or an emulator of it.

use std::time::Duration;

use super::{reference::Key, section::Section};

/// The endpoint of AWS, and the call rate.
#[derive(Debug, Clone, PartialEq)]
pub struct Upstream {
    /// AWS region. Default: that of the environment or the profile.
    pub region: Option<String>,
    /// `http` or `https` URL, without credentials, in place of AWS's own. Default: that of the
    /// environment or the profile.
    pub endpoint_url: Option<String>,
    /// Calls a second of each AWS operation; above 0. Default 5, the limit of AWS for an
    /// account and region. AWS allows twice as many of the operations on tags.
    pub calls_per_second: f64,
    /// Time limit of a call, to the end of its response. Default 4 s.
    pub attempt_timeout: Duration,
    /// Time limit of a connection, within that of the call. Default 1 s.
    pub connect_timeout: Duration,
    /// Time limit of a load of credentials. Default 30 s.
    pub credentials_timeout: Duration,
    /// Time for which the owner of a stage is cached. Zero disables the cache. Default 60 s.
    pub stage_cache: Duration,
    /// The AWS account, 12 digits. Stages of other accounts are rejected without a call to
    /// AWS. If absent, AWS rejects them.
    pub account_id: Option<String>,
}

impl Upstream {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        Self {
            region: section.text(
                Key::new("region", "AWS region. Default: that of the environment or the profile.")
                    .example("\"us-east-1\""),
                "name of a region",
                region,
            ),
            endpoint_url: section.text(
                Key::new(
                    "endpoint_url",
                    "Endpoint in place of AWS's own, without credentials. Default: that of the \
                     environment or the profile.",
                )
                .example("\"http://127.0.0.1:4566\""),
                "http or https URL",
                endpoint_url,
            ),
            calls_per_second: section.positive(
                Key::new(
                    "calls_per_second",
                    "Calls a second of each AWS operation, for all tenants together. AWS allows 5 \
                     for the account and region; more is valid with `endpoint_url` only. Lower it to \
                     leave some to other software. Operations on tags get twice as many.",
                ),
                5.0,
                1e6,
            ),
            attempt_timeout: section.milliseconds(
                Key::new(
                    "attempt_timeout_ms",
                    "Time limit of a call to AWS, to the end of its response.",
                ),
                4000,
                100..=60_000,
            ),
            connect_timeout: section.milliseconds(
                Key::new(
                    "connect_timeout_ms",
                    "Time limit of a connection to AWS, within the limit of the call.",
                ),
                1000,
                50..=60_000,
            ),
            credentials_timeout: section.milliseconds(
                Key::new(
                    "credentials_timeout_ms",
                    "Time limit of a load of AWS credentials. Calls to AWS wait for the first one.",
                ),
                30_000,
                100..=600_000,
            ),
            stage_cache: section.milliseconds(
                Key::new(
                    "stage_cache_ms",
                    "Time for which the gateway caches the owner of a stage. 0 disables the cache. A \
                     rejection is cached for at most 10 s.",
                ),
                60_000,
                0..=86_400_000,
            ),
            account_id: section.text(
                Key::new(
                    "account_id",
                    "AWS account. If set, the gateway rejects stages of other accounts without a \
                     call to AWS. It also binds the ledger: a start with another account fails. \
                     If not set, the ledger learns the account from its configurations.",
                )
                .example("\"123456789012\""),
                "12 digits",
                account_id,
            ),
        }
    }
}

/// Checks the name of a region.
pub(crate) fn region(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=63).contains(&text.len()) && text.bytes().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err("is not a region; give one as us-east-1, or remove the key".to_owned())
    }
}

/// Checks the URL of an endpoint.
pub(crate) fn endpoint_url(text: &str) -> Result<String, String> {
    let remedy = "give a URL as http://127.0.0.1:4566, or remove the key";
    let url: http::Uri = text.parse().map_err(|_| format!("is not a URL; {remedy}"))?;
    let authority = url.authority().map_or("", http::uri::Authority::as_str);
    if !matches!(url.scheme_str(), Some("http" | "https")) {
        Err(format!("is neither http nor https; {remedy}"))
    } else if authority.contains('@') {
        Err("contains credentials; remove them: calls are signed with those of AWS".to_owned())
    } else if url.host().is_none_or(str::is_empty) || url.query().is_some() || text.contains('#') {
        Err(format!("must have a scheme, a host, and optionally a port and a path; {remedy}"))
    } else {
        Ok(text.to_owned())
    }
}

fn account_id(text: &str) -> Result<String, String> {
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err("is not an AWS account; give its 12 digits".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_plain_url() {
        for good in ["http://127.0.0.1:4566", "https://ivs.example/base", "http://[::1]:1"] {
            assert_eq!(endpoint_url(good).as_deref(), Ok(good));
        }
        for bad in ["", "localhost:4566", "ftp://a", "http://", "http://a?b=c", "http://a/#b"] {
            assert!(endpoint_url(bad).is_err(), "{bad}");
        }
        let problem = endpoint_url("http://user:hunter2@host").unwrap_err();
        assert!(problem.starts_with("contains credentials") && !problem.contains("hunter2"));
    }

    #[test]
    fn regions_and_accounts_have_their_form() {
        assert!(region("ap-southeast-2").is_ok() && account_id("012345678901").is_ok());
        assert!(region("US East").is_err() && region("").is_err());
        assert!(account_id("1234").is_err() && account_id("12345678901x").is_err());
    }
}
