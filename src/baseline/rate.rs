//! How much is usual: mean and spread of an amount, of which the recent past counts most.
//! May use: the byte codec, libm.
//! Must not: judge, or learn what was judged unusual.
//!
//! On the scale of `ln(1 + x)`, since amounts of work are closer to log-normal than to normal.

use super::bytes::{Reader, Writer};

/// Below this a spread is not believed: quiet identities have none of their own.
const LEAST_SPREAD: f64 = 0.25;

/// Exponentially weighted mean and variance: weight `1/n` until `n` reaches its memory.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rate {
    /// Amounts learned, at most the memory.
    count: f32,
    mean: f32,
    variance: f32,
}

impl Rate {
    /// Amounts learned, at most the memory.
    #[must_use]
    pub fn count(&self) -> f64 {
        f64::from(self.count)
    }

    fn spread(&self) -> f64 {
        libm::sqrt(f64::from(self.variance)).max(LEAST_SPREAD)
    }

    /// By how many standard deviations `amount` is more than usual.
    #[must_use]
    pub fn deviation(&self, amount: f64) -> f64 {
        (libm::log(1.0 + amount) - f64::from(self.mean)) / self.spread()
    }

    /// What 95 of 100 amounts stay below.
    #[must_use]
    pub fn high(&self) -> f64 {
        libm::exp(f64::from(self.mean) + 1.645 * self.spread()) - 1.0
    }

    /// Learns one amount.
    pub fn learn(&mut self, amount: f64, memory: f64) {
        let count = (self.count() + 1.0).min(memory);
        let apart = libm::log(1.0 + amount) - f64::from(self.mean);
        let mean = f64::from(self.mean) + apart / count;
        let left = libm::log(1.0 + amount) - mean;
        let variance = f64::from(self.variance);
        self.variance = (variance + (apart * left - variance) / count).max(0.0) as f32;
        self.mean = mean as f32;
        self.count = count as f32;
    }

    /// Adds what was learned apart; exact while neither has reached the memory.
    pub fn merge(&mut self, other: &Self, memory: f64) {
        let (own, more) = (self.count(), other.count());
        let count = own + more;
        if more <= 0.0 {
            return;
        }
        let apart = f64::from(other.mean) - f64::from(self.mean);
        let within = (own * f64::from(self.variance) + more * f64::from(other.variance)) / count;
        self.variance = (within + apart * apart * own * more / (count * count)) as f32;
        self.mean = (f64::from(self.mean) + apart * more / count) as f32;
        self.count = count.min(memory) as f32;
    }

    pub(super) fn encode(&self, out: &mut Writer<'_>) {
        for number in [self.count, self.mean, self.variance] {
            out.count(number);
        }
    }

    pub(super) fn decode(input: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            count: input.count()?,
            mean: input.count()?,
            variance: input.count()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_make_the_whole() {
        let (mut a, mut b, mut whole) = (Rate::default(), Rate::default(), Rate::default());
        for i in 0..50 {
            let amount = f64::from(i * i % 37);
            if i < 20 { &mut a } else { &mut b }.learn(amount, 1e9);
            whole.learn(amount, 1e9);
        }
        a.merge(&b, 1e9);
        assert!((a.mean - whole.mean).abs() < 1e-4 && (a.variance - whole.variance).abs() < 1e-4);
        assert_eq!(a.count(), 50.0);
    }

    #[test]
    fn what_is_usual_is_below_the_high_mark() {
        let mut rate = Rate::default();
        for i in 0..200 {
            rate.learn(f64::from(8 + i % 5), 256.0);
        }
        assert!(rate.high() > 12.0 && rate.high() < 25.0);
        assert!(rate.deviation(10.0).abs() < 1.0);
        assert!(rate.deviation(120.0) > 4.0);
    }
}
