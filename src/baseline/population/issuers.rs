//! What the tokens of each issuer are like: how long they live, and of which shapes they are.
//! May use: rows, tallies, the byte codec.
//! Must not: hold more than a fixed number of rows, or learn from a token nobody verified.

use super::lesson::CredentialLesson;
use super::rows::{Row, Rows};
use crate::baseline::bytes::{Reader, Writer};
use crate::baseline::tally::Tallies;

/// Issuers kept; the least used makes room.
const ROWS: usize = 64;
/// Shapes kept of one issuer.
const SHAPES: usize = 16;
/// Classes of lifetime kept of one issuer: powers of two.
const CLASSES: usize = 16;

/// One issuer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Issuer {
    issuer: u32,
    /// Sum of the lifetimes, in seconds.
    seconds: f64,
    /// Events by class of lifetime.
    lifetimes: Tallies,
    /// Events by shape.
    shapes: Tallies,
}

/// Lifetimes of one class differ by less than a factor of two.
fn class(lifetime: u32) -> u32 {
    lifetime.checked_ilog2().unwrap_or(0)
}

impl Issuer {
    /// Decayed number of events whose token had a lifetime.
    #[must_use]
    pub fn events(&self) -> f64 {
        self.lifetimes.total()
    }

    /// Mean lifetime in seconds.
    #[must_use]
    pub fn mean_lifetime(&self) -> f64 {
        self.seconds / self.events().max(f64::MIN_POSITIVE)
    }

    /// Share of events whose token lived about as long as this or longer.
    #[must_use]
    pub fn share_of_longer(&self, lifetime: u32) -> f64 {
        let longer = self
            .lifetimes
            .entries()
            .iter()
            .filter(|entry| entry.key >= class(lifetime))
            .map(|entry| f64::from(entry.count))
            .sum::<f64>();
        longer / self.events().max(1.0)
    }

    /// Shapes of its tokens, and how often each was seen.
    #[must_use]
    pub const fn shapes(&self) -> &Tallies {
        &self.shapes
    }
}

impl Row for Issuer {
    fn new(issuer: u32) -> Self {
        Self {
            issuer,
            ..Self::default()
        }
    }

    fn key(&self) -> u32 {
        self.issuer
    }

    fn weight(&self) -> f64 {
        self.lifetimes.total().max(self.shapes.total())
    }
}

/// By the hash of their name.
pub(super) type Issuers = Rows<Issuer, ROWS>;

impl Issuers {
    pub(super) fn learn(&mut self, seen: &CredentialLesson) {
        if seen.issuer == 0 || (seen.shape == 0 && seen.lifetime == 0) {
            return;
        }
        let Some(row) = self.row(seen.issuer) else {
            return;
        };
        if seen.lifetime != 0 {
            row.seconds += f64::from(seen.lifetime);
            row.lifetimes.add(class(seen.lifetime), 1.0, CLASSES);
        }
        if seen.shape != 0 {
            row.shapes.add(seen.shape, 1.0, SHAPES);
        }
    }

    pub(super) fn decay(&mut self, factor: f64) {
        for row in self.iter_mut() {
            row.seconds *= factor;
            row.lifetimes.decay(factor);
            row.shapes.decay(factor);
        }
    }

    pub(super) fn encode(&self, out: &mut Writer<'_>) {
        out.u8(self.len() as u8);
        for row in self.iter() {
            out.u32(row.issuer);
            out.u64(row.seconds.to_bits());
            row.lifetimes.encode(out);
            row.shapes.encode(out);
        }
    }

    pub(super) fn decode(input: &mut Reader<'_>) -> Option<Self> {
        let mut rows = Vec::new();
        for _ in 0..input.u8()? {
            rows.push(Issuer {
                issuer: input.u32()?,
                seconds: Some(f64::from_bits(input.u64()?))
                    .filter(|seconds| seconds.is_finite() && *seconds >= 0.0)?,
                lifetimes: Tallies::decode(input, CLASSES)?,
                shapes: Tallies::decode(input, SHAPES)?,
            });
        }
        Self::read(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(issuer: u32, shape: u32, lifetime: u32) -> CredentialLesson {
        CredentialLesson {
            issuer,
            shape,
            lifetime,
        }
    }

    #[test]
    fn an_issuer_has_a_mean_and_its_long_tokens() {
        let mut issuers = Issuers::default();
        for _ in 0..90 {
            issuers.learn(&seen(1, 5, 300));
        }
        for _ in 0..10 {
            issuers.learn(&seen(1, 6, 86_400));
        }
        let row = issuers.get(1).unwrap();
        assert_eq!((row.events(), row.mean_lifetime()), (100.0, 8910.0));
        assert_eq!(row.share_of_longer(86_400), 0.1);
        assert_eq!(row.share_of_longer(1_000_000), 0.0);
        assert_eq!((row.shapes().count(5), row.shapes().count(7)), (90.0, 0.0));
        issuers.decay(0.5);
        assert_eq!(issuers.get(1).unwrap().mean_lifetime(), 8910.0);
        issuers.learn(&seen(0, 1, 1));
        assert_eq!(issuers.len(), 1);
    }

    #[test]
    fn rows_are_bounded_and_survive_encoding() {
        let mut issuers = Issuers::default();
        for _ in 0..2 {
            issuers.learn(&seen(1, 5, 300));
        }
        for issuer in 2..500 {
            issuers.learn(&seen(issuer, issuer, issuer));
        }
        assert_eq!(issuers.len(), ROWS);
        assert!(issuers.get(1).is_some());
        let mut bytes = Vec::new();
        issuers.encode(&mut Writer(&mut bytes));
        assert_eq!(Issuers::decode(&mut Reader::new(&bytes)), Some(issuers));
        assert_eq!(Issuers::decode(&mut Reader::new(&bytes[..9])), None);
    }
}
