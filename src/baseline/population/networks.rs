//! Providers (autonomous systems): how many people use them, how their addresses change, who arrives on them.
//! May use: windows, the byte codec.
//! Must not: hold more than a fixed number of rows.

use super::window::Window;
use crate::baseline::bytes::{Reader, Writer};

/// Rows kept; the least used makes room.
const ROWS: usize = 4096;

/// One provider.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Network {
    pub(super) asn: u32,
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

/// Rows in ascending order of ASN.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Networks(Vec<Network>);

impl Networks {
    pub(super) fn get(&self, asn: u32) -> Option<&Network> {
        let index = self.0.binary_search_by_key(&asn, |row| row.asn).ok()?;
        self.0.get(index)
    }

    /// The row of a provider, made if it is not there.
    pub(super) fn row(&mut self, asn: u32) -> Option<&mut Network> {
        let index = match self.0.binary_search_by_key(&asn, |row| row.asn) {
            Ok(index) => index,
            Err(_) => {
                self.make_room();
                let index = self.0.partition_point(|row| row.asn < asn);
                let row = Network {
                    asn,
                    ..Network::default()
                };
                self.0.insert(index, row);
                index
            }
        };
        self.0.get_mut(index)
    }

    fn make_room(&mut self) {
        if self.0.len() < ROWS {
            return;
        }
        let least = self
            .0
            .iter()
            .enumerate()
            .min_by(|(_, a), (_, b)| a.events.total_cmp(&b.events).then(a.asn.cmp(&b.asn)))
            .map(|(index, _)| index);
        if let Some(index) = least {
            self.0.remove(index);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn decay(&mut self, factor: f64) {
        for row in &mut self.0 {
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
        out.u16(self.0.len() as u16);
        for row in &self.0 {
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
        (rows.len() <= ROWS && rows.is_sorted_by(|a, b| a.asn < b.asn)).then_some(Self(rows))
    }
}
