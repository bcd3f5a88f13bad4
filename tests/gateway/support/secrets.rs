//! All stream keys of a test, and all recorded output that must not contain one.

use std::{collections::BTreeSet, fmt::Write, net::SocketAddr, sync::Mutex};

use ivs_realtime_emulator::ControlClient;

#[derive(Default)]
pub(crate) struct Secrets {
    keys: Mutex<BTreeSet<String>>,
    recorded: Mutex<Vec<(String, Vec<u8>)>>,
    emulators: Mutex<Vec<ControlClient>>,
}

impl Secrets {
    /// Adds a stream key to search for.
    pub(crate) fn add_key(&self, key: &str) {
        if !key.is_empty() {
            self.keys.lock().unwrap().insert(key.to_owned());
        }
    }

    /// Records bytes that must not contain a stream key.
    pub(crate) fn record(&self, by: &str, bytes: impl Into<Vec<u8>>) {
        self.recorded.lock().unwrap().push((by.to_owned(), bytes.into()));
    }

    /// Adds an emulator whose keys are read at the end of the test.
    pub(crate) fn watch(&self, emulator: SocketAddr) {
        self.emulators.lock().unwrap().push(ControlClient::new(emulator));
    }

    /// Adds the keys of the world's emulator and of the watched emulators.
    pub(crate) fn add_keys_of_emulators(&self, own: ControlClient) {
        let watched = self.emulators.lock().unwrap().clone();
        for emulator in [own].into_iter().chain(watched) {
            // An emulator that has ended returns nothing; its keys were read from responses.
            let Ok(state) = emulator.state() else { continue };
            for row in state.ingest_configurations {
                for key in row.stream_keys {
                    self.add_key(&key);
                }
            }
        }
    }

    /// Returns the number of keys to search for.
    pub(crate) fn known(&self) -> usize {
        self.keys.lock().unwrap().len()
    }

    /// Returns one line for each key that was found, without the key itself.
    pub(crate) fn leaks(&self) -> Vec<String> {
        let keys = self.keys.lock().unwrap();
        let spellings: Vec<String> = keys.iter().flat_map(|key| spellings(key)).collect();
        let mut leaks = Vec::new();
        for (by, bytes) in self.recorded.lock().unwrap().iter() {
            let text = String::from_utf8_lossy(bytes);
            for spelling in &spellings {
                if let Some(position) = text.find(spelling) {
                    let line = text[..position].lines().last().unwrap_or_default();
                    let before: String = line.chars().take(600).collect();
                    leaks.push(format!("{by}: {before}…"));
                }
            }
        }
        leaks
    }
}

/// Returns the secret part of a key as text, as a list of decimal bytes, and in hexadecimal.
fn spellings(key: &str) -> [String; 3] {
    let secret = key.rsplit('_').next().unwrap();
    assert!(secret.len() >= 16, "the key has an unexpected format");
    let mut list = String::new();
    let mut hexadecimal = String::new();
    for byte in secret.bytes() {
        write!(list, "{byte}, ").unwrap();
        write!(hexadecimal, "{byte:02x}").unwrap();
    }
    list.truncate(list.len() - 2);
    [secret.to_owned(), list, hexadecimal]
}

#[test]
fn a_leak_is_found_in_every_spelling() {
    let secrets = Secrets::default();
    secrets.add_key("rt_123456789012_us-east-1_abc_0123456789abcdef01234567");
    let spellings = spellings("x_0123456789abcdef01234567");
    for spelling in &spellings {
        secrets.record("log", format!("\"{{\n debug: {spelling}]"));
    }
    secrets.record("log", "0123456789abcdef0123456");
    assert_eq!(secrets.leaks(), ["log:  debug: …"; 3]);
}
