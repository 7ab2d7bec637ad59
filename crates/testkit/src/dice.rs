//! Chance that is the same in every run.

use babelwire_client_core::Jitter;

/// Random numbers that are the same in every run with the same seed (`SplitMix64`), so that a test
/// that failed by chance fails again.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice that start from this seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 random bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The next number in `[0, 1)`.
    pub fn number(&mut self) -> f64 {
        // The upper half is exact in an `f64`.
        let high = u32::try_from(self.bits() >> 32).unwrap_or(u32::MAX);
        f64::from(high) / 2_f64.powi(32)
    }

    /// The next number, as the connection's state machine takes it.
    pub fn roll(&mut self) -> Jitter {
        Jitter::new(self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_another_seed_gives_others() {
        let numbers = |seed| {
            let mut dice = Dice::new(seed);
            std::array::from_fn::<u64, 5, _>(|_| dice.bits())
        };
        assert_eq!(numbers(7), numbers(7));
        assert_ne!(numbers(7), numbers(8));
    }

    #[test]
    fn numbers_are_spread_over_the_whole_range() {
        let mut dice = Dice::new(1);
        let mut tenths = [0; 10];
        for _ in 0..10_000 {
            let number = dice.number();
            assert!((0.0..1.0).contains(&number));
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "0 to 9"
            )]
            let tenth = (number * 10.0) as usize;
            tenths[tenth] += 1;
        }
        assert!(
            tenths.iter().all(|&count| (850..1150).contains(&count)),
            "{tenths:?}"
        );
    }
}
