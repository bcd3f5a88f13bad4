//! The AWS profiles: what the SDK does not check, or reads differently from the documentation.

use aws_config::profile::ProfileSet;
use aws_runtime::env_config::property::PropertiesKey;

use super::environment::{Environment, check_bool};
use crate::config;

/// Keys of a profile for credentials that the gateway does not support, because they need a person
/// to sign in.
const SIGN_IN_KEYS: [&str; 3] = ["login_session", "sso_session", "sso_start_url"];

/// Keys of a profile that are true or false.
const BOOL_KEYS: [&str; 3] =
    ["ignore_configured_endpoint_urls", "use_dualstack_endpoint", "use_fips_endpoint"];

/// Returns the endpoint of the profile's `services` section, unless a variable takes precedence.
/// The SDK looks for `ivs-realtime`, and AWS documents `ivs_realtime`.
pub(super) fn service_url(profiles: &ProfileSet, environment: &Environment) -> Option<String> {
    let is_ignored = environment
        .get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
        .or_else(|| profiles.get("ignore_configured_endpoint_urls"))
        .is_some_and(|it| it.eq_ignore_ascii_case("true"));
    let variables = ["AWS_ENDPOINT_URL_IVS_REALTIME", "AWS_ENDPOINT_URL"];
    if is_ignored || variables.iter().any(|name| environment.get(name).is_some()) {
        return None;
    }
    services(profiles).find_map(|key| Some(profiles.other_sections().get(&key)?.to_owned()))
}

/// Returns the keys of the endpoint in the profile's `services` section.
fn services(profiles: &ProfileSet) -> impl Iterator<Item = PropertiesKey> {
    let section = profiles.get("services");
    let key = move |service: &str| {
        PropertiesKey::builder()
            .section_key("services")
            .section_name(section?)
            .property_name(service)
            .sub_property_name("endpoint_url")
            .build()
            .ok()
    };
    ["ivs_realtime", "ivs-realtime"].into_iter().filter_map(key)
}

/// Returns the problems of the selected profile.
pub(super) fn problems(profiles: &ProfileSet, environment: &Environment) -> Vec<String> {
    let name = profiles.selected_profile();
    let mut problems = Vec::new();
    if let Some(name) = environment.get("AWS_PROFILE").filter(|name| *name != "default")
        && profiles.get_profile(name).is_none()
    {
        problems.push(format!(
            "AWS_PROFILE: there is no profile {name} in the AWS files; correct or unset it"
        ));
    }
    let mut check = |key: &str, checked: &dyn Fn(&str) -> Result<(), String>| {
        if let Some(value) = profiles.get(key)
            && let Err(problem) = checked(value)
        {
            problems.push(format!("AWS profile {name}: {key}: {problem}"));
        }
    };
    for key in BOOL_KEYS {
        check(key, &check_bool);
    }
    check("region", &|value| config::region(value).map(drop));
    check("endpoint_url", &|value| config::endpoint_url(value).map(drop));
    let has_keys = environment.get("AWS_ACCESS_KEY_ID").is_some();
    for key in SIGN_IN_KEYS.into_iter().filter(|_| !has_keys) {
        check(key, &|_| {
            Err("sign-in sessions are not supported, because they end; use a role or credential_process".to_owned())
        });
    }
    for key in services(profiles) {
        if let Some(url) = profiles.other_sections().get(&key)
            && let Err(problem) = config::endpoint_url(url)
        {
            problems.push(format!("AWS profile {name}: endpoint_url of its services: {problem}"));
        }
    }
    problems
}

pub(super) fn key_of(profiles: &ProfileSet, key: &str) -> String {
    format!("AWS profile {}: {key}", profiles.selected_profile())
}
