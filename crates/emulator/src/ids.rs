//! The source of ids, request ids and stream keys.

use std::sync::{Arc, Mutex, PoisonError};

use ulid::Ulid;

use crate::random::Draws;

const BASE_62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A source of ids, request ids and stream keys. Clones share one sequence. The default
/// is random and never repeats.
#[derive(Debug, Clone, Default)]
pub struct Ids(Source);

#[derive(Debug, Clone, Default)]
enum Source {
    #[default]
    Random,
    Seeded(Arc<Mutex<Draws>>),
}

impl Ids {
    /// A source that returns the same sequence for the same seed. Two emulators with the
    /// same seed create resources with the same ARNs and stream keys.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(Arc::new(Mutex::new(Draws::new(seed)))))
    }

    /// Twelve letters and digits, as the ids of AWS are.
    pub(crate) fn id(&self) -> String {
        // The low 80 bits of a ULID are random; twelve characters hold 71 of them.
        let mut bits = self.bits() & ((1 << 80) - 1);
        let mut text = String::with_capacity(12);
        for _ in 0..12 {
            // Below 62, so the cast keeps everything.
            text.push(char::from(BASE_62[(bits % 62) as usize]));
            bits /= 62;
        }
        text
    }

    /// The id of a response, in the shape of a UUID.
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
    fn ids_have_the_shape_of_aws() {
        for ids in [Ids::default(), Ids::seeded(1)] {
            assert_eq!(ids.id().len(), 12);
            assert!(ids.id().bytes().all(|byte| byte.is_ascii_alphanumeric()));
            assert_ne!(ids.id(), ids.id());
            assert_eq!(ids.request_id().len(), 36);
        }
    }

    #[test]
    fn a_seed_reproduces_its_ids() {
        let drawn = |seed| {
            let ids = Ids::seeded(seed);
            [ids.id(), ids.request_id(), ids.clone().id()]
        };
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
        assert_ne!(Ids::default().id(), Ids::default().id());
    }
}
