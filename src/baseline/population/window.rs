//! Distinct identities in the last 12 to 24 hours: linear counting in 64 bits per half day.
//! May use: the byte codec, libm.
//! Must not: name an identity.
//!
//! Whang et al. 1990.

use super::sketch::mix;
use crate::baseline::bytes::{Reader, Writer};
use crate::baseline::decay::DAY;

/// Who was seen, half day by half day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Window {
    half_day: u32,
    now: u64,
    before: u64,
}

const fn bit(identity: u32) -> u64 {
    1 << (mix(identity, 99) % 64)
}

impl Window {
    fn rolled(self, now: u32) -> Self {
        let half_day = now / (DAY / 2);
        match half_day.wrapping_sub(self.half_day) {
            0 => self,
            1 => Self {
                half_day,
                now: 0,
                before: self.now,
            },
            _ => Self {
                half_day,
                now: 0,
                before: 0,
            },
        }
    }

    pub(super) fn add(&mut self, identity: u32, now: u32) {
        *self = self.rolled(now);
        self.now |= bit(identity);
    }

    /// Distinct identities but this one; at most 266.
    pub(super) fn others(self, identity: u32, now: u32) -> f64 {
        let window = self.rolled(now);
        let set = (window.now | window.before) & !bit(identity);
        let zeros = f64::from(set.count_zeros()).max(1.0);
        64.0 * libm::log(64.0 / zeros)
    }

    pub(super) fn encode(self, out: &mut Writer<'_>) {
        out.u32(self.half_day);
        out.u64(self.now);
        out.u64(self.before);
    }

    pub(super) fn decode(input: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            half_day: input.u32()?,
            now: input.u64()?,
            before: input.u64()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_after_a_day() {
        let mut window = Window::default();
        for identity in 0..10 {
            window.add(identity, 1000);
        }
        let full = window.others(99, 1000);
        assert!((full - 10.0).abs() < 3.0);
        assert_eq!(window.others(99, 1000 + DAY / 2), full);
        assert_eq!(window.others(99, 1000 + DAY), 0.0);
    }
}
