//! The bytes of an identity record.
//! May use: the byte codec, the tables a record is made of.
//! Must not: judge what it reads, or take bytes that are not one record.
//!
//! Most identities are young and have one of everything, and how many fit into a page is how many are known: what is absent takes
//! no byte, times count back from the last change, counts that are the same are written once ([`Counts`]), and sessions and places
//! name the networks and clients that stand in the record anyway.

mod slots;

use super::super::bytes::{Reader, Writer};
use super::super::containment::Contained;
use super::super::hours::Hours;
use super::super::lately::Lately;
use super::super::tally::Tallies;
use super::super::values::{Counts, Form, Values};
use super::{IdentityRecord, MOVES};

/// What a record has beside what every record has.
const AUTH_TIME: u16 = 1;
const RECOVERED: u16 = 1 << 1;
const MULTI_FACTOR: u16 = 1 << 2;
const BLOCK: u16 = 1 << 3;
const HOURS: u16 = 1 << 4;
const MOVED: u16 = 1 << 5;
const LATELY: u16 = 1 << 6;
const OAUTH: u16 = 1 << 7;
const CONTAINED: u16 = 1 << 8;
const LANGUAGE: u16 = 1 << 9;
const CITY: u16 = 1 << 10;
const HOSTING: u16 = 1 << 11;
const GRANT: u16 = 1 << 12;
const KNOWN: u16 = (1 << 13) - 1;

