//! The test harness: an emulator on a free port, and clients of it.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
    ops::Deref,
    slice,
};

use aws_sdk_ivsrealtime::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig},
    types::IngestProtocol,
};
use ivs_realtime_emulator::{Background, Calls, ConfigurationSnapshot, Fault, Operation, Settings};

/// A running emulator with one stage. It stops when it is dropped.
pub(crate) struct Running {
    emulator: Background,
    pub(crate) stage_arn: String,
}

impl Running {
    pub(crate) fn start(settings: Settings) -> Self {
        let emulator = Background::start(settings).unwrap();
        let stage_arn = emulator.create_stage("acme-studio", BTreeMap::new());
        Self { emulator, stage_arn }
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

    /// Adds a fault to an emulator that has none.
    pub(crate) fn fault(&self, fault: &Fault) {
        let report = self.control().add_fault(fault).unwrap();
        assert_eq!(report.faults, slice::from_ref(fault));
    }

    pub(crate) fn configurations(&self) -> Vec<ConfigurationSnapshot> {
        self.control().state().unwrap().ingest_configurations
    }

    pub(crate) fn calls(&self, operation: Operation) -> Calls {
        self.control().calls_of(operation).unwrap()
    }

    /// Sends a request over a bare connection and returns the whole response. `line` can
    /// contain headers after the request line.
    pub(crate) fn raw(&self, line: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        let length = body.len();
        let head = format!(
            "{line}\r\nhost: emulator\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        // The write fails if the server rejects the request before it reads the body.
        let _ = stream.write_all(body.as_bytes());
        let mut response = Vec::new();
        // The server may reset the connection after the response.
        let _ = stream.read_to_end(&mut response);
        String::from_utf8(response).unwrap()
    }
}

impl Deref for Running {
    type Target = Background;

    fn deref(&self) -> &Background {
        &self.emulator
    }
}
