//! A forward proxy that records its requests, and sends all of them to one server.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{self, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use super::Authority;

pub(crate) struct RecordingProxy {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl RecordingProxy {
    /// Starts a proxy. Whatever host a client names, it gets a connection to `server`.
    pub(crate) async fn before(server: SocketAddr) -> Self {
        Self::start(server, None).await
    }

    /// Starts a proxy that itself serves TLS.
    pub(crate) async fn with_tls(server: SocketAddr, authority: &Authority) -> Self {
        Self::start(server, Some(authority.acceptor())).await
    }

    async fn start(server: SocketAddr, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let recorded = Arc::clone(&requests);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let (tls, recorded) = (tls.clone(), Arc::clone(&recorded));
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => pass(tls.accept(client).await?, server, recorded).await,
                        None => pass(client, server, recorded).await,
                    }
                });
            }
        });
        Self { url: format!("{scheme}://localhost:{port}"), requests }
    }

    /// Returns the head of each connection's first request.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Whether a client wanted a connection to that host.
    pub(crate) fn has_connected(&self, host: &str) -> bool {
        self.requests().iter().any(|head| head.starts_with(&format!("CONNECT {host}:443 ")))
    }
}

async fn pass(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    server: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let is_tunnel = text.starts_with("CONNECT ");
    requests.lock().unwrap().push(text);
    let mut server = TcpStream::connect(server).await?;
    if is_tunnel {
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    } else {
        server.write_all(&head).await?;
    }
    io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
