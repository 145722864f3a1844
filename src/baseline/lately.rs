//! What happened to one identity within the hour: failed tries, by network, and the networks and devices it was used from.
//! May use: recent counters, the byte codec.
//! Must not: judge, or outlast the hour by much: an identity at rest has nothing here.

use arrayvec::ArrayVec;

use super::bytes::{Reader, Writer};
use super::recent::{Decayed, Recent};

/// Networks whose failed tries are told apart.
const NETWORKS: usize = 2;
/// Half-life of failed tries from one network, in seconds.
const TRIES: f64 = 600.0;
/// Half-life of failed tries from anywhere, in seconds.
const HOUR: f64 = 3600.0;
/// Period of distinct networks and devices, in seconds.
const PERIOD: u32 = 1800;
/// Fewer tries than this are forgotten.
const FORGOTTEN: f64 = 0.25;

/// What there is, in a byte: how many networks tried in its lowest bits.
const TRIED: u8 = 0x0f;
const FAILED: u8 = 0x10;
const FAILING: u8 = 0x20;
const USED_NETWORKS: u8 = 0x40;
const USED_DEVICES: u8 = 0x80;

/// Failed tries from one network: 12 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Tries {
    prefix: u32,
    failed: Decayed,
}

/// The last hour of one identity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lately {
    /// Ascending by prefix.
    tries: ArrayVec<Tries, NETWORKS>,
    failed: Decayed,
    /// Networks that failed.
    failing: Recent,
    /// Networks used.
    networks: Recent,
    /// Devices used.
    devices: Recent,
}

impl Lately {
    /// A try with this identity's name failed.
    pub fn fail(&mut self, prefix: u32, now: u32) {
        self.fade(now);
        let mut failed = Decayed::default();
        failed.add(now, TRIES, 1.0);
        self.add(Tries { prefix, failed });
        self.failed.add(now, HOUR, 1.0);
        self.failing.add(now / PERIOD, prefix);
    }

    /// It was used from a network, with a device.
    pub fn used(&mut self, prefix: u32, device: u32, now: u32) {
        self.networks.add(now / PERIOD, prefix);
        self.devices.add(now / PERIOD, device);
    }

    fn add(&mut self, tries: Tries) {
        if let Some(known) = self.tries.iter_mut().find(|t| t.prefix == tries.prefix) {
            known.failed.merge(&tries.failed, TRIES);
            return;
        }
        if self.tries.is_full() {
            // The network that is quiet for longest makes room; among equals the lower prefix.
            let oldest = self
                .tries
                .iter()
                .enumerate()
                .min_by_key(|(_, tries)| (tries.failed.at(), tries.prefix))
                .map(|(index, tries)| (index, tries.failed.at()));
            match oldest {
                Some((index, at)) if at <= tries.failed.at() => drop(self.tries.remove(index)),
                _ => return,
            }
        }
        let index = self.tries.partition_point(|t| t.prefix < tries.prefix);
        let _room_was_made = self.tries.try_insert(index, tries);
    }

    /// Failed tries from one network, half-life ten minutes.
    #[must_use]
    pub fn tries(&self, prefix: u32, now: u32) -> f64 {
        self.tries
            .iter()
            .find(|tries| tries.prefix == prefix)
            .map_or(0.0, |tries| tries.failed.read(now, TRIES))
    }

    /// Failed tries from anywhere, half-life an hour.
    #[must_use]
    pub fn failed(&self, now: u32) -> f64 {
        self.failed.read(now, HOUR)
    }

    /// Networks that failed within 30 to 60 minutes.
    #[must_use]
    pub fn failing(&self, now: u32) -> f64 {
        self.failing.estimate(now / PERIOD)
    }

    /// Networks used within 30 to 60 minutes, this one included.
    #[must_use]
    pub fn networks(&self, with: u32, now: u32) -> f64 {
        self.networks.estimate_with(now / PERIOD, with)
    }

    /// Devices used within 30 to 60 minutes, this one included.
    #[must_use]
    pub fn devices(&self, with: u32, now: u32) -> f64 {
        self.devices.estimate_with(now / PERIOD, with)
    }

    /// Forgets what is too old to matter.
    pub fn fade(&mut self, now: u32) {
        self.tries
            .retain(|tries| tries.failed.read(now, TRIES) >= FORGOTTEN);
        if self.failed.read(now, HOUR) < FORGOTTEN {
            self.failed = Decayed::default();
        }
        for recent in [&mut self.failing, &mut self.networks, &mut self.devices] {
            recent.fade(now / PERIOD);
        }
    }

