//! Builds clients, with the settings with which the SDK sends a call at most once.

use std::{ffi::OsString, time::Duration};

use aws_sdk_ivsrealtime::config::{
    Builder, IdentityCache, SharedCredentialsProvider, SharedHttpClient,
    StalledStreamProtectionConfig, retry::RetryConfig, timeout::TimeoutConfig,
};
use tokio_util::sync::CancellationToken;

use super::{
    AwsMetrics, Ivs, access::Suspicion, credentials::LoadedCredentials, http::AwsHttpClient,
    settings::AwsSettings, signing_clock::SigningClock,
};
use crate::{clock::Clock, config::Upstream};

/// The settings that all clients share: endpoint, region and credentials.
#[derive(Debug, Clone)]
pub struct Sdk {
    settings: AwsSettings,
    credentials: Source,
    credentials_timeout: Duration,
    suspicion: Suspicion,
    timeouts: TimeoutConfig,
    http_client: Option<SharedHttpClient>,
}

/// The source of credentials.
#[derive(Debug, Clone)]
enum Source {
    /// The AWS conventions.
    Loaded(LoadedCredentials),
    /// Those of an upstream that is not AWS.
    Given(SharedCredentialsProvider),
}

/// The parts of the SDK that a test or a simulator replaces.
#[derive(Debug)]
pub struct Seams {
    /// Credentials for an upstream that is not AWS. The AWS conventions do not apply to it.
    pub credentials: Option<SharedCredentialsProvider>,
    /// An HTTP client in place of one with connections of its own for each [`Ivs`].
    pub http_client: Option<SharedHttpClient>,
    /// The clock of signatures.
    pub clock: Clock,
}

/// The AWS settings have mistakes.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ConnectError(Vec<String>);

impl Sdk {
    /// Reads region, credentials and endpoint by the AWS conventions, unless `seams` has
    /// credentials.
    ///
    /// # Errors
    /// [`ConnectError`] has all mistakes.
    pub async fn load(upstream: &Upstream, seams: Seams) -> Result<Self, ConnectError> {
        let Seams { credentials, http_client, clock } = seams;
        let (clock, suspicion) = (SigningClock::new(clock), Suspicion::default());
        let (settings, credentials) = if let Some(given) = credentials {
            let settings = AwsSettings::without_conventions(upstream, clock).await;
            (settings, Source::Given(given))
        } else {
            let loaded = LoadedCredentials::new(clock.clone(), suspicion.clone());
            let settings = AwsSettings::read(upstream, std::env::vars_os(), clock).await;
            (settings, Source::Loaded(loaded))
        };
        let settings = settings.map_err(ConnectError)?;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(upstream.connect_timeout)
            .operation_attempt_timeout(upstream.attempt_timeout)
            .build();
        let credentials_timeout = upstream.credentials_timeout;
        Ok(Self { settings, credentials, credentials_timeout, suspicion, timeouts, http_client })
    }

    /// Loads the credentials until `shutdown` fires. Without this task no call has credentials.
    pub fn keep_credentials(
        &self,
        shutdown: CancellationToken,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (credentials, settings) = (self.credentials.clone(), self.settings.clone());
        let limit = self.credentials_timeout;
        async move {
            match credentials {
                Source::Loaded(loaded) => loaded.keep(settings, limit, shutdown).await,
                Source::Given(_) => shutdown.cancelled().await,
            }
        }
    }

    /// Returns a client with its own connections, which counts its calls in `metrics`.
    #[must_use]
    pub fn client(&self, metrics: AwsMetrics) -> Ivs {
        let AwsSettings { connections, clock, sdk, endpoint_url, .. } = &self.settings;
        let http_client = self.http_client.clone().unwrap_or_else(|| connections.client());
        let mut config = Builder::from(sdk)
            .http_client(AwsHttpClient::new(http_client, clock.clone()))
            .time_source(clock.clone())
            // A create must not be sent twice. The gateway decides which calls to retry.
            .retry_config(RetryConfig::disabled())
            .timeout_config(self.timeouts.clone())
            // For long transfers, which do not occur here. It costs microseconds a call.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            // It is kept for each client, and the gateway has several: see `SigningClock`.
            .disable_clock_skew_correction(true);
        config.set_endpoint_url(endpoint_url.clone());
        let (config, loaded) = match &self.credentials {
            Source::Loaded(loaded) => {
                let config = config.credentials_provider(loaded.clone());
                (config.identity_cache(IdentityCache::no_cache()), Some(loaded.clone()))
            }
            Source::Given(given) => (config.credentials_provider(given.clone()), None),
        };
        let client = aws_sdk_ivsrealtime::Client::from_conf(config.build());
        Ivs::new(client, loaded, self.suspicion.clone(), metrics)
    }

    /// Returns the URL of the calls, for the log.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.settings.url
    }

    /// Returns the region of the signatures.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.settings.region
    }
}

/// Checks the AWS settings of the environment and of the profiles.
///
/// # Errors
/// [`ConnectError`] has all mistakes.
pub async fn check_settings(
    upstream: &Upstream,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(), ConnectError> {
    let clock = SigningClock::new(Clock::system());
    AwsSettings::read(upstream, variables, clock).await.map(drop).map_err(ConnectError)
}
