//! The AWS variables of the environment.
//!
//! The SDK uses each value as it is: it panics at a line break in a key, and treats an empty URL as
//! a URL. So white space around a value is removed, an empty value counts as unset, and every other
//! mistake is a problem that names the variable. No problem quotes a value, which may be a secret.

use std::{collections::HashMap, ffi::OsString, fmt};

use crate::config;

/// Variables that the gateway ignores: it decides itself which calls it retries.
const IGNORED: [&str; 2] = ["AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE"];

/// The proxies, in the order of their precedence. The lower-case name comes before the other one,
/// as in curl.
const HTTPS_PROXIES: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
const HTTP_PROXIES: [&str; 4] = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];
const NO_PROXIES: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// Variables that the TLS library reads itself, as they are.
const UNTOUCHED: [&str; 2] = ["SSL_CERT_DIR", "SSL_CERT_FILE"];

/// The variables of the process, without mistakes.
#[derive(Clone, Default)]
pub(super) struct Environment(HashMap<String, String>);

/// Without the values, some of which are secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Environment {
    /// Reads the variables.
    ///
    /// # Errors
    /// All problems, each with the name of its variable.
    pub(super) fn read(
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, Vec<String>> {
        let mut read = Self::default();
        let mut problems = Vec::new();
        for (name, value) in variables {
            let Ok(name) = name.into_string() else { continue };
            if IGNORED.contains(&name.as_str()) {
                continue;
            }
            let Ok(value) = value.into_string() else {
                if is_checked(&name) {
                    problems.push(format!("{name}: is not UTF-8; correct or unset it"));
                }
                continue;
            };
            if !is_checked(&name) {
                read.0.insert(name, value);
                continue;
            }
            let trimmed = value.trim();
            if UNTOUCHED.contains(&name.as_str())
                && (trimmed.is_empty() || trimmed.len() != value.len())
            {
                problems.push(format!(
                    "{name}: is empty or has white space around it; correct or unset it"
                ));
                continue;
            }
            if trimmed.len() != value.len() {
                tracing::warn!(
                    variable = name,
                    "removed the white space around the value of a variable"
                );
            }
            if trimmed.is_empty() {
                continue;
            }
            match check(&name, trimmed) {
                Ok(()) => drop(read.0.insert(name, trimmed.to_owned())),
                Err(problem) => problems.push(format!("{name}: {problem}")),
            }
        }
        for (one, other) in [
            ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
            ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
            ("AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"),
        ] {
            let names_it = |problem: &String| problem.starts_with(other);
            if read.get(one).is_some()
                && read.get(other).is_none()
                && !problems.iter().any(names_it)
            {
                problems.push(format!("{one}: is set without {other}; set both or neither"));
            }
        }
        problems.sort();
        if problems.is_empty() { Ok(read) } else { Err(problems) }
    }

    /// Returns the value of a variable.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Returns the variables in the form of the SDK.
    pub(super) fn for_sdk(&self) -> aws_types::os_shim_internal::Env {
        self.0.clone().into()
    }

    /// Returns the proxy for URLs of the scheme `https`, or `http`.
    pub(super) fn proxy(&self, is_https: bool) -> Option<&str> {
        let names = if is_https { HTTPS_PROXIES } else { HTTP_PROXIES };
        names.into_iter().find_map(|name| self.get(name))
    }

    /// Returns the hosts without a proxy, in the form of the SDK: it knows neither `*.` before a
    /// domain, nor ports, nor spaces.
    pub(super) fn no_proxy(&self) -> Option<String> {
        let hosts = NO_PROXIES.into_iter().find_map(|name| self.get(name))?;
        let hosts = hosts.split([',', ' ']).filter(|host| !host.is_empty()).map(|host| {
            let host = host.strip_prefix('*').filter(|rest| !rest.is_empty()).unwrap_or(host);
            match host.rsplit_once(':') {
                Some((name, port)) if !name.contains(':') && port.parse::<u16>().is_ok() => name,
                _ => host,
            }
        });
        Some(hosts.collect::<Vec<_>>().join(","))
    }
}

fn is_proxy(name: &str) -> bool {
    HTTPS_PROXIES.contains(&name) || HTTP_PROXIES.contains(&name)
}

fn is_checked(name: &str) -> bool {
    name.starts_with("AWS_")
        || is_proxy(name)
        || NO_PROXIES.contains(&name)
        || UNTOUCHED.contains(&name)
}