    /// Adds what was seen apart.
    pub fn merge(&mut self, other: &Self) {
        for tries in &other.tries {
            self.add(*tries);
        }
        self.failed.merge(&other.failed, HOUR);
        self.failing.merge(&other.failing);
        self.networks.merge(&other.networks);
        self.devices.merge(&other.devices);
    }

    /// Appends a byte for an identity at rest, about 9 in use, 145 at most. `now` is any time near it.
    pub fn encode(&self, now: u32, out: &mut Writer<'_>) {
        let recent = [&self.failing, &self.networks, &self.devices];
        let bits = recent.iter().zip([FAILING, USED_NETWORKS, USED_DEVICES]);
        let some = bits.filter(|(recent, _)| !recent.is_empty());
        let present = some.fold(self.tries.len() as u8, |all, (_, bit)| all | bit);
        let failed = self.failed != Decayed::default();
        out.u8(present | (u8::from(failed) * FAILED));
        for tries in &self.tries {
            out.u32(tries.prefix);
            tries.failed.encode(out);
        }
        if failed {
            self.failed.encode(out);
        }
        for recent in recent {
            if !recent.is_empty() {
                recent.encode_sparse(now / PERIOD, out);
            }
        }
    }

    /// Reads it back, with the same `now`.
    pub fn decode(now: u32, input: &mut Reader<'_>) -> Option<Self> {
        let mut lately = Self::default();
        let present = input.u8()?;
        for _ in 0..present & TRIED {
            let prefix = input.u32()?;
            let failed = Decayed::decode(input)?;
            lately.tries.try_push(Tries { prefix, failed }).ok()?;
        }
        if present & FAILED != 0 {
            lately.failed = Decayed::decode(input)?;
        }
        for (bit, recent) in [
            (FAILING, &mut lately.failing),
            (USED_NETWORKS, &mut lately.networks),
            (USED_DEVICES, &mut lately.devices),
        ] {
            if present & bit != 0 {
                *recent = Recent::decode_sparse(now / PERIOD, input)?;
            }
        }
        Some(lately)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u32 = 1_000_000;

    #[test]
    fn tries_are_told_apart_by_network_and_fade() {
        let mut lately = Lately::default();
        for i in 0..8 {
            lately.fail(5, NOW + i);
        }
        lately.fail(6, NOW + 8);
        assert!((lately.tries(5, NOW + 8) - 8.0).abs() < 0.1);
        assert!((lately.tries(5, NOW + 608) - 4.0).abs() < 0.1);
        assert!((lately.tries(6, NOW + 8) - 1.0).abs() < 0.1);
        assert_eq!(lately.tries(7, NOW + 8), 0.0);
        assert!(lately.failing(NOW + 8) >= 2.0);
        lately.fade(NOW + 86_400);
        assert_eq!(lately, Lately::default());
    }

    #[test]
    fn bounded_whatever_happens_and_survives_encoding() {
        let mut lately = Lately::default();
        for i in 0..5000 {
            lately.fail(i, NOW + i / 4);
            lately.used(i * 3, i * 7, NOW + i / 4);
        }
        let mut bytes = Vec::new();
        lately.encode(NOW, &mut Writer(&mut bytes));
        assert!(bytes.len() <= 145, "{}", bytes.len());
        assert_eq!(Lately::decode(NOW, &mut Reader::new(&bytes)), Some(lately));
        bytes.clear();
        Lately::default().encode(NOW, &mut Writer(&mut bytes));
        assert_eq!(bytes, [0]);
        assert_eq!(
            Lately::decode(NOW, &mut Reader::new(&bytes)),
            Some(Lately::default())
        );
    }

    #[test]
    fn parts_merge() {
        let (mut a, mut b, mut whole) = (Lately::default(), Lately::default(), Lately::default());
        for i in 0..40 {
            let part = if i % 3 == 0 { &mut a } else { &mut b };
            part.fail(i % 2, NOW + i);
            part.used(i % 4, i % 5, NOW + i);
            whole.fail(i % 2, NOW + i);
            whole.used(i % 4, i % 5, NOW + i);
        }
        a.merge(&b);
        assert_eq!(
            (a.failing, a.networks, a.devices),
            (whole.failing, whole.networks, whole.devices)
        );
        assert!((a.tries(1, NOW + 40) - whole.tries(1, NOW + 40)).abs() < 1e-3);
        assert!((a.failed(NOW + 40) - whole.failed(NOW + 40)).abs() < 1e-3);
    }
}
