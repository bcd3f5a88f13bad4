//! Every stream key that was given out, and everything in which none may be found.

use std::{collections::BTreeSet, fmt::Write, net::SocketAddr, sync::Mutex};

use ivs_realtime_emulator::ControlClient;

#[derive(Default)]
pub(crate) struct Secrets {
    keys: Mutex<BTreeSet<String>>,
    said: Mutex<Vec<(String, Vec<u8>)>>,
    emulators: Mutex<Vec<ControlClient>>,
}

impl Secrets {
    /// A key that was answered where it belongs.
    pub(crate) fn learn(&self, key: &str) {
        if !key.is_empty() {
            self.keys.lock().unwrap().insert(key.to_owned());
        }
    }

    /// Something in which no key may be found.
    pub(crate) fn said(&self, by: &str, bytes: impl Into<Vec<u8>>) {
        self.said.lock().unwrap().push((by.to_owned(), bytes.into()));
    }

    /// An emulator to ask for its keys at the end.
    pub(crate) fn watch(&self, emulator: SocketAddr) {
        self.emulators.lock().unwrap().push(ControlClient::new(emulator));
    }

    /// Learns the keys of the world's emulator and of those that are watched.
    pub(crate) fn learn_from_emulators(&self, own: ControlClient) {
        let watched = self.emulators.lock().unwrap().clone();
        for emulator in [own].into_iter().chain(watched) {
            // One that has ended cannot be asked; its keys were learned from responses.
            let Ok(state) = emulator.state() else { continue };
            for row in state.ingest_configurations {
                for key in row.stream_keys {
                    self.learn(&key);
                }
            }
        }
    }

    /// How many keys there are to look for.
    pub(crate) fn known(&self) -> usize {
        self.keys.lock().unwrap().len()
    }

    /// Where keys were found, one line each. The keys themselves are not in it.
    pub(crate) fn leaks(&self) -> Vec<String> {
        let keys = self.keys.lock().unwrap();
        let spellings: Vec<String> = keys.iter().flat_map(|key| spellings(key)).collect();
        let mut leaks = Vec::new();
        for (by, bytes) in self.said.lock().unwrap().iter() {
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

/// How the secret part of a key would look in a text, as a list of bytes, and in
/// hexadecimal.
fn spellings(key: &str) -> [String; 3] {
    let secret = key.rsplit('_').next().unwrap();
    assert!(secret.len() >= 16, "no such key is made");
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
    secrets.learn("rt_123456789012_us-east-1_abc_0123456789abcdef01234567");
    let spellings = spellings("x_0123456789abcdef01234567");
    for spelling in &spellings {
        secrets.said("log", format!("\"{{\n debug: {spelling}]"));
    }
    secrets.said("log", "0123456789abcdef0123456");
    assert_eq!(secrets.leaks(), ["log:  debug: …"; 3]);
}
