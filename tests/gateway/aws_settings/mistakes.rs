//! Mistakes in the environment and in profiles, and settings that are ignored.

use super::NO_KEYS;
use crate::support::{Aws, Finished, UNSET, World};

const FIPS: (&str, &str) = ("AWS_USE_FIPS_ENDPOINT", "true");

fn assert_names(finished: &Finished, name: &str, case: &str) {
    assert_eq!(finished.code, Some(1), "{case}: {finished:?}");
    let errors: Vec<_> = finished.stderr.lines().filter(|line| !line.starts_with('{')).collect();
    let error = errors.join("\n");
    assert!(error.starts_with(&format!("error: {name}")), "{case}: {error}");
    assert!(!error.contains("hunter2"), "{case}: {error}");
}

/// `check-config` and `serve` report the same.
#[tokio::test]
async fn a_mistake_ends_the_start_and_names_its_setting() {
    let of_aws = &["upstream.endpoint_url", "upstream.calls_per_second"][..];
    let services =
        "[default]\nservices = x\n[services x]\nivs_realtime =\n  endpoint_url = hunter2\n";
    for (name, profile, lines, variables) in [
        ("AWS_ACCESS_KEY_ID: U+000A", "", &[][..], vec![("AWS_ACCESS_KEY_ID", "hunter2\nhunter2")]),
        ("AWS_SECRET_ACCESS_KEY: ", "", &[], vec![("AWS_SECRET_ACCESS_KEY", "hunter2 hunter2")]),
        ("AWS_ACCESS_KEY_ID: is set without", "", &[], vec![("AWS_SECRET_ACCESS_KEY", UNSET)]),
        ("AWS_ENDPOINT_URL: ", "", of_aws, vec![("AWS_ENDPOINT_URL", "hunter2")]),
        ("AWS_USE_FIPS_ENDPOINT: cannot be true with", "", &[], vec![FIPS]),
        ("use_fips_endpoint of the AWS", "[default]\nuse_fips_endpoint = true\n", &[], vec![]),
        ("AWS_USE_DUALSTACK_ENDPOINT: ", "", &[], vec![("AWS_USE_DUALSTACK_ENDPOINT", "yes")]),
        ("AWS profile default: use_fips", "[default]\nuse_fips_endpoint = yes\n", &[], vec![]),
        ("AWS_PROFILE: there is no profile", "", &[], vec![("AWS_PROFILE", "absent")]),
        (
            "AWS profile default: sso_session",
            "[default]\nsso_session = corp\n",
            &[],
            NO_KEYS.to_vec(),
        ),
        ("HTTPS_PROXY: is not the URL", "", &[], vec![("HTTPS_PROXY", "hunter2:3128")]),
        ("AWS_CA_BUNDLE: ", "", &[], vec![("AWS_CA_BUNDLE", "/no/such/file")]),
        ("SSL_CERT_FILE: is empty", "", &[], vec![("SSL_CERT_FILE", "")]),
        ("SSL_CERT_DIR: ", "", &[], vec![("SSL_CERT_DIR", "/no/such/folder")]),
        ("AWS_CONFIG_FILE: ", "", &[], vec![("AWS_CONFIG_FILE", "/")]),
        ("SSL_CERT_FILE: ", "", &[], vec![("SSL_CERT_FILE", "/no/such/file")]),
        ("AWS profile default: endpoint_url of its services: ", services, of_aws, vec![]),
        ("AWS_REGION: ", "", &["upstream.region"], vec![("AWS_REGION", "US East")]),
    ] {
        let world = World::new();
        let file = world.profile(profile);
        let variables = [&[("AWS_CONFIG_FILE", &*file)], &variables[..]].concat();
        let config = world.configure(lines);
        for command in ["check-config", "serve"] {
            let arguments = [command, "--config", config.to_str().unwrap()];
            let finished = world.run(&arguments, &variables).await;
            assert_names(&finished, name, &format!("{command} {variables:?}"));
        }
    }
}

#[tokio::test]
async fn settings_without_effect_do_no_harm() {
    let (world, aws) = (World::new(), Aws::start().await);
    let variables = [
        ("AWS_ACCESS_KEY_ID", "emulator\n"),
        ("AWS_SECRET_ACCESS_KEY", "secret\r\n"),
        ("AWS_SESSION_TOKEN", " "),
        ("AWS_ENDPOINT_URL_IVS_REALTIME", ""),
        ("AWS_RETRY_MODE", "legacy"),
        ("AWS_MAX_ATTEMPTS", "0"),
        ("AWS_PROFILE", "default"),
        ("AWS_DEFAULTS_MODE", "none"),
        ("AWS_REQUEST_CHECKSUM_CALCULATION", "never"),
        ("AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES", "-1"),
        ("AWS_RESPONSE_CHECKSUM_VALIDATION", "never"),
        ("AWS_SDK_UA_APP_ID", "not/a/valid id"),
        ("AWS_ACCOUNT_ID_ENDPOINT_MODE", "never"),
        ("AWS_AUTH_SCHEME_PREFERENCE", "none"),
    ];
    let file =
        world.profile("[default]\nretry_mode = legacy\nmax_attempts = 0\nsdk_ua_app_id = a b\n");
    let variables = [&[("AWS_CONFIG_FILE", &*file)], &variables[..]].concat();
    let gateway = world.before(&aws, &variables).await;
    gateway.caller("acme").create_one().await.unwrap();
    assert_eq!(aws.creates()[0].key_id(), "emulator");
    let removed = gateway.log("removed the white space around the value of a variable").await;
    assert!(removed["variable"].as_str().unwrap().starts_with("AWS_"), "{removed}");
}

#[tokio::test]
async fn dev_ignores_the_settings_of_aws() {
    let world = World::new();
    let file = world.profile("[default]\nretry_mode = legacy\nuse_fips_endpoint = maybe\n");
    let variables = [
        ("AWS_CONFIG_FILE", &*file),
        ("AWS_PROFILE", "absent"),
        ("AWS_ACCESS_KEY_ID", "a\nb"),
        ("AWS_ENDPOINT_URL", "not a URL"),
        ("AWS_RETRY_MODE", "legacy"),
        ("AWS_MAX_ATTEMPTS", "0"),
        ("AWS_REGION", "US East"),
        ("HTTP_PROXY", "http://127.0.0.1:1"),
        FIPS,
    ];
    world.dev_in(&variables).await.caller("acme").create_one().await.unwrap();
}
