//! The settings of the AWS conventions: variables and profiles. Every mistake is reported by name.

use std::{ffi::OsString, fs, io};

use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig, profile, retry::RetryConfig};
use aws_credential_types::{Credentials, provider::ProvideCredentials};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_sdk_ivsrealtime::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_types::{os_shim_internal::Fs, service_config::ServiceConfigKey};

use super::{
    connections::{self, CaBundle, Connections},
    environment::Environment,
    profiles,
    signing_clock::SigningClock,
};
use crate::config::Upstream;

/// The number of characters of an error of a source of credentials that are logged.
const LONGEST_ERROR: usize = 1000;

/// The settings for the calls to AWS.
#[derive(Debug, Clone)]
pub(super) struct AwsSettings {
    environment: Environment,
    /// Whether the files of profiles are read.
    has_profiles: bool,
    pub(super) connections: Connections,
    pub(super) clock: SigningClock,
    /// The settings without credentials.
    pub(super) sdk: SdkConfig,
    /// The endpoint in place of AWS's own.
    pub(super) endpoint_url: Option<String>,
    /// The region of the signatures.
    pub(super) region: String,
    /// The URL of the calls.
    pub(super) url: String,
}

impl AwsSettings {
    /// Reads the settings. `upstream` takes precedence.
    ///
    /// # Errors
    /// All problems.
    pub(super) async fn read(
        upstream: &Upstream,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        clock: SigningClock,
    ) -> Result<Self, Vec<String>> {
        let environment = Environment::read(variables)?;
        let files = EnvConfigFiles::default();
        let found = profile::load(&Fs::real(), &environment.for_sdk(), &files, None)
            .await
            .map_err(|error| vec![described("the AWS profiles", &error)])?;
        let mut problems = profiles::problems(&found, &environment);
        let of_variable =
            environment.get("AWS_CA_BUNDLE").map(|path| ("AWS_CA_BUNDLE".into(), path));
        let of_profile =
            || found.get("ca_bundle").map(|path| (profiles::key_of(&found, "ca_bundle"), path));
        let bundle = of_variable
            .or_else(of_profile)
            .map(|(setting, path)| CaBundle { setting, path: path.as_ref() });
        let connections = Connections::new(&environment, bundle, upstream.connect_timeout)
            .map_err(|problem| problems.push(problem));
        problems.extend(unreadable(&environment));
        let Ok(connections) = connections else { return Err(problems) };
        if !problems.is_empty() {
            return Err(problems);
        }
        let service_url = profiles::service_url(&found, &environment);
        Self::resolve(upstream, environment, service_url, true, connections, clock).await
    }

    /// Returns the settings of an upstream that is not AWS: the AWS conventions do not apply.
    ///
    /// # Errors
    /// All problems.
    pub(super) async fn without_conventions(
        upstream: &Upstream,
        clock: SigningClock,
    ) -> Result<Self, Vec<String>> {
        let environment = Environment::default();
        let connections = Connections::new(&environment, None, upstream.connect_timeout);
        let connections = connections.map_err(|problem| vec![problem])?;
        Self::resolve(upstream, environment, None, false, connections, clock).await
    }

    async fn resolve(
        upstream: &Upstream,
        environment: Environment,
        service_url: Option<String>,
        has_profiles: bool,
        connections: Connections,
        clock: SigningClock,
    ) -> Result<Self, Vec<String>> {
        let mut settings = Self {
            environment,
            has_profiles,
            connections,
            clock,
            sdk: SdkConfig::builder().build(),
            endpoint_url: None,
            region: upstream.region.clone().unwrap_or_default(),
            url: String::new(),
        };
        settings.sdk = settings.loader().no_credentials().load().await;
        let Some(region) = settings.sdk.region() else {
            return Err(vec!["upstream.region is not set, and neither the environment nor the profile has a region; set upstream.region, or AWS_REGION in the environment".to_owned()]);
        };
        settings.region = region.to_string();
        let configured_url = service_url.or_else(|| configured_url(&settings.sdk));
        settings.endpoint_url = upstream.endpoint_url.clone().or(configured_url);
        settings.url = settings.resolve_url().await.map_err(|problem| vec![problem])?;
        Ok(settings)
    }

