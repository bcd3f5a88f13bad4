//! Two kinds of chance: draws that a seed reproduces, and ids that never repeat.

use ulid::Ulid;

const BASE_62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `SplitMix64` (Steele, Lea, Flood 2014): the same seed, the same draws.
pub(super) struct Draws(u64);

impl Draws {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// True with this probability.
    pub(super) fn happens(&mut self, probability: f64) -> bool {
        // 32 bits are an exact f64, and fine enough for a fault.
        let high_bits = u32::try_from(self.next() >> 32).unwrap_or(u32::MAX);
        f64::from(high_bits) < probability * (f64::from(u32::MAX) + 1.0)
    }
}

/// Twelve letters and digits, as the ids of AWS are.
pub(super) fn id() -> String {
    // The low 80 bits of a ULID are random; twelve characters hold 71 of them.
    let mut bits = Ulid::generate().0 & ((1 << 80) - 1);
    let mut text = String::with_capacity(12);
    for _ in 0..12 {
        // Below 62, so the cast keeps everything.
        text.push(char::from(BASE_62[(bits % 62) as usize]));
        bits /= 62;
    }
    text
}

/// The id of an answer, in the shape of a UUID.
pub(super) fn request_id() -> String {
    let bits = Ulid::generate().0;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_reproduces_its_draws() {
        let draws = |seed| {
            let mut draws = Draws::new(seed);
            (0..64).map(|_| draws.happens(0.5)).collect::<Vec<_>>()
        };
        assert_eq!(draws(7), draws(7));
        assert_ne!(draws(7), draws(8));
    }

    #[test]
    fn a_probability_is_kept() {
        let mut draws = Draws::new(1);
        let happened = (0..10_000).filter(|_| draws.happens(0.2)).count();
        assert!((1_800..2_200).contains(&happened), "{happened}");
        assert!(!draws.happens(0.0));
        assert!(draws.happens(1.0));
    }

    #[test]
    fn ids_have_the_shape_of_aws() {
        assert_eq!(id().len(), 12);
        assert!(id().bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_ne!(id(), id());
        assert_eq!(request_id().len(), 36);
    }
}
