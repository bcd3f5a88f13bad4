//! Builds clients: region, credentials and endpoint by the AWS conventions, and the settings
//! with which the SDK sends a call at most once.

use std::time::SystemTime;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ivsrealtime::config::{
    Builder, SharedCredentialsProvider, SharedHttpClient, StalledStreamProtectionConfig,
    retry::RetryConfig, timeout::TimeoutConfig,
};
use aws_smithy_async::{
    rt::sleep::{SharedAsyncSleep, TokioSleep},
    time::TimeSource,
};
use aws_smithy_http_client::tls;

use super::{AwsMetrics, Ivs};
use crate::{clock::Clock, config::Upstream};

/// The environment variable that sets the endpoint of this service.
const ENDPOINT_VARIABLE: &str = "AWS_ENDPOINT_URL_IVS_REALTIME";

/// The settings that all clients share: endpoint, region and credentials.
#[derive(Debug, Clone)]
pub struct Sdk {
    shared: SdkConfig,
    endpoint_url: Option<String>,
    timeouts: TimeoutConfig,
    http_client: Option<SharedHttpClient>,
}

/// The parts of the SDK that a test or a simulator replaces.
#[derive(Debug)]
pub struct Seams {
    /// Credentials in place of those of the AWS conventions, for an upstream that is not AWS.
    pub credentials: Option<SharedCredentialsProvider>,
    /// An HTTP client in place of one with connections of its own for each [`Ivs`].
    pub http_client: Option<SharedHttpClient>,
    /// The clock of signatures.
    pub clock: Clock,
}

/// Adapts the wall clock to the SDK.
#[derive(Debug)]
struct WallClock(Clock);

impl TimeSource for WallClock {
    fn now(&self) -> SystemTime {
        self.0.wall()
    }
}

/// A client cannot be built from the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No region is known.
    #[error(
        "upstream.region is not set, and neither the environment nor the profile has a region; set upstream.region, or AWS_REGION in the environment"
    )]
    NoRegion,
}

impl Sdk {
    /// Reads region and credentials by the AWS conventions, except for what `seams` sets.
    ///
    /// # Errors
    /// [`ConnectError`] if no region is known.
    pub async fn load(upstream: &Upstream, seams: Seams) -> Result<Self, ConnectError> {
        let Seams { credentials, http_client, clock } = seams;
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .time_source(WallClock(clock))
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()));
        if let Some(region) = &upstream.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(credentials) = credentials {
            loader = loader.credentials_provider(credentials);
        }
        let shared = loader.load().await;
        if shared.region().is_none() {
            return Err(ConnectError::NoRegion);
        }
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(upstream.connect_timeout)
            .operation_attempt_timeout(upstream.attempt_timeout)
            .build();
        let endpoint_url = upstream.endpoint_url.clone();
        Ok(Self { shared, endpoint_url, timeouts, http_client })
    }

    /// Returns a client with its own connections, which counts its calls in `metrics`.
    #[must_use]
    pub fn client(&self, metrics: AwsMetrics) -> Ivs {
        let http_client = self.http_client.clone().unwrap_or_else(|| {
            aws_smithy_http_client::Builder::new()
                .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
                .build_https()
        });
        let mut config = Builder::from(&self.shared)
            .http_client(http_client)
            // A create must not be sent twice. The gateway decides which calls to retry.
            .retry_config(RetryConfig::disabled())
            .timeout_config(self.timeouts.clone())
            // Both are for long transfers and retries, which do not occur here. Each costs
            // microseconds a call.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .disable_clock_skew_correction(true);
        if let Some(url) = &self.endpoint_url {
            config = config.endpoint_url(url);
        }
        Ivs::new(aws_sdk_ivsrealtime::Client::from_conf(config.build()), metrics)
    }

    /// Returns the endpoint, for the log.
    #[must_use]
    pub fn endpoint(&self) -> String {
        let region = self.shared.region().map_or("", Region::as_ref);
        self.endpoint_url
            .clone()
            .or_else(|| std::env::var(ENDPOINT_VARIABLE).ok())
            .or_else(|| self.shared.endpoint_url().map(str::to_owned))
            .unwrap_or_else(|| format!("https://ivsrealtime.{region}.amazonaws.com"))
    }

    /// Returns the region of the signatures.
    #[must_use]
    pub fn region(&self) -> &str {
        self.shared.region().map_or("", Region::as_ref)
    }
}
