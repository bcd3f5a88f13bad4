//! TLS: certificates and keys from PEM files, which a reload replaces while serving.
//!
//! The server offers HTTP/2 only, with aws-lc-rs as the provider. No error quotes the
//! content of a file, which may be a key.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    server::{VerifierBuilderError, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use secrecy::{ExposeSecret, SecretSlice};

/// The PEM files of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate of the server, then the intermediates.
    pub cert: PathBuf,
    /// The private key (PKCS #8, PKCS #1 or SEC 1).
    pub key: PathBuf,
    /// The authorities of client certificates. If set, every client must present a certificate.
    pub client_ca: Option<PathBuf>,
}

/// TLS files that cannot be used. Each error names the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file is not PEM, or lacks the expected item.
    #[error("{}: {problem}", .path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: &'static str,
    },
    /// The certificate and the key are not a valid pair.
    #[error("the key in {} is not that of the certificate in {}", .key.display(), .cert.display())]
    Mismatch {
        /// The file of the certificate.
        cert: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// The certificate or the key cannot be used.
    #[error("{} and {} cannot be used together", .cert.display(), .key.display())]
    Pair {
        /// The file of the certificate.
        cert: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// The TLS library's error.
        source: rustls::Error,
    },
    /// A certificate of the client authorities is invalid.
    #[error("{} contains a certificate that is not a valid authority", .path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// The TLS library's error.
        source: rustls::Error,
    },
    /// The client authorities cannot verify certificates.
    #[error("client certificates cannot be verified with {}", .path.display())]
    Verifier {
        /// The file.
        path: PathBuf,
        /// The TLS library's error.
        source: VerifierBuilderError,
    },
    /// The TLS library rejects its own defaults.
    #[error("TLS cannot be set up")]
    Provider(#[source] rustls::Error),
}

/// The purpose of a file of [`TlsFiles`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFile {
    /// The certificate of the server.
    Cert,
    /// Its private key.
    Key,
    /// The authorities of client certificates.
    ClientCa,
}

/// The TLS settings of new connections. Open connections keep theirs.
pub struct ServerTls {
    config: RwLock<Arc<ServerConfig>>,
}

impl ServerTls {
    /// Reads the files. Blocks; the files are small.
    ///
    /// # Errors
    /// The first problem, with its file.
    pub fn load(files: &TlsFiles) -> Result<Arc<Self>, TlsError> {
        Ok(Arc::new(Self { config: RwLock::new(read_config(files)?) }))
    }

    /// Reads the files, and returns the problems of all of them. A certificate and a key that
    /// are valid alone may be no pair.
    #[must_use]
    pub fn problems(files: &TlsFiles) -> Vec<(TlsFile, TlsError)> {
        let client_ca = files
            .client_ca
            .as_deref()
            .map(|path| client_verifier(path, Arc::new(aws_lc_rs::default_provider())).map(drop));
        let alone = [
            (TlsFile::Cert, certificates(&files.cert).map(drop)),
            (TlsFile::Key, private_key(&files.key).map(drop)),
            (TlsFile::ClientCa, client_ca.unwrap_or(Ok(()))),
        ];
        let problems = alone.into_iter().filter_map(|(file, read)| Some((file, read.err()?)));
        let problems: Vec<_> = problems.collect();
        if problems.is_empty()
            && let Err(error) = read_config(files)
        {
            return vec![(TlsFile::Cert, error)];
        }
        problems
    }

    /// Reads the files again, or other files, for new connections.
    ///
    /// # Errors
    /// As [`ServerTls::load`]. After an error the old settings stay in force.
    pub fn reload(&self, files: &TlsFiles) -> Result<(), TlsError> {
        let config = read_config(files)?;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    pub(super) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").finish_non_exhaustive()
    }
}

fn read_config(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let chain = certificates(&files.cert)?;
    let key = private_key(&files.key)?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Provider)?;
    let builder = match &files.client_ca {
        Some(path) => builder.with_client_cert_verifier(client_verifier(path, provider)?),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|source| {
        let (cert, key) = (files.cert.clone(), files.key.clone());
        match source {
            rustls::Error::InconsistentKeys(_) => TlsError::Mismatch { cert, key },
            source => TlsError::Pair { cert, key, source },
        }
    })?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

