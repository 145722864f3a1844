//! Random numbers that are the same on every machine: xoshiro256++ seeded by SplitMix64 (Blackman and Vigna 2019).
//! May use: libm.
//! Must not: take a seed from anywhere but its caller.

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub(super) struct Rng([u64; 4]);

impl Rng {
    /// The stream of this number under a seed; streams of one seed do not overlap in practice.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut state = seed ^ stream.wrapping_mul(0xd134_2543_de82_ef95).rotate_left(17);
        let mut next = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = state;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            word ^ (word >> 31)
        };
        Self([next(), next(), next(), next()])
    }

    pub(super) fn word(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let word = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        word
    }

    /// Uniform in [0, 1).
    pub(super) fn unit(&mut self) -> f64 {
        (self.word() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform in [low, high).
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A whole number below `bound`; 0 for a bound of 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        ((self.unit() * bound as f64) as usize).min(bound.saturating_sub(1))
    }

    /// A whole number from `low` to `high`, both included.
    pub(super) fn whole(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True with this probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One of the items, or `otherwise` where there are none.
    pub(super) fn choose<T: Copy>(&mut self, items: &[T], otherwise: T) -> T {
        items
            .get(self.below(items.len()))
            .copied()
            .unwrap_or(otherwise)
    }

    /// An index in proportion to the weights.
    pub(super) fn weighted(&mut self, weights: impl Iterator<Item = f64> + Clone) -> usize {
        let mut left = self.unit() * weights.clone().sum::<f64>();
        let mut last = 0;
        for (index, weight) in weights.enumerate() {
            if weight > 0.0 {
                last = index;
                left -= weight;
                if left < 0.0 {
                    break;
                }
            }
        }
        last
    }

    /// A rank from 0 below `count`, with weights `1 / (rank + 1) ^ exponent`.
    pub(super) fn zipf(&mut self, count: usize, exponent: f64) -> usize {
        self.weighted((0..count).map(|rank| libm::pow(rank as f64 + 1.0, -exponent)))
    }

    /// Normally distributed (Box and Muller 1958).
    pub(super) fn normal(&mut self, mean: f64, deviation: f64) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.unit()));
        mean + deviation * radius * libm::cos(std::f64::consts::TAU * self.unit())
    }

    pub(super) fn lognormal(&mut self, log_mean: f64, deviation: f64) -> f64 {
        libm::exp(self.normal(log_mean, deviation))
    }

    pub(super) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * libm::log(1.0 - self.unit())
    }

    /// Poisson distributed (Knuth); for small means.
    pub(super) fn poisson(&mut self, mean: f64) -> usize {
        let limit = libm::exp(-mean.min(50.0));
        let mut product = self.unit();
        let mut count = 0;
        while product > limit {
            product *= self.unit();
            count += 1;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_for_ever() {
        let words = |seed, stream| {
            let mut rng = Rng::new(seed, stream);
            [rng.word(), rng.word()]
        };
        assert_eq!(words(1, 2), words(1, 2));
        assert_ne!(words(1, 2), words(1, 3));
        assert_ne!(words(1, 2), words(2, 2));
    }

    #[test]
    fn the_distributions_have_their_means() {
        let mut rng = Rng::new(7, 0);
        let mut mean = |draw: &mut dyn FnMut(&mut Rng) -> f64| {
            (0..20_000).map(|_| draw(&mut rng)).sum::<f64>() / 20_000.0
        };
        assert!((mean(&mut |rng| rng.unit()) - 0.5).abs() < 0.01);
        assert!((mean(&mut |rng| rng.normal(3.0, 2.0)) - 3.0).abs() < 0.05);
        assert!((mean(&mut |rng| rng.exponential(4.0)) - 4.0).abs() < 0.1);
        assert!((mean(&mut |rng| rng.poisson(2.5) as f64) - 2.5).abs() < 0.05);
        assert!((mean(&mut |rng| rng.whole(1, 3) as f64) - 2.0).abs() < 0.02);
        let second = mean(&mut |rng| f64::from(rng.weighted([1.0, 3.0].into_iter()) == 1));
        assert!((second - 0.75).abs() < 0.01);
    }
}
