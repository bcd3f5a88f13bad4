//! The settings that an emulator starts with.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use secrecy::SecretString;

use crate::{clock::Clock, ids::Ids};

/// The settings that an emulator starts with. The control API can change rate, delay and
/// seed while it runs; its reset returns to the values given here.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address to listen on; port 0 takes a free port. Default `127.0.0.1:4566`.
    pub listen: SocketAddr,
    /// The region of every ARN, and the only one that a signature can name.
    pub region: String,
    /// The twelve digits of the account in every ARN.
    pub account_id: String,
    /// The calls per second, and the burst, of each operation; the tagging operations
    /// have twice as many. 0 is unlimited. Default 5.
    pub calls_per_second: f64,
    /// The time that lists omit a new configuration. Default 0.
    pub visibility_delay: Duration,
    /// The only known access key.
    pub access_key_id: String,
    /// The secret that signatures are verified with.
    pub secret_access_key: SecretString,
    /// The seed of the draws for faults with a probability.
    pub seed: u64,
    /// The wall clock, for signatures and creation times. Default the system's.
    pub clock: Clock,
    /// The source of ids, request ids and stream keys. Default random.
    pub ids: Ids,
}

impl Settings {
    /// A free port of the loopback, and no call rates.
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
            access_key_id: "emulator".into(),
            secret_access_key: SecretString::from("emulator"),
            seed: 1,
            clock: Clock::default(),
            ids: Ids::default(),
        }
    }
}
