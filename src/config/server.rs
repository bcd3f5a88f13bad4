//! Section `[server]`: the listeners and what they admit.

use std::{
    fs,
    net::SocketAddr,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use super::section::Section;
use crate::server::Limits;

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(LOOPBACK, 50051);
const DEFAULT_ADMIN_LISTEN: SocketAddr = SocketAddr::new(LOOPBACK, 9090);
const LOOPBACK: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// The gRPC listener, the admin listener, and their limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// Where the gRPC API is served. Default 127.0.0.1:50051.
    pub listen: SocketAddr,
    /// Where `/metrics`, `/livez` and `/readyz` are served, never the gRPC API.
    /// Default 127.0.0.1:9090; `None` for `admin_listen = "off"`.
    pub admin_listen: Option<SocketAddr>,
    /// `plaintext = "allow"`: plain text is served beyond the loopback. Default
    /// `"loopback"`. Without effect where `tls` is there.
    pub plaintext: bool,
    /// TLS on `listen`. Absent: plain text.
    pub tls: Option<Tls>,
    /// The limits of the transport of `listen`.
    pub limits: Limits,
    /// Calls that run at once, of all connections; more are answered UNAVAILABLE.
    /// Default 1024.
    pub max_concurrent_requests: usize,
    /// Bytes of one request message. Default 65536: the largest valid request,
    /// with 50 tags, has some 20 KiB.
    pub max_message_bytes: usize,
    /// The deadline of a call whose caller sends no `grpc-timeout`. Default 30 s.
    pub default_deadline: Duration,
    /// The longest deadline; a caller's longer one is cut to it. Default 120 s.
    pub max_deadline: Duration,
    /// Whether gRPC reflection is served, for grpcurl. Default true.
    pub reflection: bool,
}

/// PEM files, with paths below the configuration file's folder unless absolute.
/// They were readable when the configuration was read; what they hold is not
/// checked here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The server's certificate chain.
    pub cert: PathBuf,
    /// The certificate's private key.
    pub key: PathBuf,
    /// The authorities of client certificates. Present: clients must show one.
    pub client_ca: Option<PathBuf>,
}

impl Server {
    pub(super) fn read(mut section: Section<'_>, folder: &Path) -> Self {
        let tls = section.has("tls").then(|| Tls::read(section.section("tls"), folder));
        Self {
            listen: section.text("listen", address).unwrap_or(DEFAULT_LISTEN),
            admin_listen: section
                .text("admin_listen", address_or_off)
                .unwrap_or(Some(DEFAULT_ADMIN_LISTEN)),
            plaintext: section.text("plaintext", plaintext).unwrap_or(false),
            tls: tls.flatten(),
            limits: limits(&mut section),
            max_concurrent_requests: section.integer(
                "max_concurrent_requests",
                1024,
                1..=1_000_000,
            ),
            max_message_bytes: section.integer("max_message_bytes", 65_536, 1024..=4_194_304),
            default_deadline: section.milliseconds("default_deadline_ms", 30_000, 100..=600_000),
            max_deadline: section.milliseconds("max_deadline_ms", 120_000, 100..=600_000),
            reflection: section.boolean("reflection", true),
        }
    }
}

impl Tls {
    fn read(mut section: Section<'_>, folder: &Path) -> Option<Self> {
        let file = |path: &str| readable(folder.join(path));
        let cert = section.required("cert", "give the path of a PEM certificate chain", file);
        let key = section.required("key", "give the path of a PEM private key", file);
        let client_ca = section.text("client_ca", file);
        Some(Self { cert: cert?, key: key?, client_ca })
    }
}

/// Reads the limits of the transport. Their defaults are those of [`Limits::default`].
fn limits(section: &mut Section<'_>) -> Limits {
    let default = Limits::default();
    let workers = section.integer("workers", default.workers.get(), 1..=1024);
    // 0 disables the limit.
    let age = default.max_connection_age.unwrap_or_default();
    let age = section.duration("max_connection_age_ms", age, 0..=86_400_000);
    Limits {
        workers: NonZeroUsize::new(workers).unwrap_or(default.workers),
        max_connections: section.integer("max_connections", default.max_connections, 1..=1_000_000),
        max_concurrent_streams: section.integer(
            "max_concurrent_streams",
            default.max_concurrent_streams,
            1..=65_536,
        ),
        max_metadata_bytes: section.integer(
            "max_metadata_bytes",
            default.max_metadata_bytes,
            1024..=1_048_576,
        ),
        handshake_timeout: section.duration(
            "handshake_timeout_ms",
            default.handshake_timeout,
            100..=60_000,
        ),
        max_connection_age: (!age.is_zero()).then_some(age),
        drain_timeout: section.duration("drain_timeout_ms", default.drain_timeout, 0..=600_000),
        ..default
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "is not an address; give IP:PORT, as in 127.0.0.1:50051".to_owned())
}

fn address_or_off(text: &str) -> Result<Option<SocketAddr>, String> {
    if text == "off" {
        return Ok(None);
    }
    text.parse()
        .map(Some)
        .map_err(|_| "is not an address; give IP:PORT, as in 127.0.0.1:9090, or off".to_owned())
}

fn plaintext(text: &str) -> Result<bool, String> {
    match text {
        "allow" => Ok(true),
        "loopback" => Ok(false),
        _ => Err("is not known; give allow or loopback".to_owned()),
    }
}

fn readable(path: PathBuf) -> Result<PathBuf, String> {
    let hint = "a relative path begins at the configuration file's folder";
    // Only a file is opened: to open a pipe would be to wait for its writer.
    match fs::metadata(&path) {
        Ok(metadata) if !metadata.is_file() => Err(format!("is not a file; {hint}")),
        Ok(_) => match fs::File::open(&path) {
            Ok(_) => Ok(path),
            Err(error) => Err(format!("cannot be read ({}); {hint}", error.kind())),
        },
        Err(error) => Err(format!("cannot be read ({}); {hint}", error.kind())),
    }
}
