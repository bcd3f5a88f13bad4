//! An emulator on a free port, and what talks to it.

use std::{collections::BTreeMap, net::SocketAddr};

use aws_sdk_ivsrealtime::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig},
    types::IngestProtocol,
};
use ivs_ingest_gateway::emulator::{Emulator, Settings};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A free port and no call rates.
pub(crate) fn unlimited() -> Settings {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    Settings { listen, calls_per_second: 0.0, ..Settings::default() }
}

/// Stops when it goes out of scope.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) stage_arn: String,
    _stop: DropGuard,
}

impl Running {
    pub(crate) async fn start(settings: Settings) -> Self {
        let emulator = Emulator::bind(settings).await.unwrap();
        let address = emulator.local_addr();
        let stage_arn = emulator.create_stage("acme-studio", BTreeMap::new());
        let shutdown = CancellationToken::new();
        tokio::spawn(emulator.serve(shutdown.clone()));
        Self { address, stage_arn, _stop: shutdown.drop_guard() }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn client(&self) -> Client {
        let credentials = Credentials::new("emulator", "emulator", None, None, "test");
        self.client_with(credentials, "us-east-1")
    }

    pub(crate) fn client_with(&self, credentials: Credentials, region: &'static str) -> Client {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .endpoint_url(self.url())
            .region(Region::from_static(region))
            .credentials_provider(credentials)
            .retry_config(RetryConfig::disabled())
            .build();
        Client::from_conf(config)
    }

    /// Creates a configuration and returns its ARN.
    pub(crate) async fn create(&self, client: &Client) -> String {
        let created = client
            .create_ingest_configuration()
            .stage_arn(&self.stage_arn)
            .ingest_protocol(IngestProtocol::Rtmps)
            .tags("tenant", "acme")
            .send()
            .await;
        created.unwrap().ingest_configuration.unwrap().arn
    }

    /// Calls the control API and returns what it answers, whatever the status.
    pub(crate) async fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let line = format!("{method} /_emulator/{path} HTTP/1.1");
        let answer = self.raw(&line, &body.to_string()).await;
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    /// Sends a request line (with more headers, if need be) and reads until the end.
    pub(crate) async fn raw(&self, line: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let length = body.len();
        let head = format!(
            "{line}\r\nhost: emulator\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // Whoever refuses a body need not read it.
        let _ = stream.write_all(body.as_bytes()).await;
        let mut answer = Vec::new();
        // The end may come as a reset, after the answer.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }
}
