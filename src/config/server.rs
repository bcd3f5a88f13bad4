//! Section `[server]`: the listeners and their limits.

use std::{
    fmt::Display,
    fs,
    net::SocketAddr,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{reference::Key, section::Section};
use crate::server::{
    Limits,
    tls::{ServerTls, TlsError, TlsFile, TlsFiles},
};

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(LOOPBACK, 50051);
const DEFAULT_ADMIN_LISTEN: SocketAddr = SocketAddr::new(LOOPBACK, 9090);
/// The form of a path.
const FILE: &str = "path, relative to the folder of this file";
const LOOPBACK: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// The gRPC listener, the admin listener, and their limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// Address of the gRPC API. Default 127.0.0.1:50051.
    pub listen: SocketAddr,
    /// Address of `/metrics`, `/livez` and `/readyz`. Default 127.0.0.1:9090; `None` if
    /// disabled.
    pub admin_listen: Option<SocketAddr>,
    /// Whether plaintext is served beyond loopback. Default false. No effect with `tls`.
    pub plaintext: bool,
    /// TLS on `listen`. If absent, the listener serves plaintext.
    pub tls: Option<Tls>,
    /// The limits of the transport of `listen`.
    pub limits: Limits,
    /// Maximum number of concurrent calls of all connections. Default 1024.
    pub max_concurrent_requests: usize,
    /// Maximum size of a request message in bytes. Default 65536. The largest valid request, with
    /// 46 tags, has about 20 KiB in ASCII, and about 74 KiB if all letters have 4 bytes.
    pub max_message_bytes: usize,
    /// Deadline of a call without a `grpc-timeout`. Default 30 s.
    pub default_deadline: Duration,
    /// Maximum deadline. A longer one is shortened to it. Default 120 s.
    pub max_deadline: Duration,
    /// Whether gRPC reflection is served, for grpcurl. Default true.
    pub reflection: bool,
}

/// PEM files, which were valid when the configuration was read. Their paths are relative
/// to the folder of the configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Certificate chain of the server.
    pub cert: PathBuf,
    /// Private key of the certificate.
    pub key: PathBuf,
    /// Authorities of client certificates. If set, every client must present a certificate.
    pub client_ca: Option<PathBuf>,
}

impl Server {
    pub(super) fn read(mut section: Section<'_>, folder: &Path) -> Self {
        let tls =
            Key::new("tls", "TLS on the gRPC listener. If absent, the listener serves plaintext.");
        let tls = section.has("tls").then(|| Tls::read(section.section(tls), folder));
        Self {
            listen: section
                .text(
                    Key::new("listen", "The address of the gRPC API.").default(quoted(DEFAULT_LISTEN)),
                    "IP:PORT",
                    address,
                )
                .unwrap_or(DEFAULT_LISTEN),
            admin_listen: section
                .text(
                    Key::new(
                        "admin_listen",
                        "The address of `/metrics`, `/livez` and `/readyz`; `off` disables them.",
                    )
                    .default(quoted(DEFAULT_ADMIN_LISTEN)),
                    "IP:PORT or off",
                    address_or_off,
                )
                .unwrap_or(Some(DEFAULT_ADMIN_LISTEN)),
            plaintext: section
                .one_of(
                    Key::new(
                        "plaintext",
                        "Where the gateway serves plaintext: on loopback only, or (`allow`) anywhere. \
                         No effect with `[server.tls]`.",
                    )
                    .default(quoted("loopback")),
                    &["loopback", "allow"],
                    &[false, true],
                )
                .unwrap_or(false),
            tls: tls.flatten(),
            limits: limits(&mut section),
            max_concurrent_requests: section.integer(
                Key::new(
                    "max_concurrent_requests",
                    "Concurrent calls of all connections. The gateway rejects more with `OVERLOADED`.",
                ),
                1024,
                1..=1_000_000,
            ),
            max_message_bytes: section.integer(
                Key::new(
                    "max_message_bytes",
                    "Maximum size of a request message in bytes. The largest valid request has \
                     about 20 KiB in ASCII, and about 74 KiB if all letters have 4 bytes.",
                ),
                65_536,
                1024..=4_194_304,
            ),
            default_deadline: section.milliseconds(
                Key::new("default_deadline_ms", "Deadline of a call whose caller sets none."),
                30_000,
                100..=600_000,
            ),
            max_deadline: section.milliseconds(
                Key::new("max_deadline_ms", "Longest deadline. A longer one is cut to it."),
                120_000,
                100..=600_000,
            ),
            reflection: section.boolean(
                Key::new("reflection", "Whether gRPC reflection is served, for grpcurl."),
                true,
            ),
        }
    }
}