fn client_verifier(
    path: &Path,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|source| TlsError::Authority { path: path.to_owned(), source })?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|source| TlsError::Verifier { path: path.to_owned(), source })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(path)?;
    let found = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| pem_error(path, &error, "holds no certificate"))?;
    if found.is_empty() {
        return Err(pem_error(path, &pem::Error::NoItemsFound, "holds no certificate"));
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = SecretSlice::from(read(path)?);
    PrivateKeyDer::from_pem_slice(text.expose_secret())
        .map_err(|error| pem_error(path, &error, "holds no unencrypted private key"))
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })
}

/// Replaces the messages of the PEM parser, which quote the line of the error.
fn pem_error(path: &Path, error: &pem::Error, nothing_found: &'static str) -> TlsError {
    let problem = match error {
        pem::Error::NoItemsFound => nothing_found,
        pem::Error::MissingSectionEnd { .. } => "a PEM section has no END line",
        pem::Error::IllegalSectionStart { .. } => "a PEM section has a malformed BEGIN line",
        pem::Error::Base64Decode(_) => "a PEM section is not base64",
        _ => "not a readable PEM file",
    };
    TlsError::Pem { path: path.to_owned(), problem }
}

#[cfg(test)]
mod tests {
    use std::{error::Error, iter::successors};

    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    #[test]
    fn each_problem_names_its_file_and_quotes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &str| {
            let path = folder.path().join(name);
            fs::write(&path, content).unwrap();
            path
        };
        let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let cert = write("cert.pem", &params.self_signed(&key).unwrap().pem());
        let cut = key.serialize_pem().replace("-----END PRIVATE KEY-----", "");
        let spoiled = key.serialize_pem().replace("\nM", "\n*M");
        let key = write("key.pem", &key.serialize_pem());
        let other = write("other.pem", &other.serialize_pem());
        let cut = write("cut.pem", &cut);
        let spoiled = write("spoiled.pem", &spoiled);
        let absent = folder.path().join("absent.pem");

        assert!(load(&cert, &key, None).is_ok());
        assert!(load(&cert, &key, Some(&cert)).is_ok());
        for (error, file, problem) in [
            (load(&absent, &key, None), "absent.pem", "cannot read"),
            (load(&cert, &absent, None), "absent.pem", "cannot read"),
            (load(&key, &key, None), "key.pem", "holds no certificate"),
            (load(&cert, &cert, None), "cert.pem", "holds no unencrypted private key"),
            (load(&cert, &cut, None), "cut.pem", "no END line"),
            (load(&cert, &spoiled, None), "spoiled.pem", "not base64"),
            (load(&cert, &other, None), "other.pem", "is not that of the certificate"),
            (load(&cert, &key, Some(&key)), "key.pem", "holds no certificate"),
            (load(&cert, &key, Some(&absent)), "absent.pem", "cannot read"),
        ] {
            let error = error.unwrap_err();
            let said: Vec<_> = successors(Some(&error as &dyn Error), |&error| error.source())
                .map(|error| format!("{error} {error:?}"))
                .collect();
            let said = said.join(" ");
            assert!(said.contains(file) && said.contains(problem), "{said}");
            for line in fs::read_to_string(&key).unwrap().lines().filter(|l| !l.starts_with('-')) {
                assert!(!said.contains(line), "{said}");
            }
        }
    }

    #[test]
    fn the_problems_of_all_files_are_reported() {
        let absent = Path::new("/absent").to_owned();
        let files = TlsFiles { cert: absent.clone(), key: absent.clone(), client_ca: Some(absent) };
        let problems = ServerTls::problems(&files);
        let found: Vec<_> = problems.into_iter().map(|(file, _)| file).collect();
        assert_eq!(found, [TlsFile::Cert, TlsFile::Key, TlsFile::ClientCa]);
    }

    fn load(cert: &Path, key: &Path, ca: Option<&Path>) -> Result<Arc<ServerTls>, TlsError> {
        ServerTls::load(&TlsFiles {
            cert: cert.to_owned(),
            key: key.to_owned(),
            client_ca: ca.map(Path::to_owned),
        })
    }
}
