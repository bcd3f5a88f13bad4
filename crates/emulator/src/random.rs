//! Random draws that a seed reproduces.

/// A `SplitMix64` generator (Steele, Lea, Flood 2014).
#[derive(Debug)]
pub(crate) struct Draws(u64);

impl Draws {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Draws once, and returns true with this probability.
    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        // An f64 holds 32 bits exactly, and 32 bits are precise enough for a fault.
        let high_bits = u32::try_from(self.next() >> 32).unwrap_or(u32::MAX);
        f64::from(high_bits) < probability * (f64::from(u32::MAX) + 1.0)
    }
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
    fn draws_have_the_given_probability() {
        let mut draws = Draws::new(1);
        let happened = (0..10_000).filter(|_| draws.happens(0.2)).count();
        assert!((1_800..2_200).contains(&happened), "{happened}");
        assert!(!draws.happens(0.0));
        assert!(draws.happens(1.0));
    }
}
