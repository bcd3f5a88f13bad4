//! The settings that an emulator starts with.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use secrecy::SecretString;

use crate::{clock::Clock, ids::Ids};

/// The settings that an emulator starts with. The control API can change the rate, the
/// delay and the seed of a running emulator. A reset restores the values given here.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address to listen on; port 0 means a free port. Default `127.0.0.1:4566`.
    pub listen: SocketAddr,
    /// The region in every ARN, and the only one that a signature can name. Default
    /// `us-east-1`.
    pub region: String,
    /// The account id in every ARN, twelve digits. Default `123456789012`.
    pub account_id: String,
    /// The calls per second, and the burst, of each operation. The tagging operations have
    /// twice as many. 0 means unlimited. Default 5.
    pub calls_per_second: f64,
    /// The time that lists omit a new configuration. Default 0.
    pub visibility_delay: Duration,
    /// The time that no other operation finds a new configuration. Default 0.
    pub read_delay: Duration,
    /// The time that the tags of a new configuration are missing from responses to reads.
    /// Default 0.
    pub tag_delay: Duration,
    /// Whether a page token is the number of configurations before the page, so that a delete
    /// on an earlier page makes a list skip one. Default false: no deletion affects later
    /// pages.
    pub pages_by_offset: bool,
    /// The most items on a page of a list of ingest configurations, even if the request allows
    /// more. Default 100.
    pub max_page_size: usize,
    /// The id of the only access key. Default `emulator`.
    pub access_key_id: String,
    /// The secret of the access key, with which signatures are verified. Default `emulator`.
    pub secret_access_key: SecretString,
    /// The seed of the random draws of faults that have a probability. Default 1.
    pub seed: u64,
    /// The wall clock, for signatures and creation times. Default: the system's clock.
    pub clock: Clock,
    /// The source of resource ids, request ids and stream keys. Default: random.
    pub ids: Ids,
}

impl Settings {
    /// Returns settings with a free loopback port and without call rates.
    #[must_use]
    pub fn for_tests() -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self { listen, calls_per_second: 0.0, ..Self::default() }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 4566)),
            region: "us-east-1".into(),
            account_id: "123456789012".into(),
            calls_per_second: 5.0,
            visibility_delay: Duration::ZERO,
            read_delay: Duration::ZERO,
            tag_delay: Duration::ZERO,
            pages_by_offset: false,
            max_page_size: 100,
            access_key_id: "emulator".into(),
            secret_access_key: SecretString::from("emulator"),
            seed: 1,
            clock: Clock::default(),
            ids: Ids::default(),
        }
    }
}