/// Checks a value without white space around it.
fn check(name: &str, value: &str) -> Result<(), String> {
    if let Some((position, found)) = (1..).zip(value.chars()).find(|(_, it)| it.is_control()) {
        return Err(format!(
            "U+{:04X} at position {position} is not allowed; remove it",
            u32::from(found)
        ));
    }
    match name {
        "AWS_REGION" | "AWS_DEFAULT_REGION" => config::region(value).map(drop),
        "AWS_ENDPOINT_URL" | "AWS_ENDPOINT_URL_IVS_REALTIME" | "AWS_ENDPOINT_URL_STS" => {
            config::endpoint_url(value).map(drop)
        }
        "AWS_USE_FIPS_ENDPOINT"
        | "AWS_USE_DUALSTACK_ENDPOINT"
        | "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"
        | "AWS_EC2_METADATA_DISABLED" => check_bool(value),
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" | "AWS_SESSION_TOKEN" => {
            if value.bytes().all(|byte| byte.is_ascii_graphic()) {
                Ok(())
            } else {
                Err("has white space or characters outside of ASCII; correct it".to_owned())
            }
        }
        _ if is_proxy(name) => check_proxy(value),
        _ => Ok(()),
    }
}

/// Checks `true` or `false`, in any letter case.
pub(super) fn check_bool(value: &str) -> Result<(), String> {
    if value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false") {
        Ok(())
    } else {
        Err("is neither true nor false; correct or unset it".to_owned())
    }
}

fn check_proxy(value: &str) -> Result<(), String> {
    let url: Option<http::Uri> = value.parse().ok();
    match url.as_ref().map(|url| (url.scheme_str(), url.host())) {
        Some((Some("http" | "https"), Some(host))) if !host.is_empty() => Ok(()),
        _ => Err("is not the URL of a proxy; give one as http://proxy.example:3128".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Environment, Vec<String>> {
        Environment::read(variables.iter().map(|(name, value)| (name.into(), value.into())))
    }

    #[test]
    fn white_space_is_removed_and_an_empty_value_counts_as_unset() {
        let environment = read(&[
            ("AWS_ACCESS_KEY_ID", "AKID\n"),
            ("AWS_SECRET_ACCESS_KEY", " secret\r\n"),
            ("AWS_SESSION_TOKEN", ""),
            ("AWS_ENDPOINT_URL_IVS_REALTIME", ""),
            ("AWS_PROFILE", " "),
            ("AWS_RETRY_MODE", "legacy"),
            ("AWS_MAX_ATTEMPTS", "0"),
            ("HOME", " /home/a "),
        ]);
        let environment = environment.unwrap();
        assert_eq!(environment.get("AWS_ACCESS_KEY_ID"), Some("AKID"));
        assert_eq!(environment.get("AWS_SECRET_ACCESS_KEY"), Some("secret"));
        assert_eq!(environment.get("HOME"), Some(" /home/a "));
        for unset in ["AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_IVS_REALTIME", "AWS_PROFILE"] {
            assert_eq!(environment.get(unset), None);
        }
        for ignored in IGNORED {
            assert_eq!(environment.get(ignored), None);
        }
    }

    #[test]
    fn every_mistake_names_its_variable_and_no_value() {
        for (name, value) in [
            ("AWS_ENDPOINT_URL_IVS_REALTIME", "secret"),
            ("AWS_ENDPOINT_URL", "ftp://secret"),
            ("AWS_REGION", "Secret East"),
            ("AWS_USE_FIPS_ENDPOINT", "secret"),
            ("AWS_USE_DUALSTACK_ENDPOINT", "1secret"),
            ("AWS_SESSION_TOKEN", "secret secret"),
            ("AWS_CONFIG_FILE", "secret\u{0}secret"),
            ("HTTPS_PROXY", "secret:3128"),
            ("http_proxy", "socks5://secret"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "/secret"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("SSL_CERT_FILE", ""),
            ("SSL_CERT_DIR", "/secret\n"),
        ] {
            let problems = read(&[(name, value)]).unwrap_err();
            assert!(problems[0].starts_with(&format!("{name}: ")), "{problems:?}");
            assert!(
                !problems[0].to_lowercase().contains("secret") || name.contains("SECRET"),
                "{problems:?}"
            );
        }
        let both = [("AWS_ACCESS_KEY_ID", "a\nb"), ("AWS_SECRET_ACCESS_KEY", "s")];
        assert_eq!(
            read(&both).unwrap_err(),
            ["AWS_ACCESS_KEY_ID: U+000A at position 2 is not allowed; remove it"]
        );
    }

    #[test]
    fn debug_output_has_no_values() {
        let environment = read(&[("HTTPS_PROXY", "http://gateway:hunter2@proxy.example")]);
        assert_eq!(format!("{:?}", environment.unwrap()), "{\"HTTPS_PROXY\"}");
    }

    #[test]
    fn the_proxy_depends_on_the_scheme() {
        let environment = read(&[
            ("HTTPS_PROXY", "http://secure.example:1"),
            ("ALL_PROXY", "http://all.example:2"),
            ("NO_PROXY", "localhost,*.internal db.example:5432, fd00::/8,*"),
        ]);
        let environment = environment.unwrap();
        assert_eq!(environment.proxy(true), Some("http://secure.example:1"));
        assert_eq!(environment.proxy(false), Some("http://all.example:2"));
        let expected = "localhost,.internal,db.example,fd00::/8,*";
        assert_eq!(environment.no_proxy().as_deref(), Some(expected));
    }
}
