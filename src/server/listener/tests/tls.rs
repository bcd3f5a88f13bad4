use std::fs;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, ServerName},
};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsConnector;

use super::*;
use crate::server::tls::TlsFiles;

/// An authority, and the files of a server with a certificate of it.
struct Pki {
    folder: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Pki {
    fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = CertifiedIssuer::self_signed(params, key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        let pki = Self { folder, authority };
        let (cert, key) = pki.issue("localhost");
        fs::write(pki.folder.path().join("cert.pem"), cert.pem()).unwrap();
        fs::write(pki.folder.path().join("key.pem"), key.serialize_pem()).unwrap();
        pki
    }

    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.authority).unwrap(), key)
    }

    fn files(&self, client_certificates: bool) -> TlsFiles {
        let file = |name| self.folder.path().join(name);
        let client_ca = client_certificates.then(|| file("ca.pem"));
        TlsFiles { cert: file("cert.pem"), key: file("key.pem"), client_ca }
    }

    /// Returns a client that trusts the authority, and presents `identity` if it is set.
    async fn client(
        &self,
        server: &Running,
        identity: Option<(rcgen::Certificate, KeyPair)>,
    ) -> TestResult<Client> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der().clone())?;
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let mut config = match identity {
            Some((certificate, key)) => builder.with_client_auth_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der())?,
            )?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect(server.address).await?;
        let name = ServerName::try_from("localhost")?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        Ok(client(stream).await?.0)
    }

    /// Sends a request, and returns the number of certificates that the service received.
    async fn certificates_seen(
        &self,
        server: &Running,
        identity: Option<(rcgen::Certificate, KeyPair)>,
    ) -> TestResult<String> {
        let answer = get(&mut self.client(server, identity).await?, "/").await?;
        Ok(answer.rsplit_once(' ').unwrap().1.to_owned())
    }
}

#[tokio::test]
async fn a_reload_can_require_client_certificates() {
    let pki = Pki::new();
    let tls = ServerTls::load(&pki.files(false)).unwrap();
    let server = describing(limits(1), Some(Arc::clone(&tls)));
    let mut early = pki.client(&server, None).await.unwrap();
    assert_eq!(pki.certificates_seen(&server, None).await.unwrap(), "0");

    tls.reload(&pki.files(true)).unwrap();
    assert!(pki.certificates_seen(&server, None).await.is_err());
    let stranger = Pki::new().issue("client");
    assert!(pki.certificates_seen(&server, Some(stranger)).await.is_err());
    let known = pki.issue("client");
    assert_eq!(pki.certificates_seen(&server, Some(known)).await.unwrap(), "1");
    assert!(get(&mut early, "/").await.is_ok(), "open connections stay");

    fs::write(pki.folder.path().join("key.pem"), "").unwrap();
    assert!(tls.reload(&pki.files(false)).is_err());
    let known = pki.issue("client");
    assert!(pki.certificates_seen(&server, Some(known)).await.is_ok());
}

#[tokio::test]
async fn a_plaintext_connection_to_a_tls_port_is_closed() {
    let pki = Pki::new();
    let server = describing(limits(1), Some(ServerTls::load(&pki.files(false)).unwrap()));
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    ends(&mut stream).await;
}

#[tokio::test]
async fn silent_peers_delay_no_other_peer_and_are_disconnected() {
    let pki = Pki::new();
    let limits = Limits {
        handshake_timeout: Duration::from_secs(1),
        max_handshakes: NonZeroUsize::new(2).unwrap(),
        ..limits(1)
    };
    let secure = describing(limits.clone(), Some(ServerTls::load(&pki.files(false)).unwrap()));
    let plain = describing(limits, None);
    let mut silent = TcpStream::connect(secure.address).await.unwrap();
    let mut mute = TcpStream::connect(plain.address).await.unwrap();

    get(&mut pki.client(&secure, None).await.unwrap(), "/").await.unwrap();
    get(&mut plain.client().await, "/").await.unwrap();
    ends(&mut silent).await;
    ends(&mut mute).await;

    // A drain does not wait for handshakes.
    let _silent = TcpStream::connect(secure.address).await.unwrap();
    assert_eq!(secure.stop().await, Drained::default());
}