    /// Resolves the URL by the rules of the SDK.
    async fn resolve_url(&self) -> Result<String, String> {
        let use_fips = self.sdk.use_fips().unwrap_or_default();
        let use_dual_stack = self.sdk.use_dual_stack().unwrap_or_default();
        for (is_used, variable, key) in [
            (use_fips, "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint"),
            (use_dual_stack, "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint"),
        ] {
            if is_used && self.endpoint_url.is_some() {
                let origin = if self.environment.get(variable).is_some() {
                    variable.to_owned()
                } else {
                    format!("{key} of the AWS profile")
                };
                return Err(format!(
                    "{origin}: cannot be true with an endpoint URL (upstream.endpoint_url, AWS_ENDPOINT_URL_IVS_REALTIME, AWS_ENDPOINT_URL or endpoint_url of the profile); remove one of them"
                ));
            }
        }
        let params = Params::builder()
            .region(self.region.clone())
            .use_fips(use_fips)
            .use_dual_stack(use_dual_stack)
            .set_endpoint(self.endpoint_url.clone())
            .build()
            .map_err(|error| described("the endpoint", &error))?;
        let endpoint = DefaultResolver::new().resolve_endpoint(&params).await;
        let endpoint = endpoint.map_err(|error| described("the endpoint", &*error))?;
        Ok(endpoint.url().to_owned())
    }

    /// Loads the credentials. Reads the sources again, because they may have been replaced.
    pub(super) async fn load_credentials(&self) -> Result<Credentials, String> {
        let sdk = self.loader().load().await;
        let Some(provider) = sdk.credentials_provider() else {
            return Err("there is no source of credentials".to_owned());
        };
        let credentials = provider.provide_credentials().await;
        // The output of a process for errors may contain secrets.
        credentials.map_err(|error| match chained(&error).split_once("Stderr:") {
            Some((text, _)) => format!("{text}its output is not logged"),
            None => chained(&error).chars().take(LONGEST_ERROR).collect(),
        })
    }

    fn loader(&self) -> ConfigLoader {
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .env(self.environment.for_sdk())
            .http_client(self.connections.client())
            .time_source(self.clock.clone())
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            // For the load of credentials. The calls of the gateway are never retried by the SDK.
            .retry_config(RetryConfig::standard());
        if !self.has_profiles {
            loader = loader.profile_files(
                EnvConfigFiles::builder().with_contents(EnvConfigFileKind::Config, "").build(),
            );
        }
        if !self.region.is_empty() {
            loader = loader.region(Region::new(self.region.clone()));
        }
        loader
    }
}

/// Returns the problems of files that the SDK or the TLS library would silently not use.
fn unreadable(environment: &Environment) -> Vec<String> {
    let mut problems = Vec::new();
    for variable in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] {
        // A file of profiles may be absent.
        if let Some(path) = environment.get(variable)
            && let Err(error) = fs::read_to_string(path)
            && error.kind() != io::ErrorKind::NotFound
        {
            problems.push(format!("{variable}: {path} cannot be read: {error}"));
        }
    }
    if let Some(paths) = environment.get("SSL_CERT_DIR")
        && let Err(error) = paths.split(':').try_for_each(|path| fs::read_dir(path).map(drop))
    {
        problems.push(format!("SSL_CERT_DIR: {paths} cannot be read: {error}"));
    }
    if let Some(path) = environment.get("SSL_CERT_FILE")
        && let Err(problem) = connections::certificates(path.as_ref())
    {
        problems.push(format!("SSL_CERT_FILE: {problem}"));
    }
    problems
}

/// Returns the endpoint of the environment or of the profile.
fn configured_url(sdk: &SdkConfig) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id("IVS RealTime")
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build();
    let of_service = sdk.service_config().zip(key.ok()).and_then(|(it, key)| it.load_config(key));
    of_service.or_else(|| sdk.endpoint_url().map(str::to_owned)).filter(|url| !url.is_empty())
}

fn described(subject: &str, error: &(dyn std::error::Error + 'static)) -> String {
    format!("{subject}: {}", chained(error))
}

/// Returns an error and its causes.
fn chained(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
