//! The source of resource ids, request ids and stream keys.

use std::sync::{Arc, Mutex, PoisonError};

use ulid::Ulid;

use crate::random::Draws;

const BASE_62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A source of resource ids, request ids and stream keys. Clones share one sequence. The
/// default is random and does not repeat.
#[derive(Debug, Clone, Default)]
pub struct Ids(Source);

#[derive(Debug, Clone, Default)]
enum Source {
    #[default]
    Random,
    Seeded(Arc<Mutex<Draws>>),
}

impl Ids {
    /// Returns a source whose sequence depends only on the seed. Two emulators with the same
    /// seed create resources with the same ARNs and stream keys.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(Arc::new(Mutex::new(Draws::new(seed)))))
    }

    /// Returns a resource id in the format of AWS: twelve letters and digits.
    pub(crate) fn id(&self) -> String {
        // The low 80 bits of a ULID are random; twelve characters hold 71 of them.
        let mut bits = self.bits() & ((1 << 80) - 1);
        let mut text = String::with_capacity(12);
        for _ in 0..12 {
            // The remainder is below 62, so the cast loses nothing.
            text.push(char::from(BASE_62[(bits % 62) as usize]));
            bits /= 62;
        }
        text
    }

    /// Returns a request id in the format of a UUID.
    pub(crate) fn request_id(&self) -> String {
        let bits = self.bits();
        let [head, a, b, c] = [bits >> 96, bits >> 80, bits >> 64, bits >> 48];
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            head,
            a & 0xffff,
            b & 0xffff,
            c & 0xffff,
            bits & 0xffff_ffff_ffff
        )
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that draws random ids")]
    fn bits(&self) -> u128 {
        match &self.0 {
            Source::Random => Ulid::generate().0,
            Source::Seeded(draws) => {
                let mut draws = draws.lock().unwrap_or_else(PoisonError::into_inner);
                u128::from(draws.next()) << 64 | u128::from(draws.next())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_format_of_aws() {
        for ids in [Ids::default(), Ids::seeded(1)] {
            assert_eq!(ids.id().len(), 12);
            assert!(ids.id().bytes().all(|byte| byte.is_ascii_alphanumeric()));
            assert_ne!(ids.id(), ids.id());
            assert_eq!(ids.request_id().len(), 36);
        }
    }

    #[test]
    fn the_same_seed_returns_the_same_ids() {
        let first_ids = |seed| {
            let ids = Ids::seeded(seed);
            [ids.id(), ids.request_id(), ids.clone().id()]
        };
        assert_eq!(first_ids(7), first_ids(7));
        assert_ne!(first_ids(7), first_ids(8));
        assert_ne!(Ids::default().id(), Ids::default().id());
    }
}