impl IdentityRecord {
    /// Appends the record's bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut out = Writer(out);
        let out = &mut out;
        let present = self.present();
        let has = |what| present & what != 0;
        out.u16(present);
        out.u32(self.updated);
        out.var(self.updated.wrapping_sub(self.created));
        out.var(self.updated.wrapping_sub(self.last_event));
        out.var(self.history);
        if has(AUTH_TIME) {
            out.var(self.updated.wrapping_sub(self.auth_time));
        }
        if has(RECOVERED) {
            out.var(self.updated.wrapping_sub(self.recovered));
        }
        let counts = self.counts();
        counts.encode(out);
        if has(MULTI_FACTOR) {
            out.count(self.multi_factor);
        }
        out.u8(self.recent.len() as u8);
        self.recent.iter().for_each(|event| out.u32(*event));
        let (network, client) = (&self.network, &self.client);
        network.address.encode(Form::Hash, &counts, out);
        network.prefix.encode(Form::Hash, &counts, out);
        if has(BLOCK) {
            network.block.encode(Form::Hash, &counts, out);
        }
        network.asn.encode(Form::Code, &counts, out);
        network.country.encode(Form::Code, &counts, out);
        client.user_agent.encode(Form::Hash, &counts, out);
        client.browser.encode(Form::Code, &counts, out);
        client.os.encode(Form::Code, &counts, out);
        client.device.encode(Form::Code, &counts, out);
        if has(HOURS) {
            self.hours.encode(out);
        }
        self.encode_slots(out);
        if has(MOVED) {
            self.moves.encode(out);
        }
        if has(LATELY) {
            self.lately.encode(self.updated, out);
        }
        if has(CONTAINED) {
            self.contained.encode(out);
        }
        if has(OAUTH) {
            self.oauth.encode(Form::Hash, &counts, out);
        }
        if has(LANGUAGE) {
            self.language.encode(Form::Hash, &counts, out);
        }
        if has(CITY) {
            self.city.encode(Form::Hash, &counts, out);
        }
        if has(HOSTING) {
            self.hosting.encode(Form::Code, &counts, out);
        }
        if has(GRANT) {
            self.grant.encode(Form::Code, &counts, out);
        }
    }

    /// Reads a record back; `None` when the bytes are not one.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut record = Self::default();
        record.decode_into_empty(bytes)?;
        Some(record)
    }

    /// Reads a record back into an empty one; `None` when the bytes are not one, and what was read of it is left.
    pub fn decode_into_empty(&mut self, bytes: &[u8]) -> Option<()> {
        let record = self;
        let mut input = Reader::new(bytes);
        let input = &mut input;
        let present = input.u16()?;
        if present & !KNOWN != 0 {
            return None;
        }
        let has = |what| present & what != 0;
        let updated = input.u32()?;
        record.updated = updated;
        record.created = updated.wrapping_sub(input.var()?);
        record.last_event = updated.wrapping_sub(input.var()?);
        record.history = input.var()?;
        if has(AUTH_TIME) {
            record.auth_time = updated.wrapping_sub(input.var()?);
        }
        if has(RECOVERED) {
            record.recovered = updated.wrapping_sub(input.var()?);
        }
        let counts = Counts::decode(input)?;
        record.events = counts.first()?;
        if has(MULTI_FACTOR) {
            record.multi_factor = input.count()?;
        }
        for _ in 0..input.u8()? {
            record.recent.try_push(input.u32()?).ok()?;
        }
        let network = &mut record.network;
        network.address.decode(Form::Hash, &counts, input)?;
        network.prefix.decode(Form::Hash, &counts, input)?;
        if has(BLOCK) {
            network.block.decode(Form::Hash, &counts, input)?;
        }
        network.asn.decode(Form::Code, &counts, input)?;
        network.country.decode(Form::Code, &counts, input)?;
        let client = &mut record.client;
        client.user_agent.decode(Form::Hash, &counts, input)?;
        client.browser.decode(Form::Code, &counts, input)?;
        client.os.decode(Form::Code, &counts, input)?;
        client.device.decode(Form::Code, &counts, input)?;
        if has(HOURS) {
            record.hours = Hours::decode(input)?;
        }
        record.decode_slots(input)?;
        if has(MOVED) {
            record.moves = Tallies::decode(input, MOVES)?;
        }
        if has(LATELY) {
            record.lately = Lately::decode(updated, input)?;
        }
        if has(CONTAINED) {
            record.contained = Contained::decode(input)?;
        }
        if has(OAUTH) {
            record.oauth.decode(Form::Hash, &counts, input)?;
        }
        if has(LANGUAGE) {
            record.language.decode(Form::Hash, &counts, input)?;
        }
        if has(CITY) {
            record.city.decode(Form::Hash, &counts, input)?;
        }
        if has(HOSTING) {
            record.hosting.decode(Form::Code, &counts, input)?;
        }
        if has(GRANT) {
            record.grant.decode(Form::Code, &counts, input)?;
        }
        input.is_empty().then_some(())
    }

    fn present(&self) -> u16 {
        [
            (self.auth_time != 0, AUTH_TIME),
            (self.recovered != 0, RECOVERED),
            (self.multi_factor != 0.0, MULTI_FACTOR),
            (self.network.block != Values::default(), BLOCK),
            (self.hours != Hours::default(), HOURS),
            (self.moves != Tallies::default(), MOVED),
            (self.lately != Lately::default(), LATELY),
            (self.contained != Contained::default(), CONTAINED),
            (self.oauth != Values::default(), OAUTH),
            (self.language != Values::default(), LANGUAGE),
            (self.city != Values::default(), CITY),
            (self.hosting != Values::default(), HOSTING),
            (self.grant != Values::default(), GRANT),
        ]
        .into_iter()
        .fold(0, |all, (there, what)| all | (u16::from(there) * what))
    }

    /// The counts of all tables, the number of events first.
    fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        counts.note(self.events);
        let (network, client) = (&self.network, &self.client);
        network.country.note(&mut counts);
        network.asn.note(&mut counts);
        network.prefix.note(&mut counts);
        network.address.note(&mut counts);
        client.device.note(&mut counts);
        client.os.note(&mut counts);
        client.browser.note(&mut counts);
        client.user_agent.note(&mut counts);
        self.oauth.note(&mut counts);
        self.language.note(&mut counts);
        self.city.note(&mut counts);
        self.hosting.note(&mut counts);
        self.grant.note(&mut counts);
        network.block.note(&mut counts);
        counts
    }
}