impl Tls {
    fn read(mut section: Section<'_>, folder: &Path) -> Option<Self> {
        let file = |path: &str| readable(folder.join(path));
        let cert = section.required(
            Key::new("cert", "Certificate chain of the server, in a PEM file.")
                .example(&quoted("server.pem")),
            FILE,
            "give the path of a PEM certificate chain",
            file,
        );
        let key = section.required(
            Key::new("key", "Private key of the certificate, in a PEM file.")
                .example(&quoted("server.key")),
            FILE,
            "give the path of a PEM private key",
            file,
        );
        let client_ca = section.text(
            Key::new(
                "client_ca",
                "Authorities of client certificates, in a PEM file. If set, every client must \
                 present a certificate of one of them.",
            )
            .example(&quoted("clients.pem")),
            FILE,
            file,
        );
        let tls = Self { cert: cert?, key: key?, client_ca };
        for (file, error) in ServerTls::problems(&tls.files()) {
            section.problem(key_of(file), problem_with(&error));
        }
        Some(tls)
    }

    /// The files, as the listener reads them.
    #[must_use]
    pub fn files(&self) -> TlsFiles {
        let Self { cert, key, client_ca } = self.clone();
        TlsFiles { cert, key, client_ca }
    }
}

/// Returns the name of the key that names the file.
const fn key_of(file: TlsFile) -> &'static str {
    match file {
        TlsFile::Cert => "cert",
        TlsFile::Key => "key",
        TlsFile::ClientCa => "client_ca",
    }
}

fn problem_with(error: &TlsError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    format!("cannot be used: {error}{}; correct the file", cause.unwrap_or_default())
}

/// Reads the limits of the transport. Their defaults are those of [`Limits::default`].
fn limits(section: &mut Section<'_>) -> Limits {
    let default = Limits::default();
    let workers = section.integer(
        Key::new("workers", "Threads that serve calls.").default("number of CPUs").example("2"),
        default.workers.get(),
        1..=1024,
    );
    // 0 disables the limit.
    let age = default.max_connection_age.unwrap_or_default();
    let age = section.duration(
        Key::new(
            "max_connection_age_ms",
            "Age at which a connection is closed gracefully, up to 10 % shorter or longer. 0: never.",
        ),
        age,
        0..=86_400_000,
    );
    Limits {
        workers: NonZeroUsize::new(workers).unwrap_or(default.workers),
        max_connections: section.integer(
            Key::new(
                "max_connections",
                "Open connections. Keep it below the limit of file descriptors (`ulimit -n`).",
            ),
            default.max_connections,
            1..=1_000_000,
        ),
        max_concurrent_streams: section.integer(
            Key::new("max_concurrent_streams", "Concurrent calls of one connection."),
            default.max_concurrent_streams,
            1..=65_536,
        ),
        max_metadata_bytes: section.integer(
            Key::new(
                "max_metadata_bytes",
                "Size of the metadata of a request, as HTTP/2 counts it: names, values and 32 \
                 bytes a field.",
            ),
            default.max_metadata_bytes,
            1024..=1_048_576,
        ),
        handshake_timeout: section.duration(
            Key::new(
                "handshake_timeout_ms",
                "Time from the accept of a connection to the end of its handshakes.",
            ),
            default.handshake_timeout,
            100..=60_000,
        ),
        max_connection_age: (!age.is_zero()).then_some(age),
        drain_timeout: section.duration(
            Key::new(
                "drain_timeout_ms",
                "Time that running calls get to finish after the signal to stop.",
            ),
            default.drain_timeout,
            0..=600_000,
        ),
        ..default
    }
}

/// Text as TOML writes it.
fn quoted(text: impl Display) -> String {
    format!("\"{text}\"")
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

fn readable(path: PathBuf) -> Result<PathBuf, String> {
    let hint = "paths are relative to the folder of the configuration file";
    // Opening a pipe would wait for its writer.
    match fs::metadata(&path) {
        Ok(metadata) if !metadata.is_file() => Err(format!("is not a file; {hint}")),
        Ok(_) => match fs::File::open(&path) {
            Ok(_) => Ok(path),
            Err(error) => Err(format!("cannot be read ({error}); {hint}")),
        },
        Err(error) => Err(format!("cannot be read ({error}); {hint}")),
    }
}
