//! Providers (autonomous systems): how many people use them, how their addresses change, who arrives on them.
//! May use: rows, windows, the byte codec.
//! Must not: hold more than a fixed number of rows.

use super::rows::{Row, Rows};
use super::window::Window;
use crate::baseline::bytes::{Reader, Writer};

/// Rows kept; the least used makes room.
const ROWS: usize = 4096;

/// One provider.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Network {
    asn: u32,
    /// Decayed learned events.
    pub(super) events: f32,
    /// Learned events of identities new to it.
    pub(super) arrivals: f32,
    /// Identities that knew it and came from a fresh address: seen.
    pub(super) fresh: f32,
    /// The same: expected from their own habit.
    pub(super) expected: f32,
    /// Who arrived on it within a day.
    pub(super) burst: Window,
}

impl Row for Network {
    fn new(asn: u32) -> Self {
        Self {
            asn,
            ..Self::default()
        }
    }

    fn key(&self) -> u32 {
        self.asn
    }

    fn weight(&self) -> f64 {
        f64::from(self.events)
    }
}

/// By ASN.
pub(super) type Networks = Rows<Network, ROWS>;

impl Networks {
    pub(super) fn decay(&mut self, factor: f64) {
        for row in self.iter_mut() {
            for count in [
                &mut row.events,
                &mut row.arrivals,
                &mut row.fresh,
                &mut row.expected,
            ] {
                *count = (f64::from(*count) * factor) as f32;
            }
        }
    }

    pub(super) fn encode(&self, out: &mut Writer<'_>) {
        out.u16(self.len() as u16);
        for row in self.iter() {
            out.u32(row.asn);
            out.count(row.events);
            out.count(row.arrivals);
            out.count(row.fresh);
            out.count(row.expected);
            row.burst.encode(out);
        }
    }

    pub(super) fn decode(input: &mut Reader<'_>) -> Option<Self> {
        let mut rows = Vec::new();
        for _ in 0..input.u16()? {
            rows.push(Network {
                asn: input.u32()?,
                events: input.count()?,
                arrivals: input.count()?,
                fresh: input.count()?,
                expected: input.count()?,
                burst: Window::decode(input)?,
            });
        }
        Self::read(rows)
    }
}
