//! The connections to AWS: proxies, and the roots of certificates.

use std::{fmt, fs, io, net::IpAddr, path::Path, time::Duration};

use aws_smithy_http_client::{
    Builder, Connector,
    proxy::ProxyConfig,
    tls::{self, TlsContext, TrustStore},
};
use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
        SharedHttpConnector,
    },
    orchestrator::HttpRequest,
    runtime_components::RuntimeComponents,
};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use super::environment::Environment;

/// The settings of connections.
#[derive(Clone)]
pub(super) struct Connections {
    /// The certificates of authorities; `None` for those of the system.
    roots: Option<TlsContext>,
    https_proxy: ProxyConfig,
    http_proxy: ProxyConfig,
    connect_timeout: Duration,
}

/// Without the proxies, whose URLs may have passwords.
impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("roots", &self.roots).finish_non_exhaustive()
    }
}

/// A file of certificates of authorities.
#[derive(Debug)]
pub(super) struct CaBundle<'a> {
    /// The name of the setting, for errors.
    pub(super) setting: String,
    pub(super) path: &'a Path,
}

impl CaBundle<'_> {
    fn roots(self) -> Result<TlsContext, String> {
        roots(self.path).map_err(|problem| format!("{}: {problem}", self.setting))
    }
}

impl Connections {
    /// Returns the settings of the environment. `bundle` replaces the roots of the system.
    ///
    /// # Errors
    /// A proxy or the file that cannot be used.
    pub(super) fn new(
        environment: &Environment,
        bundle: Option<CaBundle<'_>>,
        connect_timeout: Duration,
    ) -> Result<Self, String> {
        let proxy = |is_https: bool| {
            let Some(url) = environment.proxy(is_https) else { return Ok(ProxyConfig::disabled()) };
            let proxy = if is_https { ProxyConfig::https(url) } else { ProxyConfig::http(url) };
            let proxy = proxy.map_err(|error| format!("the proxy cannot be used: {error}"))?;
            Ok::<_, String>(match environment.no_proxy() {
                Some(rules) => proxy.no_proxy(rules),
                None => proxy,
            })
        };
        Ok(Self {
            roots: bundle.map(CaBundle::roots).transpose()?,
            https_proxy: proxy(true)?,
            http_proxy: proxy(false)?,
            connect_timeout,
        })
    }

    /// Returns an HTTP client with connections of its own, which belong to the runtime that first
    /// uses it.
    pub(super) fn client(&self) -> SharedHttpClient {
        let proxies = [&self.https_proxy, &self.http_proxy, &ProxyConfig::disabled()];
        let [https, http, local] = proxies.map(|proxy| self.with(proxy));
        SharedHttpClient::new(ByTarget { https, http, local })
    }

    fn with(&self, proxy: &ProxyConfig) -> SharedHttpClient {
        let (proxy, roots) = (proxy.clone(), self.roots.clone());
        let connect_timeout = self.connect_timeout;
        Builder::new().build_with_connector_fn(move |settings, components| {
            let mut timeouts = HttpConnectorSettings::builder().connect_timeout(
                settings
                    .and_then(HttpConnectorSettings::connect_timeout)
                    .unwrap_or(connect_timeout),
            );
            timeouts.set_read_timeout(settings.and_then(HttpConnectorSettings::read_timeout));
            let mut connector = Connector::builder().connector_settings(timeouts.build());
            connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
            let connector = connector
                .proxy_config(proxy.clone())
                .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc));
            match &roots {
                Some(roots) => connector.tls_context(roots.clone()).build(),
                None => connector.build(),
            }
        })
    }
}

/// Returns the roots of a file. The SDK would panic at an invalid one.
fn roots(path: &Path) -> Result<TlsContext, String> {
    let mut checked = RootCertStore::empty();
    for certificate in certificates(path)? {
        checked
            .add(certificate)
            .map_err(|error| format!("{} has an invalid certificate: {error}", path.display()))?;
    }
    let pem = fs::read(path).map_err(|error| unreadable(path, &error))?;
    let roots = TrustStore::empty().with_pem_certificate(pem);
    let context = TlsContext::builder().with_trust_store(roots).build();
    context.map_err(|error| format!("{} cannot be used: {error}", path.display()))
}

/// Reads certificates, at least one.
///
/// # Errors
/// The problem of the file.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = fs::read(path).map_err(|error| unreadable(path, &error))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(format!("{} has no certificates; give a PEM file", path.display())),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    format!("{} cannot be read: {error}", path.display())
}

/// The addresses of the services of a machine or a container that have credentials.
const LOCAL_SERVICES: [&str; 5] =
    ["169.254.169.254", "169.254.170.2", "169.254.170.23", "[fd00:ec2::254]", "[fd00:ec2::23]"];

/// Whether a host is this machine, or a local service. No proxy can reach it.
fn is_local(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let is_loopback = address.is_ok_and(|address| address.is_loopback());
    is_loopback || host == "localhost" || LOCAL_SERVICES.contains(&host)
}

/// Uses the proxy for the scheme of each request, and none for a local host.
#[derive(Debug)]
struct ByTarget<T> {
    https: T,
    http: T,
    local: T,
}

impl<T> ByTarget<T> {
    fn of(&self, url: &str) -> &T {
        let url: http::Uri = url.parse().unwrap_or_default();
        if url.host().is_some_and(is_local) {
            &self.local
        } else if url.scheme() == Some(&http::uri::Scheme::HTTPS) {
            &self.https
        } else {
            &self.http
        }
    }
}

impl HttpClient for ByTarget<SharedHttpClient> {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let connector = |client: &SharedHttpClient| client.http_connector(settings, components);
        SharedHttpConnector::new(ByTarget {
            https: connector(&self.https),
            http: connector(&self.http),
            local: connector(&self.local),
        })
    }
}

impl HttpConnector for ByTarget<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.of(request.uri()).call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_depends_on_the_target() {
        let targets = ByTarget { https: "https", http: "http", local: "local" };
        for (url, expected) in [
            ("https://ivsrealtime.us-east-1.amazonaws.com/GetStage", "https"),
            ("http://emulator.example:4566/GetStage", "http"),
            ("http://127.0.0.1:4566/GetStage", "local"),
            ("http://[::1]:4566/GetStage", "local"),
            ("https://localhost:4566/GetStage", "local"),
            ("http://169.254.169.254/latest/api/token", "local"),
            ("http://[fd00:ec2::254]/latest/api/token", "local"),
            ("http://169.254.170.2/credentials", "local"),
        ] {
            assert_eq!(*targets.of(url), expected, "{url}");
        }
    }
}
