//! A digest of the content of a create, in 16 bytes. A call that repeats a `request_id` with
//! another fingerprint is a mistake of the caller, not a retry.

use std::{collections::BTreeMap, fmt};

use sha2::{Digest, Sha256};

/// First bytes of the encoding, with its version. A change of the encoding needs a new
/// version, because ledger rows and tags store fingerprints.
const VERSION: &[u8] = b"ivs-ingest-gateway/create/1\n";

/// The first 16 bytes of the SHA-256 of the encoded fields of a create.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 16]);

/// The text is not a fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is 32 lower-case hexadecimal digits")]
pub struct InvalidFingerprint;

impl Fingerprint {
    /// Parses the 32 digits that [`fmt::Display`] writes.
    ///
    /// # Errors
    /// [`InvalidFingerprint`] if the text is anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidFingerprint> {
        let lower_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 32 || !text.bytes().all(lower_hex) {
            return Err(InvalidFingerprint);
        }
        let number = u128::from_str_radix(text, 16).map_err(|_| InvalidFingerprint)?;
        Ok(Self(number.to_be_bytes()))
    }

    /// The 16 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl From<[u8; 16]> for Fingerprint {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Writer of the encoding. The fields follow in the order of their numbers, each as its
/// number and its content. A text is preceded by its length. A field with its default value
/// is not written, so that a field that a later version of the API adds does not change old
/// fingerprints.
pub(super) struct Encoding(Sha256);

impl Encoding {
    pub(super) fn begin() -> Self {
        Self(Sha256::new_with_prefix(VERSION))
    }

    pub(super) fn text(&mut self, number: u8, text: &str) -> &mut Self {
        if !text.is_empty() {
            self.0.update([number]);
            self.length_and_bytes(text);
        }
        self
    }

    pub(super) fn flag(&mut self, number: u8, flag: bool) -> &mut Self {
        if flag {
            self.0.update([number]);
        }
        self
    }

    pub(super) fn map(&mut self, number: u8, map: &BTreeMap<String, String>) -> &mut Self {
        if !map.is_empty() {
            self.0.update([number]);
            self.length(map.len());
            for (key, value) in map {
                self.length_and_bytes(key);
                self.length_and_bytes(value);
            }
        }
        self
    }

    pub(super) fn finish(self) -> Fingerprint {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&self.0.finalize()[..16]);
        Fingerprint(bytes)
    }

    fn length_and_bytes(&mut self, text: &str) {
        self.length(text.len());
        self.0.update(text);
    }

    fn length(&mut self, length: usize) {
        self.0.update((length as u64).to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_fingerprint_parses_to_the_same_fingerprint() {
        let fingerprint =
            Fingerprint::from([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);
        let text = "000102030405060708090a0b0c0d0eff";
        assert_eq!(fingerprint.to_string(), text);
        assert_eq!(Fingerprint::parse(text), Ok(fingerprint));
        for bad in ["", "0", &text.to_uppercase(), &format!("+{}", &text[1..]), &format!("{text}0")]
        {
            assert_eq!(Fingerprint::parse(bad), Err(InvalidFingerprint), "{bad}");
        }
    }

    #[test]
    fn equal_text_in_another_field_or_entry_has_another_fingerprint() {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
        };
        let of = |name: &str, map: BTreeMap<String, String>| {
            let mut encoding = Encoding::begin();
            encoding.text(1, name).map(4, &map);
            encoding.finish()
        };
        let all = [
            of("ab", map(&[])),
            of("a", map(&[("b", "")])),
            of("", map(&[("a", "b")])),
            of("", map(&[("ab", "")])),
            of("", map(&[("", "ab")])),
            of("", map(&[("a", ""), ("b", "")])),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(!all[..index].contains(one), "{index}");
        }
    }
}
